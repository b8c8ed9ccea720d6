"""The lock of a study folder: one driver at a time."""

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ganstudy import UserError
from ganstudy.command import command
from ganstudy.files import users_path
from study.store.layout import Layout


@contextmanager
def driving(folder: Path, *, do: str = "") -> Iterator[None]:
    """Hold the lock of a study folder. The system releases it when the process ends, also when it is killed.

    Raises UserError if another process holds the lock, or if the folder cannot be written or locked. `do`: what the message tells the user to do;
    the commands of a study unless given.
    """
    with users_path(folder, "be a folder that can be written", do=do or "Change its permissions, or give another one (--folder)"):
        folder.mkdir(parents=True, exist_ok=True)
        lock = Layout(folder).lock.open("a+")
    with lock:
        for _ in range(5):  # driver() in another process holds a shared lock for a moment
            if _locked(lock, fcntl.LOCK_EX):
                break
            time.sleep(0.1)
        else:
            raise _taken(folder, driver(folder), do=do)
        lock.truncate(0)
        lock.write(f"process {os.getpid()} on {socket.gethostname()}")
        lock.flush()
        Layout(folder).stop.unlink(missing_ok=True)  # of an earlier driver; from now on it is for this one
        yield


def driver(folder: Path) -> str | None:
    """Return the active driver, such as "process 12 on host"; None if there is no active driver."""
    path = Layout(folder).lock
    if not path.exists():
        return None
    with path.open("r") as lock:
        return None if _locked(lock, fcntl.LOCK_SH) else lock.read() or "a process that is just starting"


def refuse_second_driver(folder: Path) -> None:
    """Raises UserError if the study has an active driver."""
    if who := driver(folder):
        raise _taken(folder, who)


def stop_driver(folder: Path, *, wait_s: float) -> str | None:
    """Tell the driver to stop and wait for its end. Returns the driver that ended; None if there was no active driver.

    Raises UserError if the driver takes longer than wait_s.
    """
    who = driver(folder)
    if who:
        with users_path(folder, "be a folder that can be written", do="Change its permissions"):
            Layout(folder).stop.touch()
        end = time.monotonic() + wait_s
        while driver(folder) and time.monotonic() < end:
            time.sleep(0.2)
        if driver(folder):
            raise UserError(
                f"{who} must stop within {wait_s:g} s; it is still active. Wait longer (--wait-s), or end that process; the study can be resumed after that too"
            )
    return who


def _locked(lock: IO[str], kind: int) -> bool:
    """Take a lock, unless another process holds it. Returns whether it was taken. Raises UserError where the file system has no locks."""
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise UserError(
            f"{lock.name} must be on a file system with locks (flock), so that two drivers never write to one folder: {error.strerror}. Mount it "
            "with locks (Lustre: the option flock; NFS: without nolock), or give a folder on another one"
        ) from error
    return True


def _taken(folder: Path, who: str | None, *, do: str = "") -> UserError:
    do = do or f"{command('status', folder)} shows its progress, {command('stop', folder)} stops it"
    return UserError(f"{folder} is in use by {who}. {do}")
