import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis import Claim, TrialTable, answer, explain
from analysis.levels import levels
from ganstudy import UserError

Stage = Callable[..., TrialTable]


def by_name(claims: Iterable[Claim], outcome: str | None = None) -> dict[tuple[str, str], Claim]:
    return {(claim.setting, claim.level): claim for claim in claims if outcome in (None, claim.outcome)}


def set_outcomes(table: TrialTable, outcome: list[str]) -> TrialTable:
    return replace(
        table,
        outcome=np.array(outcome),
        ended=np.array(["dead" if o == "diverged" else "error" if o == "" else "budget" for o in outcome]),
    )


def with_settings(table: TrialTable, **columns: Any) -> TrialTable:
    return replace(table, settings=table.settings.assign(**{name.replace("__", "."): values for name, values in columns.items()}))


def test_eight_configs_by_two_seeds_by_hand(stage: Stage) -> None:
    """0 of 8 trials fail with r1, 8 of 8 without: the largest difference that 70 ways to choose four of 8 configs can show."""
    table = with_settings(stage(8, 2), r1=[True] * 8 + [False] * 8)
    table = set_outcomes(replace(table, scientific=("r1",), nuisance=()), ["healthy"] * 8 + ["mode_collapse"] * 8)
    claim = by_name(explain(table))["r1", "on"]
    assert (claim.effect, claim.reference, claim.helps, claim.claimed) == (-1, "off", True, True)
    assert claim.family_p == pytest.approx(2 / 70, abs=0.01)
    assert (str(claim.n_with), claim.n_without.trials) == ("8 trials of 4 configs", 8)
    assert "0 of 8 trials failed; with off, 8 of 8 trials failed" in claim.sentence
    assert claim.evidence == "designed"
    assert "data.name digits" in claim.context


def test_four_configs_are_too_few_to_claim_anything(stage: Stage) -> None:
    """The difference could not be larger, and yet one of three ways to choose the configs gives it."""
    table = with_settings(stage(4, 2), r1=[True] * 4 + [False] * 4)
    table = set_outcomes(replace(table, scientific=("r1",), nuisance=()), ["healthy"] * 4 + ["mode_collapse"] * 4)
    assert not by_name(explain(table))["r1", "on"].claimed


def test_trials_without_evidence_are_excluded(stage: Stage) -> None:
    table = replace(with_settings(stage(8, 1), r1=[True] * 4 + [False] * 4), scientific=("r1",), nuisance=())
    found = explain(set_outcomes(table, ["healthy", "healthy", "healthy", "", "mode_collapse", "diverged", "healthy", "healthy"]))
    claim = by_name(found)["r1", "on"]
    assert (claim.n_with.trials, claim.n_without.trials) == (3, 4)
    assert claim.effect == pytest.approx(-1 / 2)


@pytest.mark.parametrize(("outcome", "rate"), [("failed", 0.5), ("mode_collapse", 0.25), ("diverged", 0.25)])
def test_each_failure_has_its_own_risk(stage: Stage, outcome: str, rate: float) -> None:
    table = replace(with_settings(stage(8, 1), r1=[True] * 4 + [False] * 4), scientific=("r1",), nuisance=())
    claim = by_name(explain(set_outcomes(table, ["healthy"] * 4 + ["diverged", "mode_collapse", "healthy", "healthy"]), outcome))
    assert claim["r1", "on"].effect == pytest.approx(-rate)


def test_a_known_effect_is_found_and_comes_first(stage: Stage) -> None:
    table = stage(60, 2, risk=lambda k: 0.1 if k["r1"] else 0.6, log_fd=lambda k: -0.7 * k["r1"])
    found = explain(table, ("failed", "fd"))
    first = found[0]
    assert (first.setting, first.level, first.outcome, first.claimed, first.helps) == ("r1", "on", "failed", True, True)
    assert first.family_low <= first.low <= -0.5 <= first.high <= first.family_high < 0
    assert first.family_p < 0.05
    on_fd = by_name(found, "fd")["r1", "on"]
    assert (on_fd.scale, on_fd.claimed, on_fd.helps) == ("log", True, True)
    assert on_fd.low < np.exp(-0.7) < on_fd.high
    assert "times that with off" in on_fd.sentence
    text = answer(found)
    assert "r1 keeps training stable: " in text
    assert "it improves fd (× " in text
    assert "Cannot be told from noise: the effect of loss" in text


