"""The lock of a study folder: one driver at a time."""

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ganstudy import UserError
from ganstudy.files import users_path
from study.store.layout import Layout


@contextmanager
def driving(folder: Path, *, do: str = "") -> Iterator[None]:
    """Hold the lock. It goes with the process, however it ends. Raises UserError while another holds it, or where the folder cannot be written.

    `do` says what to do in either case; the commands of a study unless given.
    """
    with users_path(folder, "be a folder that can be written", do=do or "Change its permissions, or give another one (--folder)"):
        folder.mkdir(parents=True, exist_ok=True)
        lock = Layout(folder).lock.open("a+")
    with lock:
        for _ in range(5):  # driver() holds it for a moment when somebody looks
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(0.1)
        else:
            raise _taken(folder, driver(folder), do=do)
        lock.truncate(0)
        lock.write(f"process {os.getpid()} on {socket.gethostname()}")
        lock.flush()
        yield


def driver(folder: Path) -> str | None:
    """Who drives the study now, in words; None if nobody does."""
    path = Layout(folder).lock
    if not path.exists():
        return None
    with path.open("r") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return lock.read() or "a process that is just starting"
    return None


def refuse_second_driver(folder: Path) -> None:
    """Raises UserError where the study has a driver."""
    if who := driver(folder):
        raise _taken(folder, who)


def stop_driver(folder: Path, *, wait_s: float) -> str | None:
    """Ask the driver to stop and wait for its end. Returns who it was, None where there is none. Raises UserError if it takes longer."""
    who = driver(folder)
    if who:
        with users_path(folder, "be a folder that can be written", do="Change its permissions"):
            Layout(folder).stop.touch()
        end = time.monotonic() + wait_s
        while driver(folder) and time.monotonic() < end:
            time.sleep(0.2)
        if driver(folder):
            raise UserError(f"{who} must stop at its next measurement, but has not within {wait_s:g} s; it will when a trial comes to one")
    return who


def _taken(folder: Path, who: str | None, *, do: str = "") -> UserError:
    do = do or f"`ganstudy status {folder}` looks at it, `ganstudy stop {folder}` ends it"
    return UserError(f"{folder} has a driver already: {who}. {do}")
