"""One thread: these networks are too small for two, and equal bits need the same sums."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from trainables.tricks import TRICKS
from trainables.updates import UPDATES


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def plugins() -> Iterator[None]:
    """What a test registers as a trick or an update rule is gone after it."""
    before: list[tuple[dict[str, Any], set[str]]] = [(table, set(table)) for table in (TRICKS, UPDATES)]
    yield
    for table, names in before:
        for name in table.keys() - names:
            del table[name]
