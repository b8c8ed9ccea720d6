"""Fixtures for the tests of trainables."""

from collections.abc import Iterator
from typing import Any

import pytest

from trainables.tricks import TRICKS
from trainables.updates import UPDATES


@pytest.fixture
def plugins() -> Iterator[None]:
    """Remove the tricks and update rules that a test registers, after the test."""
    before: list[tuple[dict[str, Any], set[str]]] = [(table, set(table)) for table in (TRICKS, UPDATES)]
    yield
    for table, names in before:
        for name in table.keys() - names:
            del table[name]