def test_every_setting_is_named_in_the_order_of_the_study(stage: Stage) -> None:
    table = stage(40, 2)
    for scientific in (("loss", "r1"), ("r1", "loss")):
        text = answer(explain(replace(table, scientific=scientific), ("failed", "fd")))
        assert f"Nothing can be told from noise about {scientific[0]} and {scientific[1]}." in text
        assert "would find, in four of five cases" in text


def test_the_direction_of_the_metric_decides_what_helps(stage: Stage) -> None:
    table = stage(40, 2, risk=lambda k: 0.0)
    noise = np.random.default_rng(0).normal(0, 0.05, len(table))
    table = replace(table, final=table.final.assign(coverage=np.where(table.settings["r1"], 0.8, 0.6) + noise))
    claim = by_name(explain(table, "coverage"))["r1", "on"]
    assert (claim.scale, claim.helps, claim.claimed) == ("linear", True, True)
    assert claim.effect == pytest.approx(0.2, abs=0.05)
    assert claim.no_effect == 0


def test_a_conditional_setting_is_compared_where_it_is_active(stage: Stage) -> None:
    table = stage(40, 2, risk=lambda k: 0.0, log_fd=lambda k: 0.8 * np.log(k["r1.gamma"]) if k["r1"] else 0.0)
    found = {claim.kind: claim for claim in explain(table, "fd", settings=["r1.gamma"]) if claim.setting == "r1.gamma"}
    trend = found["trend"]
    active = np.log(table.settings["r1.gamma"].dropna()[::2])
    lower, upper = active[active <= active.quantile(1 / 3)], active[active >= active.quantile(2 / 3)]
    assert (trend.n_with.configs, trend.n_without.configs) == (len(upper), len(lower)) == (7, 7)
    assert trend.claimed
    assert not trend.helps
    assert trend.low < np.exp(0.8 * (upper.mean() - lower.mean())) < trend.high
    assert not found["bend"].claimed


def test_two_numbers_are_two_levels_and_failed_trials_have_no_final_value(stage: Stage) -> None:
    table = with_settings(stage(20, 2, risk=lambda k: 0.3), d_steps=[1, 1, 2, 2] * 10)
    table = replace(table, scientific=("d_steps",))
    claim = by_name(explain(table, "fd"))["d_steps", "2"]
    assert claim.reference == "1"
    assert claim.n_with.trials + claim.n_without.trials == (~table.failed).sum() < 40


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2, 3, 4], {"up to 2.5": [0, 1], "above 2.5": [2, 3]}),
        ([1, 2, 3, 3], {"up to 2.5": [0, 1], "above 2.5": [2, 3]}),
        ([1, 2, 4, 4, 4], {"below 4": [0, 1], "at 4": [2, 3, 4]}),  # no value is above the median
        ([1, 1, 1, 5], {"1": [0, 1, 2], "5": [3]}),
        (["b", "a", None, "b"], {"a": [1], "b": [0, 3]}),
        ([None, True, False, True], {"off": [2], "on": [1, 3]}),
        ([0.1, np.nan, 0.2, 0.3], {"up to 0.2": [0, 2], "above 0.2": [3]}),
    ],
)
def test_levels_by_hand(stage: Stage, values: list[Any], expected: dict[str, list[int]]) -> None:
    table = stage(len(values), 1)
    settings = table.settings.assign(loss=np.array(values, dtype=object))
    found = levels(replace(table, settings=settings), "loss")
    assert {level.label: np.flatnonzero(level.trials).tolist() for level in found} == expected
    assert [level.label for level in found] == list(expected)


def test_numbers_from_a_list_are_levels_and_all_of_them_are_compared(stage: Stage) -> None:
    """The first that the study file names is the reference."""
    table = stage(12, 2, risk=lambda k: 0.0)
    listed = pd.Categorical(np.tile([50, 200, 800], 8).repeat(1), categories=[800, 200, 50])
    of_config = pd.Series(listed).groupby(table.config_id).transform("first")
    table = replace(with_settings(table, data__size=pd.Categorical(of_config, categories=[800, 200, 50])), scientific=("data.size",))
    found = explain(table, "fd")
    assert {(c.level, c.reference) for c in found if c.setting == "data.size"} == {("200", "800"), ("50", "800"), ("50", "200")}


