from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis import Claim, TrialTable
from analysis.explain import answer, explain
from analysis.levels import covariates, levels
from ganstudy import UserError

Stage = Callable[..., TrialTable]


def by_name(claims: Iterable[Claim]) -> dict[tuple[str, str], Claim]:
    return {(claim.setting, claim.level): claim for claim in claims}


def set_outcomes(table: TrialTable, outcome: list[str]) -> TrialTable:
    return replace(
        table,
        outcome=np.array(outcome),
        ended=np.array(["dead" if o == "diverged" else "error" if o == "" else "budget" for o in outcome]),
    )


def with_settings(table: TrialTable, **columns: Any) -> TrialTable:
    return replace(table, settings=table.settings.assign(**{name.replace("__", "."): values for name, values in columns.items()}))


def test_four_configs_by_two_seeds_by_hand(stage: Stage) -> None:
    """0 of 4 trials fail with r1, 4 of 4 without."""
    table = with_settings(stage(4, 2), r1=[True] * 4 + [False] * 4)
    claim = by_name(explain(set_outcomes(table, ["healthy"] * 4 + ["mode_collapse"] * 4)))["r1", "on"]
    assert (claim.effect, claim.reference, claim.helps) == (-1, "off", True)
    assert claim.p == pytest.approx(2 / 6)  # 6 ways to choose two of 4 configs
    assert (str(claim.n_with), claim.n_without.trials) == ("4 trials of 2 configs", 4)
    assert "100 points lower" in claim.sentence
    assert claim.evidence == "designed"
    assert "data.name digits" in claim.context


def test_trials_without_evidence_are_excluded(stage: Stage) -> None:
    table = with_settings(stage(6, 1), r1=[True] * 3 + [False] * 3)
    claim = by_name(explain(set_outcomes(table, ["healthy", "healthy", "", "mode_collapse", "diverged", "healthy"])))["r1", "on"]
    assert claim.n_with.trials == 2
    assert claim.effect == pytest.approx(-2 / 3)


@pytest.mark.parametrize(("outcome", "rate"), [("failed", 0.5), ("mode_collapse", 0.25), ("diverged", 0.25)])
def test_each_failure_has_its_own_risk(stage: Stage, outcome: str, rate: float) -> None:
    table = with_settings(stage(8, 1), r1=[True] * 4 + [False] * 4)
    claim = by_name(explain(set_outcomes(table, ["healthy"] * 4 + ["diverged", "mode_collapse", "healthy", "healthy"]), outcome))[
        "r1", "on"
    ]
    assert claim.effect == -rate


def test_a_known_effect_is_found_and_comes_first(stage: Stage) -> None:
    table = stage(60, 2, risk=lambda k: 0.1 if k["r1"] else 0.6, log_fd=lambda k: -0.7 * k["r1"])
    first = explain(table)[0]
    assert (first.setting, first.level, first.clear, first.helps) == ("r1", "on", True, True)
    assert first.low <= -0.5 <= first.high
    assert first.q < 0.05
    on_fd = explain(table, "fd")[0]
    assert (on_fd.setting, on_fd.scale, on_fd.clear, on_fd.helps) == ("r1", "log", True, True)
    assert "adjusted for loss" in on_fd.context
    assert "times that with off" in on_fd.sentence
    text = answer(table, explain(table))
    assert "Helps: r1 on against off: failure −" in text
    assert "Cannot tell: the effect of " in text


def test_the_direction_of_the_metric_decides_what_helps(stage: Stage) -> None:
    table = stage(40, 2, risk=lambda k: 0.0)
    table = replace(table, final=table.final.assign(coverage=np.where(table.settings["r1"], 0.8, 0.6)))
    claim = by_name(explain(table, "coverage"))["r1", "on"]
    assert (claim.scale, claim.helps) == ("linear", True)
    assert (claim.effect, claim.no_effect) == (pytest.approx(0.2), 0)  # type: ignore[comparison-overlap]


def test_a_conditional_setting_is_compared_where_it_is_active(stage: Stage) -> None:
    table = stage(40, 2, risk=lambda k: 0.0)
    (claim,) = explain(table, "fd", settings=["r1.gamma"])
    n_active = table.settings["r1.gamma"].notna().sum()
    assert claim.n_with.trials + claim.n_without.trials == n_active == 40
    assert claim.n_with.configs == claim.n_without.configs == 10
    assert "split at the median" in claim.context
    assert claim.level.startswith("above ")


def test_two_numbers_are_two_levels_and_dead_trials_have_no_final_value(stage: Stage) -> None:
    table = with_settings(stage(20, 2, risk=lambda k: 0.3, dead=1.0), d_steps=[1, 1, 2, 2] * 10)
    table = replace(table, scientific=("d_steps",))
    claim = by_name(explain(table, "fd"))["d_steps", "2"]
    assert claim.reference == "1"
    assert claim.n_with.trials + claim.n_without.trials == (~table.dead).sum() < 40


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


