"""Two studies side by side, on simulated studies whose truth is known."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from tables import Stage

from analysis import Direction, TrialTable, compare, explain, rank, together
from analysis.compare import Difference, sentence, unmatched
from ganstudy import UserError


def helps_by(points: float) -> Callable[[pd.Series], float]:
    """The risk of a config: .6, less by so much with r1."""
    return lambda config: 0.6 - points * bool(config["r1"])


def of(found: list[Difference], setting: str, outcome: str) -> Difference:
    return next(each for each in found if (each.first.setting, each.first.outcome) == (setting, outcome))


def both(first: TrialTable, second: TrialTable) -> list[Difference]:
    return compare(explain(first, ["failed", "fd"]), explain(second, ["failed", "fd"]))


def test_a_difference_has_the_effects_of_both_studies_and_the_errors_of_both(stage: Stage) -> None:
    """Equal numbers of trials give equal degrees of freedom, up to the variances: the interval lies between both extremes of Welch's."""
    found = both(stage(48, seed=1, risk=helps_by(0.0)), stage(48, seed=2, risk=helps_by(0.5)))
    each = of(found, "r1", "failed")
    assert each.difference == pytest.approx(each.second.effect - each.first.effect)
    half = [(claim.high - claim.low) / 2 for claim in (each.first, each.second)]
    assert (each.high - each.low) / 2 == pytest.approx(float(np.hypot(half[0], half[1])), rel=0.03)
    assert each.family_high - each.family_low > each.high - each.low
    assert each.p <= each.family_p
    fd = of(found, "r1", "fd")
    assert fd.difference == pytest.approx(fd.second.effect / fd.first.effect)


def test_an_effect_that_differs_is_found_and_told(stage: Stage) -> None:
    found = both(stage(96, 3, seed=1, risk=helps_by(0.0)), stage(96, 3, seed=2, risk=helps_by(0.55)))
    assert [(each.first.setting, each.first.outcome) for each in found if each.differs] == [("r1", "failed")]
    text = sentence(of(found, "r1", "failed"), ("one", "other"))
    assert text.startswith("The effect of r1 (on against off) on failed differs: ")
    assert "points in one" in text
    assert not any(each.first.outcome == "win" for each in found)  # it is about the other runs of the same study


def test_a_study_does_not_differ_from_itself(stage: Stage) -> None:
    table = stage(48, seed=3, risk=helps_by(0.5))
    found = both(table, table)
    assert {each.first.setting for each in found} >= {"r1", "loss"}
    for each in found:
        assert each.difference == each.first.no_effect
        assert each.p == 1
        assert not each.differs


@pytest.mark.slow
def test_equal_effects_are_rarely_called_different(stage: Stage) -> None:
    """At most one pair of studies in twenty, whatever the effects are; each interval alone holds the truth in 95 of 100."""
    pairs, differ, held = 120, 0, []
    for i in range(pairs):
        effects = {"risk": helps_by(0.4), "log_fd": lambda config: -0.5 * bool(config["r1"])}
        found = both(stage(32, seed=2 * i, **effects), stage(32, seed=2 * i + 1, **effects))
        differ += any(each.differs for each in found)
        held += [each.low <= each.first.no_effect <= each.high for each in found]
    assert stats.binomtest(differ, pairs, 0.05, alternative="greater").pvalue > 0.01
    assert np.mean(held) == pytest.approx(0.95, abs=0.02)


def test_an_observed_difference_is_never_stated(stage: Stage) -> None:
    first, second = stage(96, 3, seed=1, risk=helps_by(0.0)), stage(96, 3, seed=2, risk=helps_by(0.55))
    searched = replace(second, phase=np.full(len(second), "optimise"))
    each = of(both(first, searched), "r1", "failed")
    assert each.family_p < 0.01
    assert not each.differs


def test_only_what_means_the_same_is_compared(stage: Stage) -> None:
    first, second = stage(48, seed=1), stage(48, seed=2)
    second = replace(second, scientific=("r1", "loss", "d.lr"), nuisance=())
    first = replace(first, scientific=("r1", "loss", "d.lr"), nuisance=())
    assert "d.lr" in {each.first.setting for each in both(first, second)}
    wider = second.settings.assign(**{"d.lr": 10 * second.settings["d.lr"]})
    other = replace(second, settings=wider.replace({"loss": {"hinge": "softplus", "nonsaturating": "least_squares"}}))
    explained = explain(first, "failed"), explain(other, "failed")
    assert {each.first.setting for each in compare(*explained)} == {"r1"}
    told = unmatched(*explained, {"one": first, "other": other})
    assert [line.partition(" ")[0] for line in told] == ["loss", "d.lr"]
    assert "ranges differ" in told[1]