def test_a_search_supports_no_claim(stage: Stage) -> None:
    table = stage(60, 2, risk=lambda k: 0.05 if k["r1"] else 0.8)
    searched = explain(replace(table, phase=np.array(["optimise"] * 120)), ("failed", "fd"))
    assert {c.evidence for c in searched} == {"observed"}
    assert not any(c.claimed for c in searched)
    text = answer(searched)
    assert "keeps training stable" not in text
    assert re.search(r"Runs with r1 on fail less often \(p = [\d.e-]+\) than those with off\.", text)
    mixed = replace(table, phase=np.array(["optimise"] * 60 + ["explore"] * 60))
    claims = explain(mixed)
    assert {c.evidence for c in claims} == {"designed"}
    assert max(c.n_with.trials + c.n_without.trials for c in claims) <= 60


def test_a_level_with_one_config_gives_no_claim(stage: Stage) -> None:
    table = with_settings(stage(6, 4), r1=[True] * 4 + [False] * 20)
    found = explain(table)
    assert "r1" not in {c.setting for c in found}
    assert "Not compared: r1 (no two of its levels have two configs)." in answer(found)


def one_config_per_variant(stage: Stage, n_seeds: int, *, seed: int = 0, shift: float = 0.0) -> TrialTable:
    """Three configs, one per variant; variant `b` multiplies fd by exp(shift)."""
    table = stage(3, n_seeds, seed=seed, config_sd=0.0)
    of = dict(zip(dict.fromkeys(table.config_id), ["plain", "b", "a"], strict=True))
    names = np.array([of[config] for config in table.config_id])
    final = table.final.assign(fd=table.final["fd"] * np.exp(shift * (names == "b")))
    table = with_settings(table, method=pd.Categorical(names, categories=["plain", "b", "a"]))
    return replace(table, final=final, scientific=("method",), nuisance=())


def test_variants_with_one_config_each_are_compared_over_seeds(stage: Stage) -> None:
    found = {(c.level, c.reference): c for c in explain(one_config_per_variant(stage, 8, shift=2.0), "fd")}
    assert set(found) == {("b", "plain"), ("a", "plain"), ("a", "b")}  # plain is the first in the study file
    assert found["b", "plain"].claimed
    assert found["b", "plain"].family_low < np.exp(2.0) < found["b", "plain"].family_high
    assert found["b", "plain"].n_with.configs == 1
    assert "the interval is over its seeds only" in found["b", "plain"].context
    assert not found["a", "plain"].claimed
    assert len(explain(one_config_per_variant(stage, 1), "fd")) == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["choices", "variants"])
def test_without_effects_one_study_in_twenty_claims_anything(stage: Stage, kind: str) -> None:
    studies = 120
    tables = (stage(24, 2, seed=s, n_ticks=2) if kind == "choices" else one_config_per_variant(stage, 8, seed=s) for s in range(studies))
    found = [explain(table, ("failed", "fd")) for table in tables]
    assert np.mean([any(c.claimed for c in each) for each in found]) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / studies)
    alone = [c for each in found for c in each if c.kind == "levels" and c.outcome == "failed"]
    assert 0.02 < np.mean([c.p < 0.05 for c in alone]) < 0.08
    # interval and p value agree
    assert np.mean([(c.low <= c.no_effect <= c.high) == (c.p >= 0.05) for c in alone]) > 0.95


def test_an_effect_on_the_metric_is_no_effect_on_rare_failures(stage: Stage) -> None:
    """r1 divides fd by more than four, and the few failures fall where they may."""
    claims = 0
    for seed in range(80):
        table = stage(16, 1, seed=seed, risk=lambda k: 0.12, log_fd=lambda k: -1.5 * k["r1"], n_ticks=2)
        found = by_name(explain(replace(table, scientific=("r1",), nuisance=()), ("failed", "fd")), "failed")
        claims += ("r1", "on") in found and found["r1", "on"].claimed
    assert claims <= 0.05 * 80 + 2 * np.sqrt(80 * 0.05 * 0.95)


def test_a_trick_that_keeps_weak_runs_alive_is_not_said_to_hurt_the_metric(stage: Stage) -> None:
    """Without r1 all runs with a high fd die, so that those left look better than the runs with r1."""
    rng = np.random.default_rng(3)
    table = stage(48, 2, risk=lambda k: 0.0, config_sd=0.8)
    dies = ~table.settings["r1"].to_numpy(dtype=bool) & (table.final["fd"].to_numpy() > np.exp(1.8)) & (rng.random(96) < 0.95)
    table = set_outcomes(table, list(np.where(dies, "mode_collapse", "healthy")))
    found = explain(table, ("failed", "fd"))
    risk, metric = by_name(found, "failed")["r1", "on"], by_name(found, "fd")["r1", "on"]
    assert risk.claimed
    assert metric.effect > 1
    assert not metric.claimed
    assert "worsens fd" not in answer(found)


