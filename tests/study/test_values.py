"""The values of a tick are a mapping like the dict that they replace, and take less memory."""

import copy
import pickle
import tracemalloc

import pytest

from study.store.values import Values

GIVEN = {"fd": 3.5, "d/adv": -0.25, "modes": 10.0}


def test_values_are_the_mapping_that_was_given() -> None:
    values, given = Values(GIVEN), dict(GIVEN)
    assert values == given
    assert given == values
    assert {**values} == GIVEN
    assert list(values) == list(GIVEN)
    assert list(values.values()) == list(GIVEN.values())
    assert len(values) == 3
    assert "fd" in values
    assert "d/real" not in values
    assert values.get("d/real") is None
    with pytest.raises(KeyError):
        values["d/real"]


def test_ticks_with_other_names_or_another_order_are_told_apart() -> None:
    other = {"modes": 8.0, "fd": 1.0}
    assert Values(other) == other
    assert list(Values(other)) == ["modes", "fd"]
    assert Values(GIVEN) != Values(other)
    assert Values({}) == {}


def test_values_survive_copies_for_other_processes() -> None:
    assert pickle.loads(pickle.dumps(Values(GIVEN))) == GIVEN
    assert copy.deepcopy(Values(GIVEN)) == GIVEN


def test_values_take_less_memory_than_dicts() -> None:
    def size(kind: type) -> int:
        tracemalloc.start()
        kept = [kind({"".join(("metric", str(i))): float(i) + tick for i in range(35)}) for tick in range(200)]
        used = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert len(kept) == 200
        return used

    assert size(Values) < size(dict) / 5
