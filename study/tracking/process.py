"""Mirrors of a study: Weights & Biases (`wandb_runs`), and an Optuna storage (`dashboard`).

The records are the truth. A process of its own reads them and writes what they say, so that no server can stop or delay a study.
"""

import fcntl
import json
import os
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import psutil

from study.spec.tracking import Tracking
from study.store.records import StudyRecord, TrialRecord
from study.store.store import Store, whole_lines
from study.tracking.optuna_tracker import OptunaMirror
from study.tracking.wandb_tracker import HOME, WandbMirror, log, mirrored, state

LOG = "log.txt"
LIMIT_S = 60.0
POLL_S = 0.25


# In the driver -----------------------------------------------------------------------------------


@contextmanager
def watching(folder: Path, tracking: Tracking, *, say: Callable[[str], None] = print, limit_s: float = LIMIT_S) -> Iterator[None]:
    """Mirror the study in `folder` while the block runs, and for at most `limit_s` seconds after it. `say` gets lines for the user."""
    mode = tracking.wandb.resolved() if tracking.wandb else "disabled"
    if mode == "disabled" and tracking.optuna is None:
        yield
        return
    home = folder / HOME
    home.mkdir(parents=True, exist_ok=True)
    if tracking.wandb and tracking.wandb.mode == "auto" and mode == "offline":
        say(f"W&B: no API key here, so runs are written to {home} (`wandb login` stores one)")
    with (home / LOG).open("ab") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", "study.tracking.process", str(folder)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])},
            start_new_session=True,  # Ctrl-C is for the driver, who then asks it to end
        )
    assert child.stdin
    try:
        with suppress(BrokenPipeError):  # it is gone already; its exit code is looked at below
            child.stdin.write(json.dumps({"tracking": tracking.model_dump(), "mode": mode, "limit_s": limit_s}).encode() + b"\n")
            child.stdin.flush()
        yield
    finally:
        try:
            with suppress(BrokenPipeError):
                child.stdin.close()
            child.wait(limit_s)
        except subprocess.TimeoutExpired:
            pass
        finally:
            stopped = child.poll() is None
            if stopped:
                _kill(psutil.Process(child.pid))
                child.wait()
        if child.returncode:
            how = f"not done within {limit_s:g} s" if stopped else "stopped by an error"
            missing, send = (
                (_missing(folder), f", or send what is there with `wandb sync {home}/*run-*`") if mode != "disabled" else ("", "")
            )
            say(f"tracking: {how} ({home / LOG}); {missing}resume the study to go on{send}")
        elif waiting := [run for run in home.glob("offline-run-*") if not [*run.glob("*.synced")]]:
            say(f"W&B: {len(waiting)} runs were written offline; send them with `wandb sync {home}/offline-run-*`")


def _missing(folder: Path) -> str:
    done = mirrored(folder)
    trials = Store(folder).trials.values()
    return f"{sum(done.get(trial.trial_id) != state(trial) for trial in trials)} of {len(trials)} runs are not complete in W&B; "


def _kill(process: psutil.Process) -> None:
    """With wandb-core, which has a session of its own and would go on trying."""
    for each in [*process.children(recursive=True), process]:
        with suppress(psutil.NoSuchProcess):
            each.kill()


# In the process that mirrors ---------------------------------------------------------------------


class Mirror(Protocol):
    def update(self, trial: TrialRecord, study: StudyRecord, *, last: bool) -> bool:
        """Write what is new of a trial; `last` means that nothing more will come. False if it must be called again, new lines or not."""

    def close(self) -> None: ...


class Tail(Store):
    """The records, read on from where the last reading stopped."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.studies = []
        self.trials = {}
        self._file = None
        self._position = 0

    def read_on(self) -> list[str]:
        """The ids of the trials with new lines. A line that is still being written waits for the next time."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            file.seek(self._position)
            data = whole_lines(file.read())
        self._position += len(data)
        lines = [json.loads(line) for line in data.splitlines()]
        for line in lines:
            self._learn(line)
        return [line["trial"] for line in lines if "trial" in line]


def main() -> None:
    folder = Path(sys.argv[1])
    told = json.loads(sys.stdin.readline())
    tracking = Tracking.model_validate(told["tracking"])
    ending = threading.Event()
    threading.Thread(target=_heed, args=(ending, told["limit_s"]), daemon=True).start()
    with (folder / HOME / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a killed driver's mirror may still be at it
        makers: dict[str, Callable[[StudyRecord], Mirror]] = {}
        if tracking.wandb and told["mode"] != "disabled":
            config = tracking.wandb
            makers["W&B"] = lambda study: WandbMirror(folder, config, mode=told["mode"], patience_s=told["limit_s"])
        if address := tracking.optuna:
            makers["Optuna"] = lambda study: OptunaMirror(address, study)
        sys.exit(0 if follow(Tail(folder), makers, ending) else 1)


def _heed(ending: threading.Event, limit_s: float) -> None:
    """The driver closes the pipe when it is done, and the system does when it dies. Ends this process if that takes it too long."""
    while os.read(0, 1024):
        pass
    ending.set()
    time.sleep(limit_s + 1)  # a driver that lives is quicker
    _kill(psutil.Process())


def follow(tail: Tail, makers: Mapping[str, Callable[[StudyRecord], Mirror]], ending: threading.Event) -> bool:
    """Mirror until `ending` is set and all that was written by then is mirrored. False if a mirror broke."""
    left = dict(makers)
    mirrors: dict[str, Mirror] = {}
    waiting: dict[str, set[str]] = {name: set() for name in makers}
    while left:
        last = ending.is_set()  # looked at before the reading, so that the last reading comes after the last line
        fresh = tail.read_on()
        for name in list(left) if tail.study else []:
            assert tail.study
            try:
                if name not in mirrors:
                    mirrors[name] = left[name](tail.study)
                todo = dict.fromkeys([*waiting[name], *fresh, *(tail.trials if last else ())])
                waiting[name] = {each for each in todo if not mirrors[name].update(tail.trials[each], tail.study, last=last)}
                if last:
                    mirrors[name].close()
            except Exception:  # whatever a client throws, it must not take the other mirror down
                log(f"{name} is no longer mirrored:\n{traceback.format_exc()}")
                del left[name]
        if last:
            break
        ending.wait(POLL_S)
    return len(left) == len(makers)


if __name__ == "__main__":
    main()
