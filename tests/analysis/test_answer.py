"""What an answer says, and that it is right, in staged studies."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis import Claim, Explanation, TrialTable, answer, explain
from analysis.estimate import rate
from analysis.words import percent, value_texts

Stage = Callable[..., TrialTable]


def claim_of(found: Explanation, setting: str, outcome: str, kind: str = "levels") -> Claim:
    return next(c for c in found if (c.setting, c.outcome, c.kind) == (setting, outcome, kind))


def per_config(table: TrialTable, values: Any) -> Any:
    """[T]: a value for each config, from `values` in the order of configs."""
    return np.asarray(values)[np.unique(table.config_id, return_inverse=True)[1]]


def with_setting(table: TrialTable, name: str, values: Any, *, rest: tuple[str, ...] = ()) -> TrialTable:
    settings = table.settings.assign(**{name: values})
    return replace(table, settings=settings, scientific=(name, *rest), nuisance=())


def reversing(stage: Stage, one: str = "r1", other: str = "loss", levels: tuple[str, str] = ("hinge", "ns")) -> TrialTable:
    """`one` keeps training stable with the first level of `other` and breaks it with the second."""
    on, second = np.arange(60) % 2 == 0, np.arange(60) // 2 % 2 == 1
    table = stage(60, 3, risk=lambda k: 0.0)
    risk = per_config(table, np.where(on == second, 0.9, 0.1))
    table = replace(table, outcome=np.where(np.random.default_rng(0).random(180) < risk, "mode_collapse", "healthy"))
    table = with_setting(table, other, per_config(table, np.where(second, levels[1], levels[0])))
    return with_setting(table, one, per_config(table, on), rest=(other,))


# --- sound


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


# --- worded


def test_equal_shares_of_failures_are_not_called_none(stage: Stage) -> None:
    table = stage(24, 2, risk=lambda k: 0.0)
    half = replace(table, outcome=np.where(table.seed == 0, "mode_collapse", "healthy"))
    assert "In each config 50 % of the trials failed, so nothing can be told about what makes them fail." in answer(explain(half))
    none = replace(table, ended=np.where(table.seed == 0, "scheduler", "budget"))
    assert "No trial failed, so" in answer(explain(none))
    dead = replace(table, outcome=np.full(48, "mode_collapse"))
    text = answer(explain(dead, ("failed", "fd")))
    assert "All trials failed, so" in text
    assert "Nothing can be told about fd: no trial completed without failing." in text
    one = replace(table, outcome=np.where(table.config_id == "c00", "healthy", "mode_collapse"))
    assert "Nothing can be told about fd: it is known of one config only." in answer(explain(one, ("failed", "fd")))


def test_a_range_is_told_with_the_counts_of_its_thirds(stage: Stage) -> None:
    table = stage(60, 3, risk=lambda k: (np.log10(k["d.lr"]) + 5) / 2)
    table = replace(table, scientific=("d.lr",), nuisance=())
    found = explain(table, ("failed", "fd"))
    claim = claim_of(found, "d.lr", "failed", "trend")
    lr = table.settings["d.lr"].to_numpy(dtype=float)
    low, high = np.quantile(lr[::3], [1 / 3, 2 / 3])
    failed = [int(table.failed[side].sum()) for side in (lr >= high, lr <= low)]
    line = next(line for line in answer(found).splitlines() if line.startswith("d.lr "))
    assert line.startswith(
        f"d.lr {claim.level}, instead of {claim.reference}, makes training fail more often: {failed[0]} of 60 trials failed "
    )
    assert f", {failed[1]} of 60 with {claim.reference} ({claim.shown(claim.effect)}" in line
    assert claim.effect == pytest.approx((failed[0] - failed[1]) / 60)
    assert (
        f"For failures, d.lr is best at {value_texts([float(lr.min())])[0]}, an end of the range: a better value may lie beyond."
        in answer(found)
    )


def test_censored_trials_are_not_counted(stage: Stage) -> None:
    table = stage(24, 2, risk=lambda k: 0.1 if k["r1"] else 0.8)
    censored = ~table.failed & (np.arange(48) % 3 == 0)
    claim = claim_of(explain(replace(table, ended=np.where(censored, "scheduler", table.ended))), "r1", "failed")
    on = table.settings["r1"].to_numpy(dtype=bool)
    assert (claim.n_with.trials, claim.n_without.trials) == ((on & ~censored).sum(), (~on & ~censored).sum())


def test_the_share_of_failures_is_over_trials_that_were_not_stopped(stage: Stage) -> None:
    table = stage(24, 2, risk=lambda k: 0.4)
    stopped = ~table.failed & (table.seed == 0)
    found = answer(explain(replace(table, ended=np.where(stopped, "scheduler", table.ended))))
    n, k = int(table.failed.sum()), int(stopped.sum())
    assert 0 < n < 48 - k < 48
    assert f": {n} failed ({percent(n / (48 - k))}, 95 % interval " in found
    assert f"; {k} trials stopped by a scheduler left out." in found
    every = answer(explain(replace(table, ended=np.full(48, "scheduler"), outcome=np.full(48, "undertrained"))))
    assert "(a randomised design): all were stopped by a scheduler before they failed." in every


def test_the_answer_speaks_of_the_settings_that_were_asked_about(stage: Stage) -> None:
    table = stage(60, 2, risk=lambda k: 0.1, log_fd=lambda k: np.log(k["d.lr"] / 1e-4))
    lines = answer(explain(table, ("failed", "fd"), settings=["d.lr"])).splitlines()
    assert any(line.startswith("d.lr ") and "instead of" in line and "worsens fd" in line for line in lines)
    assert not any("loss" in line or "r1" in line for line in lines[:-1])
    assert (
        lines[-1]
        == "All of this holds on average over r1, loss and r1.gamma and for one value of 2 other settings; other values could change it."
    )


def test_training_that_mostly_fails_is_not_called_stable(stage: Stage) -> None:
    text = answer(explain(stage(60, 3, risk=lambda k: 0.5 if k["r1"] else 0.97), ("failed", "fd")))
    assert "r1 makes training fail less often: " in text
    assert "keeps training stable" not in text


@pytest.mark.parametrize("levels", [("4, 4", "8, 8"), ("a × b", "c × d"), ("x: y", "z; w")])
@pytest.mark.parametrize("name", ["loss", "g × h", "r1^2", "a, b"])
def test_names_and_levels_may_hold_any_text(stage: Stage, name: str, levels: tuple[str, str]) -> None:
    found = explain(reversing(stage, "r1", name, levels), ("failed", "fd"))
    claim = next(c for c in found if c.kind == "interaction" and c.outcome == "failed")
    assert claim.claimed
    assert (claim.settings, claim.levels, claim.references) == (("r1", name), ("on", levels[1]), ("off", levels[0]))
    assert [detail.partition(f"with {name} ")[2].split(", on instead of off: ")[0] for detail in claim.details] == list(levels)
    assert f"The effect of r1 on the rate of failure depends on {name}: " in answer(found)


def test_a_setting_named_like_the_bend_of_another_has_its_own_term(stage: Stage) -> None:
    table = stage(60, 2, log_fd=lambda k: np.log(k["d.lr"] / 1e-4))
    table = with_setting(table, "d.lr^2", per_config(table, np.arange(60) % 2 == 0), rest=("d.lr",))
    assert {(c.setting, c.kind) for c in explain(table, "fd") if c.kind != "interaction"} == {
        ("d.lr^2", "levels"), ("d.lr", "trend"), ("d.lr", "bend"),
    }  # fmt: skip


def test_values_that_round_to_the_same_text_are_told_apart(stage: Stage) -> None:
    table = stage(40, 2)
    table = with_setting(table, "d.lr", per_config(table, np.where(np.arange(40) % 2, 1.2341e-4, 1.2344e-4)))
    claim = claim_of(explain(table), "d.lr", "failed")
    assert (claim.level, claim.reference) == ("0.00012344", "0.00012341")


def test_levels_without_survivors_or_with_one_config_are_named(stage: Stage) -> None:
    table = stage(60, 2, risk=lambda k: 1.0 if k["loss"] == "hinge" else 0.1)
    loss = np.where(table.config_id == table.config_id[-1], "lsgan", table.settings["loss"])
    table = with_setting(table, "loss", pd.Categorical(loss, categories=["hinge", "nonsaturating", "wasserstein", "lsgan"]))
    text = answer(explain(table, ("failed", "fd")))
    n = int((table.settings["loss"] == "hinge").sum())
    assert f"Too few trials completed without failing to compare fd with loss hinge, the reference (0 of {n})." in text
    assert "Not compared: loss lsgan (it has 1 config)." in text


@pytest.mark.parametrize("good", ["hinge", "nonsaturating", "wasserstein"])
def test_one_good_level_of_a_choice_is_told_in_one_sentence(stage: Stage, good: str) -> None:
    bad = [level for level in ("hinge", "nonsaturating", "wasserstein") if level != good]
    table = stage(72, 2, risk=lambda k: 0.03 if k["loss"] == good else 0.8, log_fd=lambda k: -1.5 * (k["loss"] == good))
    found = explain(replace(table, scientific=("loss",), nuisance=()), ("failed", "fd", "coverage"))
    lines = answer(found).splitlines()
    by = {level: table.where((table.settings["loss"] == level).to_numpy()) for level in (good, *bad)}
    counted = [f"{int(by[level].failed.sum())} of {len(by[level])}" for level in by]
    mine = [c for c in found if c.claimed and c.outcome == "failed"]
    assert {frozenset((c.level, c.reference)) for c in mine} == {frozenset((good, level)) for level in bad}
    lows = [c.family_low if c.level == good else -c.family_high for c in mine]
    highs = [c.family_high if c.level == good else -c.family_low for c in mine]
    (stable,) = [line for line in lines if "keeps training stable" in line]
    assert stable.startswith(
        f"loss {good} keeps training stable: {counted[0]} trials failed, {counted[1]} with {bad[0]} and {counted[2]} with {bad[1]} (−"
    )
    assert stable.endswith(f"; 95 % intervals within {100 * min(lows):+.0f} to {100 * max(highs):+.0f}).".replace("-", "−"))
    (better,) = [line for line in lines if "improves fd" in line]
    assert better.startswith(f"loss {good} improves fd, compared with {bad[0]} and {bad[1]} (× 0.")
    assert f"Cannot be told from noise: loss {bad[1]} against {bad[0]}." in lines
    assert not any("win" in line or "beats" in line for line in lines)


def test_another_kind_of_failure_is_no_fewer_failures(stage: Stage) -> None:
    """Everything fails: by overflow with r1, by a collapse without."""
    table = stage(48, 2, risk=lambda k: 1.0)
    kinds = np.where(table.settings["r1"].to_numpy(dtype=bool), "diverged", "mode_collapse")
    text = answer(explain(replace(table, outcome=kinds), ("failed", "fd", "diverged", "mode_collapse")))
    assert "r1 changes how runs fail: more by divergence" in text
    assert "changes how runs fail: fewer by mode collapse" in text
    assert "the rate of" not in text


def test_good_levels_of_a_choice_are_told_together(stage: Stage) -> None:
    table = stage(96, 2, risk=lambda k: 0.85 if k["loss"] == "wasserstein" else 0.02)
    lines = answer(explain(replace(table, scientific=("loss",), nuisance=()), ("failed",))).splitlines()
    assert any(line.startswith("loss hinge and nonsaturating keep training stable: ") for line in lines)


def test_a_complete_design_says_that_it_speaks_of_seeds_only(stage: Stage) -> None:
    """Also where a choice lives under a switch."""
    table = stage(3, 8, risk=lambda k: 0.0)
    table = with_setting(table, "r1.gamma", pd.Series([None] * 8 + ["low"] * 8 + ["high"] * 8, index=table.settings.index))
    table = with_setting(table, "r1", per_config(table, [False, True, True]), rest=("r1.gamma",))
    text = answer(explain(table, ("failed", "fd")))
    assert "so intervals are over seeds only" in text
    share = rate(table.failed, table.trial_id)  # also the first one
    assert f"95 % interval {percent(share.low)} to {percent(share.high)}" in text.splitlines()[0]
    # one of the four combinations of two switches is missing, so this is a sample
    part = with_setting(stage(3, 8), "a", per_config(table, [False, True, True]))
    part = with_setting(part, "b", per_config(table, [False, False, True]), rest=("a",))
    assert "over seeds only" not in answer(explain(part, ("failed", "fd")))


def test_a_search_names_all_settings_and_says_which_way_a_range_goes(stage: Stage) -> None:
    table = stage(60, 2, risk=lambda k: 0.1 if k["d.lr"] < 1e-4 else 0.9)
    one = np.where(np.arange(120) < 2, "a", "b")
    table = replace(with_setting(table, "arch", one, rest=("d.lr", "loss")), phase=np.full(120, "optimise"))
    text = answer(explain(table, ("failed", "fd")))
    low, high = np.quantile(table.settings["d.lr"][::2], [1 / 3, 2 / 3])
    told = re.search(r"Runs with d.lr (\S+) or less are better than those with (\S+) or more: an association in failed, p = ", text)
    assert told
    assert float(told[1].replace("−", "-")) <= low < high <= float(told[2].replace("−", "-"))
    assert "No association with loss can be told from chance." in text
    assert "Not compared: arch (a level has fewer than two configs, or a single seed)." in text


# --- not credited to another


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
        assert (" in the middle of the range" in answer(found)) == bend.peak
        peaks += bend.peak
    assert peaks <= 1


@pytest.mark.parametrize("best", [0.3, 0.5, 0.7])
def test_a_valley_is_told_with_its_optimum(stage: Stage, best: float) -> None:
    found = along(stage, lambda p: 12 * (p - best) ** 2)
    assert claim_of(found, "lr", "fd", "bend").peak
    text = answer(found)
    assert "The final fd is lower in the middle of the range of lr than at its ends" in text
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
