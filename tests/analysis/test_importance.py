from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis import TrialTable
from analysis.importance import importance, optuna_importance
from ganstudy import UserError

Stage = Callable[..., TrialTable]


def with_settings(table: TrialTable, settings: dict[str, np.ndarray], fd: np.ndarray) -> TrialTable:
    """The table with other settings [T], all scientific, and fd [T]; no run fails."""
    frame = pd.DataFrame(settings, index=table.settings.index)
    n = len(table)
    return replace(
        table,
        settings=frame,
        scientific=tuple(settings),
        nuisance=(),
        final=table.final.assign(fd=fd),
        outcome=np.full(n, "healthy"),
        ended=np.full(n, "budget"),
    )


def test_censored_trials_are_left_out(stage: Stage) -> None:
    table = stage(24, 2, risk=lambda k: 0.9 if k["r1"] else 0.2)
    stopped = ~table.failed & (np.arange(48) % 2 == 0)
    found = importance(replace(table, ended=np.where(stopped, "scheduler", table.ended)), "failed")
    pd.testing.assert_frame_equal(found, importance(table.where(~stopped), "failed"))


def test_an_orthogonal_table_has_its_closed_form(stage: Stage) -> None:
    """Two levels × three levels, four configs each: SS of each main effect by hand, less k times the mean square of what it leaves."""
    cells = np.array(list(product([False, True], ["a", "b", "c"])) * 4, dtype=object)
    a, b = cells[:, 0].astype(bool), cells[:, 1].astype(str)
    y = 1.0 * a + 0.7 * (b == "b") + np.random.default_rng(0).normal(0, 0.5, 24)
    found = importance(with_settings(stage(24, 1), {"a": a, "b": b}, np.exp(y)), "fd")
    total = ((y - y.mean()) ** 2).sum()
    for name, column in (("a", a), ("b", b)):
        means = pd.Series(y).groupby(column).transform("mean").to_numpy()
        effect, k = ((means - y.mean()) ** 2).sum(), len(set(column)) - 1
        assert found["share"][name] == pytest.approx((effect - k * (total - effect) / (23 - k)) / total)
        f = stats.f_oneway(*(y[column == level] for level in set(column)))
        assert found["p"][name] == pytest.approx(f.pvalue, abs=0.04)  # a permutation test and an F test of normal values


def test_planted_effects_are_recovered_and_intervals_hold_them(stage: Stage) -> None:
    """60 configs × 2 seeds; between configs: a switch 45 %, a valley in a log range 35 %, the rest 20 %. 60 studies, a standard error of 3 %."""
    shares, covered = [], []
    table = stage(60, 2)
    rng = np.random.default_rng(1)
    for i in range(60):
        switch, lr = rng.permutation(np.arange(60) % 2 == 0), np.exp(rng.uniform(-9, -3, 60))
        u = (np.log(lr) + 6) / 3  # uniform on (-1, 1); u² has a variance of 4 / 45
        y = np.sqrt(0.45) * 2 * (switch - 0.5) + np.sqrt(0.35 * 45 / 4) * u**2 + rng.normal(0, np.sqrt(0.2), 60)
        fd = np.exp(np.repeat(y, 2) + rng.normal(0, 0.5, 120))
        found = importance(with_settings(table, {"switch": np.repeat(switch, 2), "lr": np.repeat(lr, 2)}, fd), "fd", seed=i)
        shares.append([found["share"]["switch"], found["share"]["lr"]])
        covered += [found["low"][name] <= truth <= found["high"][name] for name, truth in (("switch", 0.45), ("lr", 0.35))]
        assert found["p_family"].max() < 0.1
    assert np.mean(shares, axis=0).tolist() == pytest.approx([0.45, 0.35], abs=0.05)
    assert np.mean(covered) > 0.88


