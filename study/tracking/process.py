"""Runs the trackers in a separate process: `python -m study.tracking.process`.

The process follows the records and writes them to the trackers, so that no server can stop or delay a study.
"""

import fcntl
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from pydantic import TypeAdapter

from ganstudy import UserError
from ganstudy.command import command
from ganstudy.files import write_whole
from ganstudy.masked import masked
from study.spec.tracking import TRACKERS, Tracking, WandbConfig, has_key, server
from study.store.layout import Layout, shown
from study.store.records import StudyRecord
from study.store.store import Store
from study.tracking.computing import end_computing
from study.tracking.failures import failure
from study.tracking.handed import handing_over, receive
from study.tracking.home import home
from study.tracking.killing import kill
from study.tracking.tracker import Tail, Tracker, follow

_LIMIT_S = 60.0  # how long the tracking process may take after the study has ended


# In the driver -----------------------------------------------------------------------------------


@contextmanager
def watching(
    folder: Path,
    tracking: Tracking,
    *,
    plugins: Sequence[str] = (),
    plugin_folders: Sequence[str] = (),
    say: Callable[[str], None] = print,
    say_last: Callable[[str], None] | None = None,
    limit_s: float = _LIMIT_S,
) -> Iterator[None]:
    """Track the study in `folder` while the block runs, and for at most `limit_s` seconds afterwards.

    Calls `say` with messages for the user; with those about how tracking ended, `say_last`, if it is given.
    """
    active = tracking.active
    mode = active["wandb"].mode if "wandb" in active else "disabled"
    if not active:
        yield
        return
    with home(Layout(folder), do="Change the permissions, or leave tracking out of the study") as place:
        pass
    if tracking.wandb and tracking.wandb.mode in ("auto", "online") and mode != "disabled" and not has_key(tracking.wandb.base_url):
        say(
            f"W&B: no API key found for {masked(server(tracking.wandb.base_url))}; runs are written offline to {place}. `wandb login` stores a key"
        )
    ending, before = _Ending(), unsent(folder)
    try:
        with _following(folder, active, ending, plugins=plugins, plugin_folders=plugin_folders, limit_s=limit_s):
            yield
    finally:
        for name, problem in ending.problems.items():
            (say_last or say)(failure(folder, name, problem, active[name]))
        if "wandb" not in ending.problems and (waiting := unsent(folder)) and set(waiting) - set(before):
            written = "1 run was" if len(waiting) == 1 else f"{len(waiting)} runs were"
            (say_last or say)(f"W&B: {written} written offline; send them with {command('sync', shown(folder))}")


def complete_wandb(folder: Path, config: WandbConfig, *, trust_plugins: bool = False, limit_s: float = _LIMIT_S) -> str:
    """Write what W&B lacks of a study that nobody runs, such as a new report, within `limit_s` seconds. Returns what went wrong, or "".

    config: as in the study, with a mode of its own. trust_plugins: import the plugins of the study, which are code.
    """
    ending = _Ending()
    if active := Tracking(wandb=config).active:
        with home(Layout(folder)):
            pass
        study = Store(folder).study if trust_plugins else None
        plugins, places = (study.spec["plugins"], study.plugin_folders) if study else ((), ())
        with _following(folder, active, ending, plugins=plugins, plugin_folders=places, limit_s=limit_s):
            pass
    return ending.problems.get("wandb", "")


def unsent(folder: Path) -> list[Path]:
    """Return the folders of runs that were written offline and not sent yet, in the order in which they were written."""
    return sorted(run for run in Layout(folder).tracking.glob("offline-run-*") if not [*run.glob("*.synced")])


@dataclass
class _Ending:
    """How a tracking process ended. problems: tracker -> why it does not have everything."""

    problems: dict[str, str] = field(default_factory=dict)


