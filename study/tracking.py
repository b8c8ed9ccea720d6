"""Mirrors of a study: Weights & Biases, and an Optuna storage. The only module that imports wandb.

The records are the truth. A process of its own reads them and writes what they say, so that no server can stop or delay a study.
A W&B run is a function of its trial's record: online, an interrupted one goes on after the last step that the server has; offline, it
is written anew and whole. So every tick is there once, whoever was killed. (A second file with the rest alone would not do:
`wandb sync` writes each file from the run's first row on.)
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import psutil

from study.dashboard import OptunaMirror, verdict
from study.mirrors import Mode, Tracking, WandbConfig
from study.records import Ended, StudyRecord, TrialRecord
from study.store import Store, whole_lines

if TYPE_CHECKING:
    import wandb

__all__ = ["Tracking", "WandbConfig", "watching"]

HOME = "wandb"  # W&B's own name for its folder, here the one in the study's
LOG = "log.txt"
MIRRORED = "mirrored.json"  # trial id -> [ticks, ended] of the runs that are complete
LIMIT_S = 60.0
POLL_S = 0.25
PICTURE_S = 5.0  # a tick's picture is written shortly after its measurement
DOWN_S = 60.0  # after a failure, runs are written offline for so long before the server is tried again
INTERRUPTED = 255  # W&B's exit code of a run that was stopped


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
    with (home / LOG).open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "study.tracking", str(folder)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])},
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
            missing = _missing(folder) if mode != "disabled" else ""
            send = f"`wandb sync {home}/*run-*`"
            say(f"tracking: {how} ({home / LOG}); {missing}resume the study to go on, or send what is there with {send}")
        elif waiting := [run for run in home.glob("offline-run-*") if not [*run.glob("*.synced")]]:
            say(f"W&B: {len(waiting)} runs were written offline; send them with `wandb sync {home}/offline-run-*`")


def _missing(folder: Path) -> str:
    done = _mirrored(folder)
    trials = Store(folder).trials.values()
    return f"{sum(done.get(trial.trial_id) != _state(trial) for trial in trials)} of {len(trials)} runs are not complete in W&B; "


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
                _log(f"{name} is no longer mirrored:\n{traceback.format_exc()}")
                del left[name]
        if last:
            break
        ending.wait(POLL_S)
    return len(left) == len(makers)


def _log(line: str) -> None:
    print(time.strftime("%Y-%m-%d %H:%M:%S"), line, flush=True)


# Weights & Biases --------------------------------------------------------------------------------


@dataclass
class OpenRun:
    run: "wandb.Run"
    logged: int  # ticks that are in it
    seen: int = 0  # ticks of the record when it was last looked at, and
    since: float = 0.0  # when that changed


class WandbMirror:
    """One wandb-core for all runs: the first costs half a second, a further one hundredths.

    A server is given a sixth of `patience_s` to take up a run and a third to take its rest, so that a failure at the very end leaves
    time to write the run offline.
    """

    def __init__(self, folder: Path, config: WandbConfig, *, mode: Mode, patience_s: float):
        self.folder = folder
        self.config = config
        self.mode = mode
        self.patience_s = patience_s
        self.done = _mirrored(folder)
        self.open: dict[str, OpenRun] = {}
        self.down_until = 0.0
        if config.base_url:
            os.environ["WANDB_BASE_URL"] = config.base_url
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")

    def update(self, trial: TrialRecord, study: StudyRecord, *, last: bool) -> bool:
        if self.done.get(trial.trial_id) == _state(trial) or not (trial.measurements or trial.closed):
            return True
        if trial.trial_id not in self.open:
            self.open[trial.trial_id] = self._start(trial, study)
        entry = self.open[trial.trial_id]
        if entry.seen < len(trial.measurements):
            entry.seen, entry.since = len(trial.measurements), time.monotonic()
        complete = last or _has_last_picture(trial) or time.monotonic() - entry.since > PICTURE_S
        until = len(trial.measurements) - (not complete)
        for tick in range(entry.logged, until):
            self._log_tick(entry.run, trial, tick)
        entry.logged = max(entry.logged, until)
        if complete and trial.closed:
            self._finish(trial, study)
        return complete

    def close(self) -> None:
        """The runs of trials that were interrupted; they go on when the study does."""
        for entry in self.open.values():
            with suppress(TimeoutError):
                entry.run.finish(exit_code=INTERRUPTED)

    def _start(self, trial: TrialRecord, study: StudyRecord) -> OpenRun:
        import wandb

        run_id = f"{mark(study)}-{trial.trial_id}"
        for file in (self.folder / HOME).glob(f"*run-*/run-{run_id}.wandb"):
            shutil.rmtree(file.parent, ignore_errors=True)  # an unfinished one; all that it held is written again
        online = self.mode == "online" and time.monotonic() > self.down_until
        try:
            run = wandb.init(
                id=run_id,
                name=trial.trial_id,
                entity=self.config.entity,
                project=self.config.project,
                group=study.spec["name"],
                job_type=trial.phase,
                tags=[name for name, value in trial.flat.items() if value is True],
                config={
                    **nested({**trial.flat, "trial_id": trial.trial_id, "config_id": trial.trial_id.rpartition("-s")[0]}),
                    "ruler": dict(study.ruler),
                },
                dir=self.folder,
                mode="online" if online else "offline",
                resume="allow" if online else None,
                reinit="create_new",
                settings=wandb.Settings(
                    console="off",
                    silent=True,
                    disable_git=True,
                    disable_code=True,
                    x_disable_meta=True,
                    x_disable_stats=True,
                    x_disable_machine_info=True,
                    x_save_requirements=False,
                    init_timeout=self.patience_s / 6,
                    finish_timeout=self.patience_s / 3,
                    finish_timeout_raises=True,
                ),
            )
        except wandb.Error as error:
            if not online:
                raise
            self._down(error)
            wandb.teardown(INTERRUPTED)  # the core would hold the failed run's id for ever
            self.open.clear()  # so these are started again too when they have news
            return self._start(trial, study)
        run.define_metric("*", step_metric="images")
        return OpenRun(run, logged=run.starting_step)

    def _log_tick(self, run: "wandb.Run", trial: TrialRecord, tick: int) -> None:
        import wandb

        measured = trial.measurements[tick]
        row: dict[str, Any] = {
            "images": measured.images,
            "seconds": measured.seconds,
            "judge_seconds": measured.judge_seconds,
            **measured.values,
        }
        picture = self.folder / "trials" / trial.trial_id / "samples" / f"{measured.images:09d}.png"
        if picture.exists():
            row["samples"] = wandb.Image(str(picture))
        run.log(row, step=tick, commit=True)

    def _finish(self, trial: TrialRecord, study: StudyRecord) -> None:
        assert trial.closed
        run = self.open.pop(trial.trial_id).run
        run.summary.update(verdict(trial, study))
        try:
            run.finish(exit_code=int(trial.closed.ended is Ended.ERROR))
        except TimeoutError as error:
            self._down(error)
            self.update(trial, study, last=True)  # again, offline
            return
        self.done[trial.trial_id] = _state(trial)
        path = self.folder / HOME / MIRRORED
        path.with_suffix(".new").write_text(json.dumps(self.done))
        path.with_suffix(".new").replace(path)

    def _down(self, error: Exception) -> None:
        _log(f"W&B's server cannot be used, so runs are written offline for {DOWN_S:g} s: {error}")
        self.down_until = time.monotonic() + DOWN_S


def mark(study: StudyRecord) -> str:
    """The study's name and when its folder was made: another study of this name is another group of runs."""
    return f"{study.spec['name'][:24]}-{hashlib.sha256(study.created.encode()).hexdigest()[:6]}"


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """{"g.lr": 1e-3, "r1": True, "r1.gamma": 2} -> {"g": {"lr": 1e-3}, "r1": {"on": True, "gamma": 2}}, which W&B shows dotted again.

    A switch is always `r1.on`, so that it is one column whether there are knobs beside it or not; the data's name is `data.name`.
    """
    out: dict[str, Any] = {}
    heads = {name.partition(".")[0] for name in flat if "." in name}
    for name, value in flat.items():
        head, _, rest = name.partition(".")
        if isinstance(value, bool) and not rest:
            out.setdefault(head, {})["on"] = value
        elif rest or head in heads:
            out.setdefault(head, {})[rest or "name"] = value
        else:
            out[head] = value
    return out


def _has_last_picture(trial: TrialRecord) -> bool:
    """Or will never have it."""
    if trial.closed and trial.closed.ended in (Ended.DEAD, Ended.ERROR):
        return True
    return trial.last is None or (bool(trial.saved) and trial.saved[-1].images >= trial.last.images)


def _mirrored(folder: Path) -> dict[str, Any]:
    path = folder / HOME / MIRRORED
    return dict(json.loads(path.read_text())) if path.exists() else {}


def _state(trial: TrialRecord) -> list[Any]:
    return [len(trial.measurements), trial.closed and str(trial.closed.ended)]


if __name__ == "__main__":
    main()
