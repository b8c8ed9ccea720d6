"""Looks at other processes while something runs."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def polled(look: Callable[[], None], *, every_s: float) -> Iterator[None]:
    """Call `look` in a thread, again and again, while the block runs."""
    ended = threading.Event()

    def poll() -> None:
        while not ended.wait(every_s):
            look()

    thread = threading.Thread(target=poll)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
