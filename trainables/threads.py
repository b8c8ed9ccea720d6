"""The number of threads that train one trial."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def set_threads(cpu: float) -> None:
    """Let this thread compute with as many threads as a trial has CPUs, at least one. Sums depend on the number."""
    torch.set_num_threads(max(1, int(cpu)))


@contextmanager
def threads(cpu: float) -> Iterator[None]:
    """The same within a block."""
    before = torch.get_num_threads()
    set_threads(cpu)
    try:
        yield
    finally:
        torch.set_num_threads(before)