def test_studies_without_a_common_comparison(stage: Stage) -> None:
    nothing = explain(stage(1, 1), "failed")
    assert compare(nothing, explain(stage(48), "failed")) == []


def test_one_ranking_of_all_configs(stage: Stage) -> None:
    """Configs of both studies are ranked once; what differs between the studies is a column."""
    first = stage(12, seed=1)
    second = renamed(stage(12, seed=2, log_fd=lambda config: -2.0), arch="resnet")
    joined = together({"one": first, "other": second})
    assert len(joined) == len(first) + len(second)
    ranked = rank(joined, "fd")
    assert {"arch", "r1", "loss"} <= set(ranked.columns)
    assert set(ranked["arch"][:6]) == {"resnet"}
    # a trial of both studies counts once
    again = together({"one": first, "same": first})
    assert list(again.trial_id) == list(first.trial_id)
    assert rank(again, "fd").drop(columns="config_id").equals(rank(first, "fd").drop(columns="config_id"))


def test_a_study_without_confirmed_configs_stays_in_the_joint_table(stage: Stage) -> None:
    first, second = stage(6, 3, seed=1), renamed(stage(6, 3, seed=2), arch="resnet")
    best = first.config_id == first.config_id[0]
    raced = replace(first, phase=np.where(best & (first.seed > 0), "confirm", "explore"))
    for tables in ({"one": raced, "two": second}, {"two": second, "one": raced}):
        joined = together(tables)
        assert set(joined.trial_id) == {*first.trial_id[best & (first.seed > 0)], *second.trial_id}
        assert set(rank(joined, "fd")["config_id"]) == {first.config_id[0], *second.config_id}
    both_raced = together({"one": raced, "two": replace(second, phase=np.where(second.seed > 0, "confirm", "explore"))})
    assert len(both_raced) == len(first) + len(second), "rank leaves out what was not confirmed"


def test_levels_that_no_finished_trial_has_are_named(stage: Stage) -> None:
    first, second = stage(24, seed=1), stage(24, seed=2)
    on = second.settings["r1"].to_numpy(dtype=bool)
    crashed = replace(second, ended=np.where(on, "error", second.ended), outcome=np.where(on, "", second.outcome))
    told = unmatched(explain(first, "failed"), explain(crashed, "failed"), {"one": first, "other": crashed})
    (line,) = [line for line in told if line.startswith("r1 ")]
    assert line.endswith(f"one has off and on; other has off (all its trials with on crashed, {on.sum()} of them)")


def test_studies_that_cannot_be_ranked_together(stage: Stage) -> None:
    first = stage(12, seed=1)
    second = renamed(stage(12, seed=2), arch="resnet")
    with pytest.raises(UserError, match="same direction for fd"):
        together({"one": first, "other": replace(second, directions={**second.directions, "fd": Direction.MAXIMIZE})})
    with pytest.raises(UserError, match="define a failure alike"):
        together({"one": first, "other": replace(second, own_failures=second.failed)})
    with pytest.raises(UserError, match=r"one study or more are needed .* given none"):
        together({})


def renamed(table: TrialTable, **settings: str) -> TrialTable:
    """The table of a study with these settings, and so with other trials."""
    ids = pd.Index([f"other-{trial_id}" for trial_id in table.trial_id])
    return replace(
        table,
        trial_id=ids.to_numpy(dtype=np.str_),
        config_id=np.array([f"other-{config_id}" for config_id in table.config_id]),
        settings=table.settings.assign(**settings).set_axis(ids),
        final=table.final.set_axis(ids),
    )


def test_a_difference_of_rates_is_at_most_200_points(stage: Stage) -> None:
    found = both(stage(10, 1, seed=3, risk=helps_by(0.0)), stage(10, 1, seed=4, risk=helps_by(0.3)))
    rates = [each for each in found if each.first.outcome == "failed"]
    assert rates
    assert min(each.family_low for each in rates) == -2
    for each in rates:
        assert -2 <= each.family_low <= each.low <= each.difference <= each.high <= each.family_high <= 2
