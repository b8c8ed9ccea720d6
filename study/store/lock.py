"""The lock of a study: one driver at a time. A study in an object store has two: of its local copy, and an object."""

import os
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from ganstudy import UserError
from ganstudy.command import command
from ganstudy.files import users_path
from study.store import flock
from study.store.layout import Layout, shown
from study.store.local_copy import copy_id, objects_of
from study.store.object_lock import STOP, ObjectLock, conditional, held, holding

_ANOTHER = "Change its permissions, or give another one (--folder)"


@contextmanager
def driving(folder: Path, *, do: str = "") -> Iterator[ObjectLock | None]:
    """Hold the lock of a study folder. The system releases it when the process ends, also when it is killed.

    For the local copy of a study in an object store, also hold the object, which the caller must refresh; it is the value. Raises UserError if another
    process holds the lock, or if the folder cannot be written or locked. `do`: what the message tells the user to do; the commands of a study unless given.
    """
    with users_path(folder, "be a folder that can be written", do=do or _ANOTHER):
        folder.mkdir(parents=True, exist_ok=True)
        lock = Layout(folder).lock.open("a+")
    with lock:
        for _ in range(5):  # driver() in another process holds a shared lock for a moment
            if flock.locked(lock):
                break
            time.sleep(0.1)
        else:
            raise _taken(folder, driver(folder), do=do)
        lock.truncate(0)
        lock.write(f"process {os.getpid()} on {socket.gethostname()}")
        lock.flush()
        Layout(folder).stop.unlink(missing_ok=True)  # of an earlier driver; from now on it is for this one
        if (objects := objects_of(folder)) is None:
            yield None
            return
        with holding(objects, copy=copy_id(folder), taken=lambda who: _taken(folder, who)) as object_lock:
            objects.delete([STOP])
            yield object_lock


def refuse_unwritable(folder: Path) -> None:
    """Raise the UserError of `driving` for a folder that cannot be created or written. Creates nothing that has a name."""
    with users_path(folder, "be a folder that can be written", do=_ANOTHER):
        there = next(place for place in (folder.absolute(), *folder.absolute().parents) if os.path.lexists(place))
        with tempfile.TemporaryFile(dir=there):
            pass


def driver(folder: Path) -> str | None:
    """Return the active driver, such as "process 12 on host"; None if there is no active driver."""
    return _driver(folder, datetime.now(UTC))


def _driver(folder: Path, now: datetime) -> str | None:
    """Return the active driver. now: the time of the object store, to see whether the lock there is still refreshed."""
    if who := flock.holder(Layout(folder).lock):
        return who
    objects = objects_of(folder)
    if objects is None:
        return None
    found = held(objects)
    return found.who if found and found.is_active(now, copy=copy_id(folder)) else None


def refuse_second_driver(folder: Path) -> None:
    """Raises UserError if the study has an active driver, or if it is in a store that cannot keep a second one away."""
    objects = objects_of(folder)
    if who := _driver(folder, conditional(objects)) if objects else driver(folder):
        raise _taken(folder, who)


def stop_driver(folder: Path, *, wait_s: float) -> str | None:
    """Tell the driver to stop and wait for its end. Returns the driver that ended; None if there was no active driver.

    Raises UserError if the driver takes longer than wait_s.
    """
    who = driver(folder)
    if who:
        if objects := objects_of(folder):
            objects.put(STOP, b"")
        else:
            with users_path(folder, "be a folder that can be written", do="Change its permissions"):
                Layout(folder).stop.touch()
        end = time.monotonic() + wait_s
        while driver(folder) and time.monotonic() < end:
            time.sleep(0.5)
        if driver(folder):
            raise UserError(
                f"{who} must stop within {wait_s:g} s; it is still active. Wait longer (--wait-s), or end that process; the study can be resumed after that too"
            )
    return who


def _taken(folder: Path, who: str | None, *, do: str = "") -> UserError:
    do = do or f"{command('status', shown(folder))} shows its progress, {command('stop', shown(folder))} stops it"
    return UserError(f"{shown(folder)} is in use by {who}. {do}")