@pytest.mark.slow
def test_noise_has_no_importance(stage: Stage) -> None:
    """Ten idle settings, one of them conditional: shares are 0 on average, p is uniform, and one study in twenty names any."""
    rng = np.random.default_rng(2)
    table, n = stage(40, 2), 40
    shares, p, family = [], [], []
    for i in range(60):
        settings: dict[str, np.ndarray] = {f"s{j}": np.repeat(rng.random(n) < 0.5, 2) for j in range(4)}
        settings |= {f"x{j}": np.repeat(rng.random(n), 2) for j in range(4)}
        settings["kind"] = np.repeat(rng.permutation(np.array(list("abcd"))[np.arange(n) % 4]), 2)
        settings["s0.strength"] = np.where(settings["s0"], np.repeat(rng.random(n), 2), np.nan)
        fd = np.exp(np.repeat(rng.normal(0, 0.3, n), 2) + rng.normal(0, 0.3, 2 * n))
        found = importance(with_settings(table, settings, fd), "fd", seed=i)
        shares += found["share"].tolist()
        p += found["p"].tolist()
        family.append(found["p_family"].min())
    assert np.mean(shares) == pytest.approx(0, abs=0.015)
    assert stats.kstest(p, "uniform").statistic < 0.06  # 600 values, ten of a study share its fd
    assert np.mean(np.array(family) <= 0.05) < 0.13


def test_optuna_names_noise_as_important_and_says_what_it_cannot_compute(stage: Stage) -> None:
    """Idle settings: Optuna's shares add up to one whatever the data are."""
    table = stage(30, 1, risk=lambda config: 0.0)
    found = optuna_importance(table, "fd")
    assert found["fanova"].dropna().sum() == pytest.approx(1)
    assert found["fanova"].max() > 0.3
    assert importance(table, "fd")["p_family"].min() > 0.05
    assert np.isnan(found["fanova"]["r1.gamma"])
    assert "r1.gamma" in found.attrs["missing"]["fanova"]
    risks = optuna_importance(stage(30, 2), "failed")
    assert risks["ped_anova"].isna().all()
    assert "ties" in risks.attrs["missing"]["ped_anova"]


def test_optuna_finds_a_planted_effect_in_either_direction(stage: Stage) -> None:
    table = stage(60, 1, risk=lambda config: 0.0, config_sd=0.1, log_fd=lambda config: np.log(config["d.lr"]))
    table.final["coverage"] = 1 / table.final["fd"]  # more is better
    for metric in ("fd", "coverage"):
        assert (optuna_importance(table, metric)[["fanova", "ped_anova"]].idxmax() == "d.lr").all()


def test_a_risk_is_explained_by_the_setting_that_changes_it(stage: Stage) -> None:
    found = importance(stage(60, 2, risk=lambda config: 0.1 + 0.7 * config["r1"]), "failed")
    assert found.index[0] == "r1"
    assert found["share"]["r1"] > 0.6
    assert found["p_family"]["r1"] < 0.01
    assert found["n_configs"].to_dict() == {"r1": 60, "loss": 60, "d.lr": 60, "r1.gamma": 30}


def test_mistakes_are_refused(stage: Stage) -> None:
    with pytest.raises(UserError, match="settings must be columns"):
        importance(stage(8, 1), settings=["r2"])
    with pytest.raises(UserError, match=r"an outcome must be failed, .* or a metric with a direction; got 'fid'"):
        importance(stage(8, 1), "fid")
    with pytest.raises(UserError, match="at least six configs"):
        importance(stage(3, 2), "failed")
    with pytest.raises(UserError, match="a setting with two values"):
        importance(stage(8, 2), settings=["arch"])


def test_a_choice_with_as_many_values_as_configs_is_refused_with_its_reason(stage: Stage) -> None:
    table = stage(7, 2, risk=lambda config: 0.0)
    table = with_settings(table, {"training_set": np.repeat(list("abcdefg"), 2)}, table.final["fd"].to_numpy())
    with pytest.raises(UserError, match=r"two more configs than a choice has values.*; training_set has 7 values in 7 configs"):
        importance(table, "fd")


