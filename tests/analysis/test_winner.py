"""The sentence on the winner of a race."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis import TrialTable
from analysis.rank import rank
from analysis.winner import winner

Stage = Callable[..., TrialTable]


def test_nothing_is_said_without_confirmed_configs(stage: Stage) -> None:
    assert winner(stage(6, 3), ["fd"]) == ""


def test_the_winner_is_the_first_of_the_ranking_by_fresh_seeds(stage: Stage) -> None:
    table = stage(4, 6, risk=lambda config: 0.1)
    fresh = np.isin(table.config_id, ["c00", "c01"]) & (table.seed >= 3)
    table = replace(table, phase=np.where(fresh, "confirm", "explore"))
    first = rank(table, "fd").iloc[0]
    said = winner(table, ["fd"])
    assert first["config_id"] in ("c00", "c01")
    assert said.startswith("Best of 2 confirmed configs, with a probability of ")
    assert f"by 3 fresh seeds: {first['config_id']} (loss {first['loss']}" in said
    assert ("without r1" in said) == (not first["r1"])
    assert f"fd {first['estimate']:.3g} if a run does not fail" in said
    assert f"{first['n_failed']} run" in said


def test_a_config_whose_runs_all_failed_has_no_value(stage: Stage) -> None:
    table = stage(1, 4, risk=lambda config: 1.0)
    table = replace(table, phase=np.full(len(table), "confirm"))
    said = winner(table, ["fd"])
    assert "no run of it has a value of fd without failing" in said.lower()
    assert "4 runs of 4 failed" in said


@pytest.mark.parametrize("n_configs", [1, 2])
def test_a_winner_with_one_fresh_seed_has_no_interval(stage: Stage, n_configs: int) -> None:
    table = stage(n_configs, 1, risk=lambda config: 0.0)
    said = winner(replace(table, phase=np.full(len(table), "confirm")), ["fd"])
    assert "if a run does not fail (one value, no interval); 0 runs of 1 failed." in said
    assert "–" not in said


def test_a_winner_whose_switches_are_all_off(stage: Stage) -> None:
    table = stage(2, 4, risk=lambda config: 0.1)
    settings = pd.DataFrame({"r1": False}, index=table.settings.index)
    phase = np.full(len(table), "confirm")
    table = replace(table, phase=phase, settings=settings, scientific=("r1",), nuisance=(), scales={})
    assert "(without r1)" in winner(table, ["fd"])
