"""Tracking in a process of its own: `python -m study.tracking.process`.

The records are the truth. This process reads them and writes what they say, so that no server can stop or delay a study.
"""

import fcntl
import importlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from pydantic import TypeAdapter

from ganstudy.files import users_path
from study.spec.tracking import TRACKERS, Tracking
from study.store.layout import Layout
from study.store.records import StudyRecord
from study.store.store import Store
from study.tracking.tracker import Tail, Tracker, follow
from study.tracking.wandb_tracker import mirrored, state

LIMIT_S = 60.0


# In the driver -----------------------------------------------------------------------------------


@contextmanager
def watching(
    folder: Path,
    tracking: Tracking,
    *,
    plugins: Sequence[str] = (),
    plugin_folders: Sequence[str] = (),
    say: Callable[[str], None] = print,
    limit_s: float = LIMIT_S,
) -> Iterator[None]:
    """Mirror the study in `folder` while the block runs, and for at most `limit_s` seconds after it. `say` gets lines for the user."""
    active = tracking.active
    mode = active["wandb"].mode if "wandb" in active else "disabled"
    if not active:
        yield
        return
    home, log_file = Layout(folder).tracking, Layout(folder).tracking_log
    with users_path(home, "be a folder that can be written", do="Change the permissions, or leave tracking out of the study"):
        home.mkdir(parents=True, exist_ok=True)
    if tracking.wandb and tracking.wandb.mode == "auto" and mode == "offline":
        say(f"W&B: no API key here, so runs are written to {home} (`wandb login` stores one)")
    with log_file.open("ab") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", "study.tracking.process", str(folder)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])},
            start_new_session=True,  # Ctrl-C is for the driver, who then asks it to end
        )
    assert child.stdin
    trackers = {name: TypeAdapter(TRACKERS[name].config).dump_python(config, mode="json") for name, config in active.items()}
    order = {"trackers": trackers, "plugins": plugins, "plugin_folders": plugin_folders, "limit_s": limit_s}
    try:
        with suppress(BrokenPipeError):  # it is gone already; its exit code is looked at below
            child.stdin.write(json.dumps(order).encode() + b"\n")
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
            say(f"tracking: {how} ({log_file}); {missing}resume the study to go on{send}")
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


# In the process that tracks ----------------------------------------------------------------------


def main() -> None:
    folder = Path(sys.argv[1])
    order = json.loads(sys.stdin.readline())
    ending = threading.Event()
    threading.Thread(target=_heed, args=(ending, order["limit_s"]), daemon=True).start()
    with Layout(folder).tracking_lock.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the process of a killed driver may still be tracking
        sys.path += [place for place in order["plugin_folders"] if place not in sys.path]
        for module in order["plugins"]:
            importlib.import_module(module)
        makers = {name: _maker(folder, name, config, order["limit_s"]) for name, config in order["trackers"].items()}
        sys.exit(0 if follow(Tail(folder), makers, ending) else 1)


def _maker(folder: Path, name: str, config: Any, limit_s: float) -> Callable[[StudyRecord], Tracker]:
    """What makes the tracker; its module is imported when the study has a record."""
    entry = TRACKERS.pick(name)

    def make(study: StudyRecord) -> Tracker:
        module, _, function = entry.make.partition(":")
        tracker: Tracker = getattr(importlib.import_module(module), function)(
            folder, TypeAdapter(entry.config).validate_python(config), study, limit_s
        )
        return tracker

    return make


def _heed(ending: threading.Event, limit_s: float) -> None:
    """The driver closes the pipe when it is done, and the system does when it dies. Ends this process if that takes it too long."""
    while os.read(0, 1024):
        pass
    ending.set()
    time.sleep(limit_s + 1)  # a driver that lives is quicker
    _kill(psutil.Process())


if __name__ == "__main__":
    main()
