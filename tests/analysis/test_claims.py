"""What is claimed of staged studies, and that it is true."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tables import Stage, claim_of, per_config, with_setting

from analysis import Explanation, TrialTable, answer, explain

# --- number of trials, selection


def test_a_setting_that_goes_with_the_number_of_seeds_is_not_compared(stage: Stage) -> None:
    """A mean of one trial and a mean of five are not exchangeable: 32 of 100 such studies claimed something."""
    for seed in range(15):
        table = stage(30, 5, seed=seed, risk=lambda k: 0.5, config_sd=0.05, seed_sd=0.5)
        few = per_config(table, np.arange(30) < 5)
        table = with_setting(table, "r1", few).where(~few | (table.seed == 0))
        found = explain(table, ("failed", "fd"), seed=seed)
        assert not any(c.claimed for c in found)
    assert "Not compared: r1 (not to be told apart from other settings, or from the number of trials of a config)." in answer(found)


def test_configs_with_more_seeds_are_compared_with_their_like(stage: Stage) -> None:
    """An effect is found though one half of the configs has more seeds; a few configs that lost a trial change nothing."""
    table = stage(48, 3, risk=lambda k: 0.1 if k["r1"] else 0.8)
    table = replace(table, scientific=("r1",), nuisance=())
    halved = table.where((table.seed < 1) | per_config(table, np.arange(48) < 24))
    found = claim_of(explain(halved, ("failed", "fd")), "r1", "failed")
    assert found.claimed
    assert found.low < -0.7 < found.high
    assert "adjusted for the number of trials of a config" in found.context
    lost = table.where(np.arange(len(table)) > 1)
    assert "number of trials" not in claim_of(explain(lost, "failed"), "r1", "failed").context


def test_win_is_the_difference_in_the_share_of_runs_that_are_beaten(stage: Stage) -> None:
    """Also for three levels, of which one wins against everything."""
    table = stage(30, 1, risk=lambda k: 0.2, log_fd=lambda k: 4.0 * (k["loss"] == "hinge"), config_sd=0.1)
    worth = np.where(table.failed, np.inf, table.final["fd"].to_numpy())
    beaten = ((worth[:, None] < worth).sum(axis=1) + ((worth[:, None] == worth).sum(axis=1) - 1) / 2) / 29
    loss = table.settings["loss"].to_numpy()
    found = explain(replace(table, scientific=("loss",), nuisance=()), ("failed", "fd"))
    for claim in (c for c in found if c.outcome == "win"):
        assert claim.effect == pytest.approx(beaten[loss == claim.level].mean() - beaten[loss == claim.reference].mean())
        assert claim.no_effect == 0


def test_effects_at_each_level_of_a_conditional_setting(stage: Stage) -> None:
    """gamma lives where r1 is on, and matters with one loss only; the losses are not balanced where it lives."""
    n, rng = 60, np.random.default_rng(0)
    table = stage(n, 2, risk=lambda k: 0.0)
    r1 = np.arange(n) % 2 == 0
    wasserstein = np.where(r1, rng.random(n) < 0.25, rng.random(n) < 0.75)
    low = np.arange(n) // 2 % 2 == 0
    gamma = [("low" if at else "high") if on else None for on, at in zip(r1, low, strict=True)]
    effect = per_config(table, r1 & low & wasserstein) + 0.05 * rng.standard_normal(2 * n)
    table = with_setting(table, "loss", per_config(table, np.where(wasserstein, "wasserstein", "hinge")))
    table = with_setting(table, "r1.gamma", per_config(table, gamma), rest=("loss",))
    found = explain(replace(table, final=table.final.assign(fd=np.exp(2 + effect))), ("failed", "fd"))
    claim = claim_of(found, "r1.gamma × loss", "fd", "interaction")
    effects = {detail.partition(", low instead")[0]: float(detail.split("× ")[1].split(" ")[0]) for detail in claim.details}
    assert effects == {"with loss hinge": pytest.approx(1, abs=0.02), "with loss wasserstein": pytest.approx(np.e, abs=0.1)}


def selected(stage: Stage, seed: int, **metrics: Any) -> TrialTable:
    """Without r1 the runs with a high fd fail."""
    table = stage(48, 2, seed=seed, risk=lambda k: 0.0, config_sd=0.8)
    fails = ~table.settings["r1"].to_numpy(dtype=bool) & (table.final["fd"].to_numpy() > np.exp(2.0))
    table = replace(table, outcome=np.where(fails, "mode_collapse", "healthy"), final=table.final.assign(**metrics))
    return replace(table, scientific=("r1",), nuisance=())


def test_a_metric_asked_alone_is_guarded_against_selection(stage: Stage) -> None:
    held = 0
    for seed in range(8):
        claim = claim_of(explain(selected(stage, seed), "fd"), "r1", "fd")
        assert not claim.claimed
        if claim.held:
            held += 1
            share = claim_of(explain(selected(stage, seed), ("failed", "fd")), "r1", "win")
            how = "the other way" if share.low > 0 else "not"  # r1 raises fd among the runs that did not fail
            assert (
                f"not claimed: fd differs among the runs that did not fail, but {how} when failed runs are counted last" in claim.sentence
            )
            assert "not told from chance" not in claim.sentence
    assert held


def test_a_comparison_that_is_held_back_is_not_also_called_unclear(stage: Stage) -> None:
    """Of three losses, one keeps only runs alive, and one also lowers fd."""
    table = stage(60, 2, risk=lambda k: 0.0, config_sd=0.8, log_fd=lambda k: -3.0 * (k["loss"] == "wasserstein"), seed=1)
    fd, loss = table.final["fd"].to_numpy(), table.settings["loss"].to_numpy()
    fails = (loss == "hinge") & (fd > np.exp(1.3))
    table = replace(table, outcome=np.where(fails, "mode_collapse", "healthy"), scientific=("loss",), nuisance=())
    found = explain(table, "fd")
    held = [c for c in found if c.held]
    assert held
    told = {c.setting for c in found if c.claimed}
    assert told == {"loss"}
    text = answer(found)
    for claim in held:
        assert f"Not claimed for loss {claim.level}, instead of {claim.reference}: " in text
        assert f"{claim.level} against {claim.reference}" not in text


def test_each_metric_is_checked_against_its_own_summary(stage: Stage) -> None:
    """r1 raises coverage in all runs, and does nothing to fd or to failures."""
    table = stage(40, 2, risk=lambda k: 0.2)
    noise = np.random.default_rng(0).normal(0, 0.05, len(table))
    table = replace(table, final=table.final.assign(coverage=0.6 + 0.2 * table.settings["r1"].to_numpy(dtype=bool) + noise))
    assert claim_of(explain(table, ("failed", "fd", "coverage")), "r1", "coverage").claimed


def test_with_few_units_nothing_passes_and_no_interval_is_narrower_than_one_alone(stage: Stage) -> None:
    for seed in range(10):
        table = replace(stage(6, 2, seed=seed, risk=lambda k: 0.0, log_fd=lambda k: -3.0 * k["r1"]), scientific=("r1",), nuisance=())
        found = explain(table, "fd")
        claim = claim_of(found, "r1", "fd")
        assert not claim.claimed
        assert claim.family_low <= claim.low < claim.high <= claim.family_high
    assert (claim.family_low, claim.family_high) == (0, np.inf)
    assert "With fewer than 12 configs, only very large effects can be told from noise." in answer(found)


# --- settings that vary together


@pytest.mark.parametrize("outcome", ["failed", "fd"])
@pytest.mark.parametrize("twin", ["copy", "opposite", "double"])
def test_settings_that_always_vary_together_get_no_credit(stage: Stage, twin: str, outcome: str) -> None:
    table = stage(60, 2, risk=lambda k: 0.05 if k["r1"] else 0.7, log_fd=lambda k: np.log(k["d.lr"] / 1e-4))
    r1 = table.settings["r1"].to_numpy(dtype=bool)
    lr = table.settings["d.lr"].to_numpy(dtype=float)
    values = {"copy": r1, "opposite": ~r1, "double": 2 * lr}[twin]
    truth = "d.lr" if twin == "double" else "r1"
    for names in (("twin", truth), (truth, "twin")):
        both = replace(table, settings=table.settings.assign(twin=values), scientific=names, nuisance=())
        found = explain(both, ("failed", "fd"))
        assert not any(c.claimed for c in found if c.outcome == outcome or twin != "double")
        text = answer(found)
        assert f"Not compared: {names[0]} and {names[1]} (not to be told apart from other settings" in text
        assert f"{names[0]} varies together with {names[1]} (correlation " in text
    hyphened = {"twin": "twin-of-it"}
    both = replace(both, settings=both.settings.rename(columns=hyphened), scientific=tuple(hyphened.get(name, name) for name in names))
    assert "twin-of-it" in next(line for line in answer(explain(both, "fd")).splitlines() if "varies together" in line)


def test_of_two_correlated_settings_the_true_one_is_claimed(stage: Stage) -> None:
    """r is .8 and less; the idle one is claimed in no study, the true one in most."""
    wrong = right = 0
    for seed in range(25):
        table = stage(60, 2, seed=seed, risk=lambda k: 0.0, log_fd=lambda k: 1.0 * k["r1"], n_ticks=2)
        flip = per_config(table, np.random.default_rng(seed).random(60) < 0.15)
        twin = table.settings["r1"].to_numpy(dtype=bool) ^ flip
        found = explain(replace(table, settings=table.settings.assign(twin=twin), scientific=("twin", "r1"), nuisance=()), "fd")
        wrong += claim_of(found, "twin", "fd").claimed
        right += claim_of(found, "r1", "fd").claimed
    assert wrong <= 2
    assert right >= 20


# --- curves


def along(stage: Stage, log_fd: Callable[[float], float], seed: int = 0) -> Explanation:
    """A study of one range, evenly drawn; `log_fd` takes its position from 0 to 1."""
    table = stage(64, 2, seed=seed, risk=lambda k: 0.0, config_sd=0.2)
    position = per_config(table, np.random.default_rng(seed).permutation(64) / 63)
    noise = np.log(table.final["fd"].to_numpy())
    table = replace(table, final=table.final.assign(fd=np.exp(noise + np.array([log_fd(p) for p in position]))))
    return explain(with_setting(table, "lr", 10 ** (-4 + 2 * position)), "fd")


@pytest.mark.parametrize(
    "curve",
    [lambda p: 3 * max(p - 0.6, 0), lambda p: float(p > 0.85), lambda p: 2 * (1 - np.exp(-6 * p)), lambda p: 6 * (p - 0.95) ** 2],
    ids=["flat, then rising", "late step", "saturating", "optimum at the end"],
)
def test_a_monotone_curve_is_no_valley(stage: Stage, curve: Callable[[float], float]) -> None:
    peaks = 0
    for seed in range(12):
        found = along(stage, curve, seed)
        trend, bend = claim_of(found, "lr", "fd", "trend"), claim_of(found, "lr", "fd", "bend")
        assert trend.claimed or bend.claimed
        assert ("than at either end" in answer(found)) == bend.peak
        assert "best near" not in answer(found) or bend.peak
        peaks += bend.peak
    assert peaks <= 1


@pytest.mark.parametrize("best", [0.3, 0.5, 0.7])
def test_a_valley_is_told_with_its_optimum(stage: Stage, best: float) -> None:
    found = along(stage, lambda p: 12 * (p - best) ** 2)
    assert claim_of(found, "lr", "fd", "bend").peak
    text = answer(found)
    assert "The final fd is lower inside the range of lr than at either end (a parabola's middle against its ends: × " in text
    told = re.search(r"For fd, lr is best near (\S+)\.\n", text)
    assert told
    assert np.log10(float(told[1])) == pytest.approx(-4 + 2 * best, abs=0.25)


# --- intervals


def test_perfect_fits_are_no_certainty(stage: Stage) -> None:
    """A run fails if and only if a is on and b is off."""
    table = stage(24, 2)
    a, b = per_config(table, np.arange(24) % 2 == 0), per_config(table, np.arange(24) // 2 % 2 == 0)
    table = with_setting(with_setting(table, "b", b), "a", a, rest=("b",))
    found = explain(replace(table, outcome=np.where(a & ~b, "mode_collapse", "healthy")), "failed")
    text = answer(found)
    assert " 0 points of failures" not in text
    for low, high in re.findall(r"95 % ([+−]?\d+) to ([+−]?\d+)\)", text):
        assert low != high
    for claim in found:
        assert claim.low < claim.high
        assert not claim.claimed or not claim.family_low <= 0 <= claim.family_high
    for effect in re.findall(r": ([+−]\d+) points", text):
        assert abs(int(effect.replace("−", "-"))) <= 100


def test_averages_beside_an_interaction_are_over_a_sample_of_configs(stage: Stage) -> None:
    """The effect of r1 depends on a range that is drawn at random and is 0 on average: nothing is said of the average."""
    wrong = 0
    for seed in range(25):
        table = stage(100, 1, seed=seed, risk=lambda k: 0.0, config_sd=0.1, seed_sd=0.1, n_ticks=2)
        x = per_config(table, np.random.default_rng(seed).random(100))
        r1 = table.settings["r1"].to_numpy(dtype=bool)
        table = replace(table, final=table.final.assign(fd=table.final["fd"] * np.exp(4 * r1 * (x - 0.5))))
        found = explain(with_setting(with_setting(table, "x", x), "r1", r1, rest=("x",)), "fd")
        assert any(c.claimed for c in found if c.kind == "interaction")
        wrong += claim_of(found, "r1", "fd").claimed
    assert wrong <= 4