def test_an_interval_holds_its_estimate_also_below_zero_and_above_one(stage: Stage) -> None:
    """Idle settings, and one that explains everything beside much noise between seeds."""
    rng = np.random.default_rng(0)
    for i in range(20):
        table = stage(12, 2, seed=i, risk=lambda config: 0.0)
        idle, strong = (np.repeat(rng.permutation(np.arange(12) % 2 == 0), 2) for _ in range(2))
        fd = np.exp(2.0 * strong + rng.normal(0, 1.5, 24))
        found = importance(with_settings(table, {"idle": idle, "strong": strong}, fd), "fd", seed=i)
        assert ((found["low"] <= found["share"]) & (found["share"] <= found["high"]) & (found["high"] <= 1)).all()
        assert found["low"]["idle"] < 0


@pytest.mark.parametrize("value", [3.0, 0.1, 0.0])
def test_equal_configs_have_no_importances(stage: Stage, value: float) -> None:
    table = stage(12, 2, risk=lambda config: 0.0)
    table = replace(table, final=table.final.assign(fd=value))
    for outcome in ("failed", "fd"):
        with pytest.raises(UserError, match=f"{outcome} is equal in all 12 configs"):
            importance(table, outcome)


def test_ranges_have_the_scale_that_is_known(stage: Stage) -> None:
    """A range that spans decades but is linear is compared as it is; Optuna's evaluators are told the same."""
    rng = np.random.default_rng(0)
    m = rng.uniform(0.001, 1.0, 60)
    table = with_settings(stage(60, 1), {"m": m, "k": rng.random(60)}, np.exp(np.sin(9 * m) + rng.normal(0, 0.1, 60)))
    moved = with_settings(stage(60, 1), {"m": m + 1, "k": table.settings["k"].to_numpy()}, table.final["fd"].to_numpy())
    assert table.setting_scale("m") == "linear"
    assert importance(table, "fd")["share"].to_dict() == pytest.approx(importance(moved, "fd")["share"].to_dict())
    as_log = importance(replace(table, scales={"m": "log"}), "fd")["share"]["m"]
    assert as_log != pytest.approx(importance(table, "fd")["share"]["m"], abs=0.05)


@pytest.mark.parametrize("n_configs", [6, 12, 40])
def test_one_config_that_differs_leaves_the_interval_open(stage: Stage, n_configs: int) -> None:
    """A third of the resamples do not have it, and then all configs are equal."""
    table = stage(n_configs, 1, risk=lambda config: 0.0)
    settings = {"half": np.arange(n_configs) % 2 == 0, "third": np.arange(n_configs) % 3}
    for odd in (0.1, 3.0, 1e6):
        found = importance(with_settings(table, settings, np.where(np.arange(n_configs) == 1, odd, 1.0)), "fd")
        assert found["high"].eq(1).all()
        assert found["low"].between(-1, found["share"]).all()


@pytest.mark.parametrize("value", [0.1, 3.0, 1e-5])
def test_a_conditional_setting_explains_nothing_if_all_that_have_it_are_equal(stage: Stage, value: float) -> None:
    """Rounding is no effect."""
    rng = np.random.default_rng(0)
    on = np.arange(24) % 2 == 0
    fd = np.where(on, value, np.exp(rng.normal(size=24)))
    for _ in range(20):
        strength = np.where(on, rng.uniform(1, 10, 24), np.nan)
        kind = pd.Series(rng.permutation(24) % 3).where(on).astype("category").to_numpy()
        table = with_settings(stage(24, 1), {"on": on, "strength": strength}, fd)
        table = replace(table, settings=table.settings.assign(kind=kind), scientific=("on", "strength", "kind"))
        found = importance(table, "fd")
        assert (found["share"][["strength", "kind"]] == 0).all()
        assert (found["p"][["strength", "kind"]] > 0.99).all()
        assert (found["high"][["strength", "kind"]] == 1).all()
