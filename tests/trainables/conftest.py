"""Shared by the tests of training: tables as they were before a test added to them."""

from collections.abc import Iterator
from typing import Any

import pytest

from trainables.tricks import TRICKS
from trainables.updates import UPDATES


@pytest.fixture
def plugins() -> Iterator[None]:
    """What a test registers as a trick or an update rule is gone after it."""
    before: list[tuple[dict[str, Any], set[str]]] = [(table, set(table)) for table in (TRICKS, UPDATES)]
    yield
    for table, names in before:
        for name in table.keys() - names:
            del table[name]
