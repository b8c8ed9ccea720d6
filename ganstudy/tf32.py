"""TF32, the coarser number format of matrix products and convolutions on a GPU: PyTorch has one flag for all threads of a process."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class Flags:
    """Lets threads work at the same time if they want the flag alike; the others wait for their turn."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._allowed, self._holders, self._waiting = False, 0, Counter[bool]()
        self._next: bool | None = None  # which value comes next once the flag is free; None: any
        self._mine = threading.local()

    @contextmanager
    def held(self, allowed: bool) -> Iterator[None]:
        """Allow TF32 or not, for the block. Blocks inside a block must want the same."""
        if getattr(self._mine, "holds", None) is not None:
            assert self._mine.holds == allowed, "a block without TF32 inside one with it would wait for ever"
            yield
            return
        with self._changed:
            self._waiting[allowed] += 1
            try:
                self._changed.wait_for(lambda: self._may_enter(allowed))
            finally:
                self._waiting[allowed] -= 1
                if self._next == allowed:
                    self._next = None
                    self._changed.notify_all()
            self._holders += 1
            self._allowed = allowed
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed
        self._mine.holds = allowed
        try:
            yield
        finally:
            self._mine.holds = None
            with self._changed:
                self._holders -= 1
                if not self._holders and self._waiting[not allowed]:
                    self._next = not allowed
                self._changed.notify_all()

    def _may_enter(self, allowed: bool) -> bool:
        """Whether a thread may hold the flag. Those that come later do not overtake those that wait for the other value."""
        if self._holders:
            return self._allowed == allowed and not self._waiting[not allowed]
        return self._next in (None, allowed)


_FLAGS = Flags()


@contextmanager
def tf32(allowed: bool, device: torch.device) -> Iterator[None]:
    """Allow TF32 or not on a GPU for the block; does nothing on a CPU, which does not have it."""
    if device.type == "cuda":
        with _FLAGS.held(allowed):
            yield
    else:
        yield
