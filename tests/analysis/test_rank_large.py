"""Rankings of large studies, which learn the population from a random sample of configs and draw the first places more often."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis import TrialTable, posterior
from analysis.rank import rank

Stage = Callable[..., TrialTable]


def staged(stage: Stage, n_configs: int, n_seeds: int) -> tuple[TrialTable, pd.Series]:
    """Return a study whose risks depend on r1, and the log of the true objective of each config."""
    table = stage(n_configs, n_seeds, risk=lambda config: 0.3 if config["r1"] else 0.05)
    rng = np.random.default_rng(7)
    truth = pd.Series(np.where(rng.random(n_configs) < 0.1, 1.0, 0.0) + 0.3 * rng.standard_normal(n_configs), sorted(set(table.config_id)))
    values = truth.loc[list(table.config_id)].to_numpy() + 0.2 * rng.standard_normal(len(table))
    return replace(table, final=table.final.assign(fd=np.exp(values))), truth


def test_a_sample_and_few_draws_rank_like_all_configs_and_many_draws(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    table, _ = staged(stage, 900, 3)
    whole = rank(table).set_index("config_id")
    monkeypatch.setattr(posterior, "LARGE", 100)
    monkeypatch.setattr(posterior, "_SAMPLE", 400)
    found = rank(table).set_index("config_id").loc[whole.index]
    for name in ("n_seeds", "n_failed", "n", "mean", "p_fail"):
        assert found[name].equals(whole[name])
    assert found["place"].corr(whole["place"], method="spearman") > 0.998
    assert found["beats"].to_numpy() == pytest.approx(whole["beats"].to_numpy(), abs=0.06)
    assert (np.log(found["estimate"]) - np.log(whole["estimate"])).abs().max() < 0.1
    first = whole.index[:50]
    for name in ("low", "high"):
        assert np.log(found.loc[first, name]).to_numpy() == pytest.approx(np.log(whole.loc[first, name]).to_numpy(), abs=0.1)
    for name in ("place_low", "place_high"):
        assert found.loc[first, name].to_numpy() == pytest.approx(whole.loc[first, name].to_numpy(), rel=0.3, abs=40)
    assert found["p_best"].sum() == pytest.approx(1, abs=0.1)
    assert found["p_best"].head(20).to_numpy() == pytest.approx(whole["p_best"].head(20).to_numpy(), abs=0.06)


def test_intervals_and_places_of_a_large_study_cover(stage: Stage) -> None:
    """Of 2,400 configs; standard errors are 0.5 % for all and 1.5 % for the first 200."""
    table, truth = staged(stage, 2400, 3)
    found = rank(table)
    assert len(found) == 2400
    log_truth = found["config_id"].map(truth)
    covered = ((np.log(found["low"]) <= log_truth) & (log_truth <= np.log(found["high"])))[found["n"] > 0]
    assert 0.92 < covered.mean() < 0.97
    assert 0.91 < covered[:200].mean() < 0.99
    assert abs((np.log(found["estimate"]) - log_truth)[:20].mean()) < 0.1, "the first places are not too good"
    assert found["beats"].is_monotonic_decreasing
    assert ((found["place_low"] <= found["place"]) & (found["place"] <= found["place_high"])).all()


def test_the_sample_holds_configs_that_tell_chance_from_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    assert len(posterior._sample(np.full(5000, 3.0), rng)) == 1000
    few = np.ones(5000)
    few[:500] = 2
    sample = posterior._sample(few, rng)
    assert (few[sample] == 2).sum() == 200
    assert len(sample) == pytest.approx(2000, abs=400), "drawn without a look at the number of values"
    assert sorted(posterior._sample(np.array([2.0, *[1.0] * 4999]), rng)) == list(range(5000))


def test_a_large_study_with_few_repeated_configs_has_intervals(stage: Stage) -> None:
    table = stage(1600, 2, risk=lambda config: 0.0)
    found = rank(table.where((table.seed == 0) | (np.arange(len(table)) < 40)))
    assert np.isfinite(found[["low", "high", "place_low", "place_high", "p_best", "p_fail_low"]].to_numpy(dtype=float)).all()


def test_one_excellent_config_among_thousands_is_first(stage: Stage) -> None:
    table = stage(1600, 3, risk=lambda config: 0.0)
    excellent = table.config_id == "c777"
    found = rank(replace(table, final=table.final.assign(fd=np.where(excellent, table.final["fd"] / 5, table.final["fd"]))))
    assert found["config_id"][0] == "c777"
    assert found["p_best"][0] > 0.3
