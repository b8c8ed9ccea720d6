"""Reading records while they are written, also when a line is taken back because it could not be synced."""

import os
from pathlib import Path

import pytest
from recorded import Driver

from ganstudy import UserError
from study.store.store import Store
from study.tracking.tracker import Tail


def test_new_lines_are_read_once(tmp_path: Path) -> None:
    with Store.writing(tmp_path) as store:
        driver, tail = Driver(store), Tail(tmp_path)
        driver.open("a-s1")
        assert tail.read_on() == ["a-s1"]
        assert tail.read_on() == []
        driver.tick("a-s1", 0)
        driver.open("b-s1")
        assert tail.read_on() == ["a-s1", "a-s1", "b-s1"]
        assert tail.read_on() == []
        assert tail.trials == store.trials


@pytest.mark.parametrize("longer", [False, True])
def test_a_line_that_was_taken_back_is_replaced_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, longer: bool) -> None:
    """Whether the line in its place is shorter or longer than it."""
    with Store.writing(tmp_path) as store:
        driver, tail = Driver(store), Tail(tmp_path)
        driver.open("a-s1")
        driver.open("b-s1")

        def fails(file: int) -> None:
            assert tail.read_on()
            raise OSError(5, "Input/output error")

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fails)
            with pytest.raises(UserError, match="Input/output error"):
                driver.tick("a-s1", 0)
        assert tail.read_on() == []
        driver.open("c" * (1000 if longer else 1) + "-s1")
        driver.tick("b-s1", 0)
        driver.tick("b-s1", 1)
        assert set(tail.read_on()) == {"b-s1", list(store.trials)[2]}
        assert tail.trials["b-s1"] == store.trials["b-s1"]
        assert list(tail.trials) == list(store.trials)
