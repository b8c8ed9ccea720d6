"""A poor fit counts in a ranking by its value, and all other failures as a risk."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from analysis import TrialTable, feasibility, pareto, rank
from analysis.ablation import ablations
from analysis.expected import expected_best
from analysis.race import contenders
from analysis.ranked import FIT, as_ranked
from analysis.winner import winner
from ganstudy.direction import Direction
from ganstudy.limits import limits_of

Stage = Callable[..., TrialTable]


def with_outcomes(stage: Stage, fd: list[float], outcomes: list[str], *, seeds: int = 3) -> TrialTable:
    """Configs with these values of fd, one after the other, each with one outcome for all its seeds; a dead one has diverged."""
    n = len(fd)
    table = stage(n, seeds, risk=lambda config: 0.0)
    values = np.repeat(fd, seeds) * np.exp(0.05 * np.random.default_rng(0).standard_normal(n * seeds))
    given = np.repeat(outcomes, seeds)
    return replace(
        table,
        final=table.final.assign(fd=values, precision=0.5),
        outcome=given,
        ended=np.where(given == "diverged", "dead", "budget"),
        directions={**table.directions, "precision": Direction.MAXIMIZE},
    )


def test_the_best_value_is_first_where_nearly_all_runs_are_a_poor_fit(stage: Stage) -> None:
    """A config that still improves is no poor fit, and must not win by that."""
    table = with_outcomes(stage, [40, 80, 60, 90], ["poor_fit", "undertrained", "poor_fit", "poor_fit"])
    found = rank(table)
    assert found["config_id"].tolist() == ["c00", "c02", "c01", "c03"]
    assert found[["n", "n_failed", "n_poor_fit"]].to_numpy().tolist() == [[3, 0, 3], [3, 0, 3], [3, 0, 0], [3, 0, 3]]
    assert "9 runs with a poor fit count by fd, and not as failed" in found.attrs["note"]
    assert contenders(table, ["fd"], 2) == ["c00", "c02"]


@pytest.mark.parametrize("outcome", ["mode_collapse", "oscillating", "diverged"])
def test_other_failures_are_a_risk(stage: Stage, outcome: str) -> None:
    found = rank(with_outcomes(stage, [10, 20, 30, 40], [outcome, "healthy", "healthy", "healthy"]))
    assert found["config_id"].tolist() == ["c01", "c02", "c03", "c00"]
    assert found["n_failed"].tolist() == [0, 0, 0, 3]


def test_a_dead_run_has_no_value_whatever_its_curves_looked_like(stage: Stage) -> None:
    table = with_outcomes(stage, [10, 20, 30, 40], ["poor_fit", "healthy", "healthy", "healthy"])
    table = replace(table, ended=np.where(table.outcome == "poor_fit", "dead", "budget"))
    assert rank(table).iloc[-1][["config_id", "n_failed", "n_poor_fit"]].tolist() == ["c00", 3, 0]


def test_a_metric_that_does_not_see_what_is_missing_leaves_a_poor_fit_a_failure(stage: Stage) -> None:
    table = with_outcomes(stage, [10, 20, 30, 40], ["poor_fit", "healthy", "healthy", "healthy"])
    assert as_ranked(table, ["precision"]) is table
    assert "precision" not in FIT
    assert rank(table, "precision")["config_id"].tolist()[-1] == "c00"
    assert set(pareto(table, "precision", "fd")["config_id"]) == {"c00", "c01", "c02", "c03"}  # fd counts it, for both


def test_what_the_study_calls_a_failure_is_one(stage: Stage) -> None:
    table = with_outcomes(stage, [10, 20, 30, 40], ["poor_fit", "healthy", "healthy", "healthy"])
    own = replace(table, own_failures=table.failed)
    assert rank(own)["config_id"].tolist()[-1] == "c00"
    assert rank(own)["n_failed"].sum() == 3


def test_a_constraint_on_failures_counts_poor_fits(stage: Stage) -> None:
    table = with_outcomes(stage, [10, 20, 30, 40], ["poor_fit", "healthy", "healthy", "healthy"])
    assert not feasibility(table, limits_of({"failed": "<= 0.3"})).configs["feasible"]["c00"]
    assert contenders(table, ["fd"], 1, limits=limits_of({"failed": "<= 0.3"})) == ["c01"]


def test_the_winner_says_how_many_runs_are_a_poor_fit(stage: Stage) -> None:
    table = with_outcomes(stage, [10, 20], ["poor_fit", "poor_fit"])
    said = winner(replace(table, phase=np.full(len(table), "confirm")), ["fd"])
    assert "3 fresh seeds: c00" in said
    assert "0 runs of 3 failed" in said
    assert "3 had a poor fit" in said


def test_an_expected_best_counts_poor_fits_by_their_value(stage: Stage) -> None:
    found = expected_best(with_outcomes(stage, [40] * 6, ["poor_fit"] * 6))
    assert found["p_none"].tolist() == pytest.approx([0, 0])
    assert found["expected"].to_numpy() == pytest.approx([40, 40], rel=0.1)


def test_an_ablation_compares_poor_fits_by_their_value(stage: Stage) -> None:
    table = with_outcomes(stage, [10, 30], ["healthy", "poor_fit"], seeds=4)
    settings = table.settings.copy()
    settings["r1"], settings["r1.gamma"] = [True] * 4 + [False] * 4, [1.0] * 4 + [np.nan] * 4
    settings["loss"], settings["d.lr"] = "hinge", 1e-3
    table = replace(table, settings=settings, phase=np.repeat(["confirm", "ablate"], 4))
    (found,) = ablations(table)
    assert (found.pairs, found.failed) == (4, 0)
    assert found.effect == pytest.approx(3, rel=0.2)


def test_one_very_bad_run_costs_a_config_its_place_but_not_its_chance(stage: Stage) -> None:
    """The mean of logarithms: the first of two configs that differ by 15 % falls behind with one of five values ten times as large, and is still in the race."""
    table = with_outcomes(stage, [10, 11.5], ["healthy", "healthy"], seeds=5)
    assert rank(table).iloc[0]["config_id"] == "c00"
    values = table.final["fd"].to_numpy().copy()
    values[0] *= 10
    worse = rank(replace(table, final=table.final.assign(fd=values))).set_index("config_id")
    assert worse["place"]["c00"] == 2
    assert worse["p_best"]["c00"] > 0.2
    assert worse["high"]["c00"] > 20  # nothing hides it
