"""One thread: these networks are too small for two, and equal bits need the same sums."""

from collections.abc import Iterator

import pytest
import torch

from trainables.tricks import TRICKS


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def plugins() -> Iterator[None]:
    """What a test registers as a trick is gone after it."""
    before = dict(TRICKS)
    yield
    for name in TRICKS.keys() - before.keys():
        del TRICKS[name]
