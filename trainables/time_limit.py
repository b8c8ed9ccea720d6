"""A time limit for one piece of work, which ends the process if the work hangs."""

import faulthandler
from collections.abc import Iterator
from contextlib import contextmanager

_STDERR = 2  # the file descriptor: Ray redirects it to the worker's log


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """End this process, after it has printed where its threads are, unless the block ends within the seconds. None: no limit.

    Works for code that never returns to the interpreter too, such as a hanging driver call, which no exception can leave.
    """
    if seconds is None:
        yield
        return
    faulthandler.dump_traceback_later(seconds, exit=True, file=_STDERR)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
