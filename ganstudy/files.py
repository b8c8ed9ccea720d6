"""Files that are written whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ganstudy.errors import UserError


def write_whole(path: Path, data: bytes | str) -> Path:
    """Write the file so that a reader sees the old content or the new, never a part. Text is written as UTF-8. Returns the path.

    The data are flushed to the disk before they take the name. Parent folders are made. Other processes may write the same file.
    """
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


@contextmanager
def users_path(path: Path, must: str, *, do: str) -> Iterator[None]:
    """Turn an OSError at a path that a person chose into a UserError: what the path must be, the reason, and what to do."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{path} must {must}: {error.strerror or error}. {do}") from error


def check_output(path: Path) -> Path:
    """Return the path of a file that a person wants written. Raises UserError where its folder is missing."""
    if not path.parent.is_dir():
        raise UserError(f"{path} must be in a folder that is there; {path.parent} is not. Make it, or give another file with --out")
    return path


def write_output(path: Path, data: bytes | str) -> Path:
    """`write_whole` to a path that a person chose. Raises UserError where it cannot be written."""
    with users_path(check_output(path), "be a file that can be written", do="Give another with --out"):
        return write_whole(path, data)