@contextmanager
def _following(
    folder: Path,
    active: Mapping[str, Any],
    ending: _Ending,
    *,
    plugins: Sequence[str] = (),
    plugin_folders: Sequence[str] = (),
    limit_s: float,
) -> Iterator[None]:
    """Have a process write the records to the trackers while the block runs, and for at most `limit_s` seconds afterwards.

    plugins: those that it may use. This process imports them; the other one does so only for a tracker of a plugin.
    """
    _import(plugins, plugin_folders)
    ended = Layout(folder).tracking_ended
    ended.unlink(missing_ok=True)
    with Layout(folder).tracking_log.open("ab") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", "study.tracking.process", str(folder)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])},
            start_new_session=True,  # Ctrl-C must reach only the driver, which then closes the pipe
        )
    assert child.stdin
    trackers = {name: TypeAdapter(TRACKERS[name].config).dump_python(config, mode="json") for name, config in active.items()}
    order = {"trackers": trackers, "handed": handing_over(plugins), "plugin_folders": plugin_folders, "limit_s": limit_s}
    try:
        with suppress(BrokenPipeError):  # the process has died; its exit code is checked below
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
                kill(psutil.Process(child.pid))
                child.wait()
        if child.returncode:
            found = json.loads(ended.read_text()) if ended.exists() else {}
            otherwise = f"not finished within {limit_s:g} s" if stopped else _ended_early(child.returncode)
            ending.problems = {name: problem for name in active if (problem := found.get(name, otherwise))}


def _ended_early(code: int) -> str:
    """How a process ended that nobody stopped."""
    return (
        f"its process was ended by signal {-code} ({signal.strsignal(-code)})" if code < 0 else f"its process ended with exit code {code}"
    )


def _import(plugins: Sequence[str], folders: Sequence[str]) -> None:
    """Import plugins. A launch has done so and checked them."""
    sys.path += [place for place in folders if place not in sys.path]
    for module in plugins:
        importlib.import_module(module)


# In the tracking process -------------------------------------------------------------------------


def main() -> None:
    """Follow the records of the folder in argv until stdin is closed. Exits with 1 if a tracker failed."""
    folder = Path(sys.argv[1])
    order = json.loads(sys.stdin.readline())
    receive(order["handed"])
    ending = threading.Event()
    threading.Thread(target=_watch_for_end, args=(ending, order["limit_s"]), daemon=True).start()
    with Layout(folder).tracking_lock.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the process of a killed driver may still be tracking
        if not order["trackers"].keys() <= TRACKERS.keys():
            _import(order["handed"]["plugins"], order["plugin_folders"])
        # before the trackers have threads: its imports form a cycle, which two threads must not enter at the same time
        importlib.import_module("analysis.diagnose")
        makers = {name: _maker(folder, name, config, order["limit_s"]) for name, config in order["trackers"].items()}
        try:
            whole = follow(Tail(folder), makers, ending, _noting(Layout(folder).tracking_ended))
        finally:
            end_computing()
        sys.exit(0 if whole else 1)


def _noting(path: Path) -> Callable[[str, str], None]:
    """Return a function that notes how a tracker ended, for the driver."""
    known: dict[str, str] = {}
    lock = threading.Lock()

    def note(name: str, problem: str) -> None:
        with lock, suppress(OSError, UserError):  # of a full disk, the exit code must do
            known[name] = problem
            write_whole(path, json.dumps(known))

    return note


def _maker(folder: Path, name: str, config: Any, limit_s: float) -> Callable[[StudyRecord], Tracker]:
    """A function that makes the tracker. It imports the tracker's module only when it is called."""
    entry = TRACKERS.pick(name)

    def make(study: StudyRecord) -> Tracker:
        module, _, function = entry.make.partition(":")
        tracker: Tracker = getattr(importlib.import_module(module), function)(
            folder, TypeAdapter(entry.config).validate_python(config), study, limit_s
        )
        return tracker

    return make


def _watch_for_end(ending: threading.Event, limit_s: float) -> None:
    """Set `ending` when stdin is closed, by the driver or because the driver died. Kill this process if it then exceeds limit_s."""
    while os.read(0, 1024):
        pass
    ending.set()
    time.sleep(limit_s + 1)  # only if the driver died; a live driver kills this process after limit_s
    kill(psutil.Process())


if __name__ == "__main__":
    main()
