"""Locks of files on this machine (flock). The system releases them when their process ends, also when it is killed."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ganstudy import UserError


def locked(file: IO[str], *, shared: bool = False) -> bool:
    """Take a lock, unless another process holds it. Returns whether it was taken. Raises UserError where the file system has no locks."""
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise UserError(
            f"{file.name} must be on a file system with locks (flock), so that two drivers never write to one folder: {error.strerror}. Mount it "
            "with locks (Lustre: the option flock; NFS: without nolock), or give a folder on another one"
        ) from error
    return True


def holder(path: Path) -> str | None:
    """Return what the process that holds the lock has written into its file; None if no process holds it."""
    if not path.exists():
        return None
    with path.open("r") as lock:
        return None if locked(lock, shared=True) else lock.read() or "a process that is just starting"


@contextmanager
def waiting_for(path: Path) -> Iterator[None]:
    """Hold a lock that others hold only for a moment, and wait for it."""
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