def test_an_effect_that_reverses_is_told_at_both_levels(stage: Stage) -> None:
    """Medians of a real study: SELU is far better than ReLU in deep generators and worse in shallow ones."""
    medians = {"relu": (51.6, 97.9), "leaky_relu": (55.0, 14.3), "selu": (90.2, 17.4), "elu": (70.0, 10.3)}
    rng = np.random.default_rng(0)
    activation, depth = np.array(list(medians))[np.arange(80) % 4], np.array([1, 4])[np.arange(80) // 4 % 2]
    fd = np.array([medians[a][int(d == 4)] for a, d in zip(activation, depth, strict=True)]) * np.exp(0.5 * rng.standard_normal(80))
    table = stage(80, 1, risk=lambda k: 0.0)
    chosen = pd.Categorical(activation, categories=list(medians))
    table = with_settings(table, g__activation=chosen, g__depth=pd.Categorical(depth, categories=[1, 4]))
    table = replace(table, scientific=("g.activation", "g.depth"), nuisance=("d.lr",), final=table.final.assign(fd=fd))
    found = explain(table, ("failed", "fd"))
    reverses = next(c for c in found if c.claimed and c.kind == "interaction" and (c.outcome, c.level) == ("fd", "selu, 4"))
    assert reverses.details[0].startswith("with g.depth 1, selu instead of relu: × 1.9")
    assert reverses.details[1].startswith("with g.depth 4, selu instead of relu: × 0.2")
    assert all(detail.endswith("; 10 against 10 trials)") for detail in reverses.details)
    lines = answer(found).splitlines()
    assert [line.partition(":")[0] for line in lines].count("The effect of g.activation on the final fd depends on g.depth") == 1
    assert not any("g.activation on win" in line for line in lines)
    assert any(line.startswith("On average, g.depth 4, instead of 1, improves fd") for line in lines)
    assert any(line.startswith("Cannot be told from noise: g.activation on average ") and "elu against selu" in line for line in lines)


def test_a_valley_is_claimed_as_a_bend(stage: Stage) -> None:
    table = stage(64, 2, risk=lambda k: 0.0, log_fd=lambda k: 0.8 * (np.log10(k["d.lr"]) + 4) ** 2)
    found = [
        c for c in explain(replace(table, scientific=("d.lr", "r1"), nuisance=()), ("failed", "fd")) if c.claimed and c.outcome == "fd"
    ]
    assert [(c.setting, c.kind, c.helps) for c in found] == [("d.lr", "bend", True)]
    assert "is lower inside the range of d.lr than at either end (a parabola's middle against its ends: × " in found[0].sentence


def test_unknown_names_are_rejected_and_the_known_ones_are_named(stage: Stage) -> None:
    with pytest.raises(UserError, match=r"be failed, undertrained, mode_collapse, .*'collapse'; did you mean 'mode_collapse'"):
        explain(stage(4, 1), "collapse")
    with pytest.raises(UserError, match="'r11'"):
        explain(stage(4, 1), settings=["r11"])
    with pytest.raises(UserError, match="from_frame"):
        explain(pd.DataFrame({"fid": [1.0]}))  # type: ignore[arg-type]


def test_without_finished_trials_there_is_no_answer(stage: Stage) -> None:
    table = replace(stage(2, 1), outcome=np.array(["", ""]), ended=np.array(["", "error"]))
    assert len(explain(table)) == 0
    assert "No answer yet" in answer(explain(table))


@pytest.mark.parametrize("seeds", [1, 3])
def test_equal_scores_show_nothing(stage: Stage, seeds: int) -> None:
    """A score that is equal in all runs up to rounding has no effect, and a study without any failure says so."""
    table = stage(12, seeds, risk=lambda k: 0.0)
    table = replace(table, final=table.final.assign(fd=0.1 + 1e-17 * np.arange(len(table)) + 2e-16 * table.settings["r1"].to_numpy()))
    found = explain(table, ("failed", "fd"))
    assert not any(c.claimed or c.outcome == "fd" for c in found)
    assert "0 failed (0 %" in answer(found)


def test_without_comparisons_the_answer_names_none(stage: Stage) -> None:
    text = answer(explain(stage(2, 1)))
    assert "comparison" not in text
    assert "Not compared: r1 and loss" in text