def test_numbers_from_a_list_are_levels_in_the_order_of_the_list(stage: Stage) -> None:
    """As covariates they are categories, because the effect need not be linear."""
    table = stage(12, 2, risk=lambda k: 0.0)
    listed = pd.Categorical(np.tile([50, 200, 800], 8), categories=[800, 200, 50])
    table = replace(with_settings(table, data__size=listed), scientific=("data.size", "r1"))
    found = by_name(explain(table, "fd", settings=["data.size"]))
    assert {(claim.level, claim.reference) for claim in found.values()} == {("200", "800"), ("50", "800")}
    assert all("split" not in claim.context for claim in found.values())
    assert covariates(table, ["data.size"]).shape == (24, 2)


def test_claims_from_an_adaptive_search_are_observed(stage: Stage) -> None:
    table = stage(40, 1)
    assert {c.evidence for c in explain(replace(table, phase=np.array(["optimise"] * 40)))} == {"observed"}
    mixed = replace(table, phase=np.array(["optimise"] * 20 + ["explore"] * 20))
    claims = explain(mixed)
    assert {c.evidence for c in claims} == {"designed"}
    assert max(c.n_with.trials + c.n_without.trials for c in claims) <= 20
    assert "association" in answer(replace(table, phase=np.array(["optimise"] * 40)), [])


def test_a_level_with_one_config_gives_no_claim(stage: Stage) -> None:
    table = with_settings(stage(6, 4), r1=[True] * 4 + [False] * 20)
    claims = explain(table)
    assert "r1" not in {c.setting for c in claims}
    assert "r1 (a level has fewer than two configs, or a single seed)" in answer(table, claims)


def one_config_per_variant(stage: Stage, n_seeds: int, *, seed: int = 0, shift: float = 0.0) -> TrialTable:
    """Three configs, one per variant; variant `b` multiplies fd by exp(shift)."""
    table = stage(3, n_seeds, seed=seed, config_sd=0.0)
    of = dict(zip(dict.fromkeys(table.config_id), ["plain", "b", "a"], strict=True))
    names = np.array([of[config] for config in table.config_id])
    final = table.final.assign(fd=table.final["fd"] * np.exp(shift * (names == "b")))
    table = with_settings(table, method=pd.Categorical(names, categories=["plain", "b", "a"]))
    return replace(table, final=final, scientific=("method",), nuisance=())


def test_variants_with_one_config_each_are_compared_over_seeds(stage: Stage) -> None:
    found = {c.level: c for c in explain(one_config_per_variant(stage, 8, shift=2.0), "fd")}
    assert {(c.level, c.reference) for c in found.values()} == {("b", "plain"), ("a", "plain")}  # plain is the first in the study file
    assert found["b"].clear
    assert found["b"].low < np.exp(2.0) < found["b"].high
    assert found["b"].n_with.configs == 1
    assert "the interval is over its seeds only" in found["b"].context
    assert explain(one_config_per_variant(stage, 1), "fd") == []


@pytest.mark.parametrize("outcome", ["failed", "fd"])
def test_without_effects_one_variant_in_twenty_is_clear(stage: Stage, outcome: str) -> None:
    claims = [c for seed in range(150) for c in explain(one_config_per_variant(stage, 8, seed=seed), outcome)]
    assert len(claims) == 300
    assert 0.01 < np.mean([c.clear for c in claims]) < 0.09  # standard error 0.013


@pytest.mark.parametrize("outcome", ["failed", "fd"])
def test_without_effects_one_claim_in_twenty_is_clear(stage: Stage, outcome: str) -> None:
    claims = [c for seed in range(50) for c in explain(stage(30, 2, seed=seed, n_ticks=2), outcome)]
    assert len(claims) == 250
    assert 0.01 < np.mean([c.clear for c in claims]) < 0.09  # standard error 0.014
    assert 0.01 < np.mean([c.p < 0.05 for c in claims]) < 0.09
    # interval and p value agree
    assert np.mean([c.clear == (c.p < 0.05) for c in claims]) > 0.95


def test_unknown_names_are_rejected_and_the_known_ones_are_named(stage: Stage) -> None:
    with pytest.raises(UserError, match=r"\['failed', 'undertrained', 'mode_collapse', .*'collapse'"):
        explain(stage(4, 1), "collapse")
    with pytest.raises(UserError, match="'r11'"):
        explain(stage(4, 1), settings=["r11"])


def test_without_finished_trials_there_is_no_answer(stage: Stage) -> None:
    table = replace(stage(2, 1), outcome=np.array(["", ""]), ended=np.array(["", "error"]))
    assert explain(table) == []
    assert "No answer yet" in answer(table, [])


def test_without_comparisons_the_answer_names_none(stage: Stage) -> None:
    table = stage(2, 1)
    assert "comparison" not in answer(table, [])
    assert "Cannot tell: the effect of" in answer(table, [])
