"""The folder of the trackers' files in a study."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ganstudy.files import users_path
from study.store.layout import Layout


@contextmanager
def home(layout: Layout, *, do: str = "Remove it if it is a file, or change its permissions") -> Iterator[Path]:
    """Make the folder if it is missing, and raise UserError if it cannot be made, or if the block cannot write to it."""
    with users_path(layout.tracking, "be a folder that can be written", do=do):
        layout.tracking.mkdir(parents=True, exist_ok=True)
        yield layout.tracking
