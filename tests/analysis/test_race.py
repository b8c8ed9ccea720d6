"""Racing: seeds that all configs share are taken out, the best config stays, and hopeless ones leave."""

import numpy as np
import numpy.typing as npt
import pytest
from phased import made
from scipy import stats

from analysis import TrialTable
from analysis.paired import paired
from analysis.race import contenders, survivors
from analysis.rank import rank


def race(values: npt.NDArray[np.float64], *, failed: npt.NDArray[np.bool_] | None = None) -> TrialTable:
    """values [configs, seeds] of fd; NaN: no such trial."""
    rows = [
        {"config": f"c{i}", "seed": j, "phase": "confirm", "value": value, "failed": failed is not None and failed[i, j], "lr": 0.1 * i}
        for (i, j), value in np.ndenumerate(values)
        if np.isfinite(value)
    ]
    return made(rows)


def values_of(table: TrialTable) -> npt.NDArray[np.float64]:
    return table.final["fd"].to_numpy().reshape(-1, len(set(table.seed)))


def test_an_effect_that_all_configs_share_is_taken_out() -> None:
    rng = np.random.default_rng(0)
    configs, seeds, rest = rng.normal(size=(4, 1)), 3 * rng.normal(size=(1, 5)), 0.01 * rng.normal(size=(4, 5))
    same = paired(race(np.exp(configs + seeds + rest)), "fd")
    found = np.log(values_of(same.table))
    assert found.std(axis=1).max() < 0.05
    assert same.variance == pytest.approx(seeds.var(ddof=1), rel=0.01)
    assert found.mean(axis=1) == pytest.approx((configs + seeds + rest).mean(axis=1)), "means of configs stay"


def test_the_rest_keeps_its_variance() -> None:
    """The mean of 200 estimates of the variance within configs is that of the noise, whatever all configs share."""
    rng = np.random.default_rng(1)
    tables = [race(np.exp(rng.normal(size=(3, 4)) + 9 * rng.normal(size=(1, 4)))) for _ in range(200)]
    found = [np.log(values_of(paired(table, "fd").table)).var(axis=1, ddof=1).mean() for table in tables]
    assert np.mean(found) == pytest.approx(1, abs=5 * np.std(found) / np.sqrt(200))


def test_a_table_that_cannot_tell_seeds_from_noise_comes_back() -> None:
    table = race(np.array([[1.0, 2.0, 3.0]]))
    assert paired(table, "fd").table is table
    assert paired(race(np.array([[1.0, np.nan], [np.nan, 2.0]])), "fd").table.final["fd"].tolist() == [1.0, 2.0]


def test_seeds_that_do_nothing_are_left_alone_half_of_the_time() -> None:
    rng = np.random.default_rng(6)
    found = [paired(race(np.exp(rng.normal(size=(4, 4)))), "fd").variance for _ in range(100)]
    assert 30 <= sum(variance == 0 for variance in found) <= 75
    assert np.median(found) < 0.2


def test_an_interval_holds_what_other_seeds_would_have_done_to_all_configs() -> None:
    """30 studies of five configs whose seeds are mostly common: the intervals of the first places hold the true values."""
    held = 0
    for study in range(30):
        rng = np.random.default_rng(study)
        true = 0.4 * rng.normal(size=5)
        values = np.exp(true[:, None] + 0.5 * rng.normal(size=(1, 5)) + 0.05 * rng.normal(size=(5, 5)))
        first = rank(race(values)).iloc[0]
        held += first["low"] <= np.exp(true[int(first["config_id"][1:])]) <= first["high"]
    assert held >= stats.binom.ppf(0.001, 30, 0.93)


def test_configs_that_left_keep_their_values_and_failed_runs_count_for_nothing() -> None:
    rng = np.random.default_rng(2)
    values = np.exp(rng.normal(size=(4, 5)) + 9 * rng.normal(size=(1, 5)))
    values[3, 2:] = np.nan
    failed = np.zeros((4, 5), dtype=bool)
    failed[0, 0] = True
    table = race(values, failed=failed)
    found = paired(table, "fd").table
    assert found.final["fd"].notna().sum() == 17
    assert found.final["fd"].to_numpy()[0] == values[0, 0]


@pytest.mark.parametrize("common", [0.0, 1.0])
def test_a_clear_winner_stays_alone(common: float) -> None:
    rng = np.random.default_rng(3)
    values = np.exp(np.array([[0.0], [1.5], [2.0], [2.5]]) + common * rng.normal(size=(1, 3)) + 0.1 * rng.normal(size=(4, 3)))
    assert survivors(race(values), ["fd"], error=0.05) == ["c0"]


def test_equal_configs_all_stay() -> None:
    values = np.exp(0.3 * np.random.default_rng(4).normal(size=(5, 2)))
    assert len(survivors(race(values), ["fd"], error=0.01)) >= 4


def test_without_any_value_all_stay() -> None:
    table = race(np.full((3, 2), 1.0), failed=np.ones((3, 2), dtype=bool))
    assert sorted(survivors(table, ["fd"], error=0.05)) == ["c0", "c1", "c2"]
    assert contenders(table, ["fd"], 3) == []


def test_contenders_are_the_likely_best() -> None:
    rng = np.random.default_rng(5)
    values = np.exp(np.arange(8.0)[:, None] + 0.1 * rng.normal(size=(8, 2)))
    assert contenders(race(values), ["fd"], 3) == ["c0", "c1", "c2"]
    assert contenders(race(values[:, :1]), ["fd"], 3) == ["c0", "c1", "c2"]


@pytest.mark.slow
@pytest.mark.parametrize("common", [0.0, 0.5])
def test_the_best_leaves_as_rarely_as_stated(common: float) -> None:
    """60 races of six configs over three rounds, error 10 %: the truly best one leaves in at most 10 %, give or take chance."""
    lost = 0
    for race_number in range(60):
        rng = np.random.default_rng(race_number)
        true = 0.3 * rng.normal(size=6)
        values = np.exp(true[:, None] + common * rng.normal(size=(1, 4)) + 0.3 * rng.normal(size=(6, 4)))
        stay = [f"c{i}" for i in range(6)]
        for n in (2, 3):
            left = np.array([f"c{i}" in stay for i in range(6)])
            played = np.where(left[:, None] | (np.arange(n) < 2), values[:, :n], np.nan)
            stay = [config for config in survivors(race(played), ["fd"], error=0.05) if config in stay]
        lost += f"c{true.argmin()}" not in stay
    assert lost <= stats.binom.ppf(0.999, 60, 0.10)
