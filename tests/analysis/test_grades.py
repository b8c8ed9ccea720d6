"""Grades: how bad a trial is, as numbers."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from analysis.diagnose import diagnose
from analysis.grades import GRADES, grades
from analysis.table import TrialTable

IMAGES = [0, 10_000, 20_000]
REAL = {"fd": 0.5, "coverage": 1.0, "modes": 10.0}


def graded(
    curves: dict[str, list[float | None]], *, ended: str = "budget", real: dict[str, float] = REAL, n_modes: int | None = 10
) -> dict[str, float]:
    found = diagnose(IMAGES, curves, ended=ended, baselines=real, n_modes=n_modes)
    return grades(IMAGES, curves, found, baselines=real, n_modes=n_modes)


def test_grades_of_the_last_tick() -> None:
    good: dict[str, list[float | None]] = {"fd": [50.0, 2.0, 1.0], "coverage": [0.0, 0.7, 0.8], "modes": [1.0, 10.0, 10.0]}
    assert graded(good) == {"fd_ratio": 2.0, "modes_lost": 0.0}, "a healthy trial has no onset"
    assert graded({**good, "modes": [1.0, 10.0, 8.0]}) == {"fd_ratio": 2.0, "modes_lost": 2.0, "onset_kimg": 20.0}
    measured: list[float | None] = [0.0, 0.0, 3.0]
    assert graded({**good, "modes_lost": measured})["modes_lost"] == 3, "measured by the evaluator, so not derived from modes"
    assert set(graded({**good, "modes": [1.0, 10.0, 8.0]})) == set(GRADES)


@pytest.mark.parametrize("baseline", [0.0, float("nan")])
def test_what_is_unknown_is_left_out(baseline: float) -> None:
    curves: dict[str, list[float | None]] = {"fd": [50.0, 2.0, 1.0], "coverage": [0.0, 0.7, 0.8]}
    assert graded(curves, real={**REAL, "fd": baseline}) == {}
    assert graded(curves) == {"fd_ratio": 2.0}
    assert graded({**curves, "modes": [1.0, 1.0, 1.0]}, n_modes=None) == {"fd_ratio": 2.0}
    assert grades([], {}, diagnose([], {}, ended="dead", baselines={}, n_modes=None), baselines={}, n_modes=None) == {}


def test_own_failures_replace_those_by_outcome(stage: Callable[..., TrialTable]) -> None:
    table = stage(4, 2)
    assert table.own_failures is None
    chosen = ~table.failed
    own = replace(table, own_failures=chosen)
    assert own.failed.tolist() == chosen.tolist()
    part = own.where(own.failed)
    assert part.failed.all()
    assert len(part) == chosen.sum()
