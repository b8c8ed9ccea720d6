"""Races with several objectives or constraints. tests/study/test_phases.py has those with one objective."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from analysis import TrialTable
from analysis.race import contenders, survivors
from ganstudy.limits import limits_of

Stage = Callable[..., TrialTable]
BOTH = ("fd", "coverage")


@pytest.fixture
def table(stage: Stage) -> TrialTable:
    """Six configs of three trials: c00, c01 and c02 are on the front."""
    fd, coverage = [10.0, 20, 30, 25, 40, 50], [0.2, 0.5, 0.9, 0.4, 0.8, 0.1]
    made = stage(6, 3, risk=lambda config: 0.0)
    noise = 1 + 0.001 * np.random.default_rng(1).standard_normal((2, 18))
    return replace(made, final=made.final.assign(fd=np.repeat(fd, 3) * noise[0], coverage=np.repeat(coverage, 3) * noise[1]))


def test_what_is_on_the_front_is_confirmed_first(table: TrialTable) -> None:
    assert set(contenders(table, BOTH, 3)) == {"c00", "c01", "c02"}
    assert contenders(table, ("fd",), 2) == ["c00", "c01"]


def test_a_config_beyond_a_limit_is_not_confirmed(table: TrialTable) -> None:
    limits = limits_of({"coverage": ">= 0.45"})
    assert set(contenders(table, BOTH, 6, limits=limits)) == {"c01", "c02", "c04"}
    assert contenders(table, ("fd",), 6, limits=limits)[0] == "c01"
    assert "c00" not in contenders(table, ("fd",), 6, limits=limits)
    assert contenders(table, BOTH, 6, limits=limits_of({"coverage": ">= 0.95"})) == []


def test_only_what_may_be_on_the_front_stays_in_the_race(table: TrialTable) -> None:
    assert set(survivors(table, BOTH, error=0.01)) == {"c00", "c01", "c02"}
    assert survivors(table, ("fd",), error=0.05) == ["c00"]


def test_the_best_config_leaves_the_race_if_it_is_beyond_a_limit(table: TrialTable) -> None:
    assert survivors(table, ("fd",), error=0.01, limits=limits_of({"coverage": ">= 0.45"})) == ["c01"]
    assert survivors(table, ("fd",), error=0.01, limits=limits_of({"fd": ">= 22", "coverage": ">= 0.45"})) == ["c02"]


def test_a_config_whose_runs_all_failed_leaves_the_race(table: TrialTable) -> None:
    failing = replace(table, outcome=np.where(table.config_id == "c02", "mode_collapse", table.outcome))
    assert "c02" in survivors(table, BOTH, error=0.05)
    for by, limits in ((BOTH, {}), (("fd",), {"coverage": ">= 0.1"}), (("fd",), {})):
        assert "c02" not in survivors(failing, by, error=0.05, limits=limits_of(limits))


def test_one_trial_of_each_config_lets_nothing_leave(stage: Stage) -> None:
    made = stage(5, 1, risk=lambda config: 0.0)
    assert set(survivors(made, BOTH, error=0.05)) == set(made.config_id)
