"""The processes below this one: those of a study whose trials share workers, by the names that Ray gives them, and those that a block has started."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil

WORKER, DISPATCHER = "ray::Worker", "ray::Dispatcher"
LANE = "ray::ResourceTrainable"  # tune.with_resources names it so


def running(*names: str) -> list[psutil.Process]:
    """Return the processes below this one whose names begin so."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if process.name().startswith(names) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


@contextmanager
def new_children() -> Iterator[Callable[[], set[psutil.Process]]]:
    """Gives a function that returns the children which this process has started in the block. Tests before it may have left some, such as multiprocessing's tracker."""
    before = set(psutil.Process().children())
    yield lambda: set(psutil.Process().children()) - before
