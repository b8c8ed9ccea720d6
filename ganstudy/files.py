"""Atomic file writes, and user errors for paths that the user chose."""

import errno
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from ganstudy.errors import UserError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # the disk, the user's quota, the largest file that a process may write
_BROKEN = (
    errno.EROFS,
    errno.EIO,
    errno.ESTALE,
)  # what a disk gives that fails, which the system often mounts read-only then, or a lost file server


@contextmanager
def room_for(path: Path) -> Iterator[None]:
    """Convert the error of a disk that is full or cannot be written, which the system reports without a path, into a UserError that names `path`."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            must, do = "have room on its disk", "Free space there"
        elif error.errno in _BROKEN:
            must, do = "be on a disk that can be written", "Check that disk and mount it again"
        else:
            raise
        raise UserError(f"{path} must {must}: {error.strerror}. {do}, then give the same command again") from error


def write_whole(path: Path, data: bytes | str) -> Path:
    """Write a file atomically: a reader sees the old content or the new content, never a part. Returns the path.

    Text is written as UTF-8. The data are flushed to a temporary file, which then replaces `path`. Missing parent folders are created.
    Several processes may write the same path. Raises UserError if the disk is full or cannot be written.
    """
    with room_for(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with part.open("wb") as file:
                file.write(data.encode() if isinstance(data, str) else data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        return path


def sync(*paths: Path) -> None:
    """Write files, or the names in folders, to disk, so that a power cut cannot undo what was written before.

    All at once: a disk that is asked for several together takes little longer than for one.
    """
    with ThreadPoolExecutor(len(paths)) as pool:
        list(pool.map(_sync, paths))


def _sync(path: Path) -> None:
    with room_for(path):
        opened = os.open(path, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


@contextmanager
def users_path(path: Path, must: str, *, do: str) -> Iterator[None]:
    """Convert an OSError at a path that the user chose into a UserError: what the path must be, the reason, and what to do."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{path} must {must}: {error.strerror or error}. {do}") from error


def check_output(path: Path) -> Path:
    """Return the path of an output file. Raises UserError if its folder does not exist, or if it is a folder itself."""
    if path.is_dir():
        raise UserError(f"{path} must be a file; it is a folder. Choose a file with --out")
    if not path.parent.is_dir():
        raise UserError(f"{path} must be in an existing folder; {path.parent} is not one. Create it, or choose another file with --out")
    return path


def write_output(path: Path, data: bytes | str) -> Path:
    """`write_whole` to a path that the user chose. Raises UserError if it cannot be written."""
    with users_path(check_output(path), "be a writable file", do="Choose another with --out"):
        return write_whole(path, data)
