import re
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from analysis import TrialTable, explain
from analysis.model.multiplicity import ERROR, SHARES
from analysis.model.regression import normal_scores
from analysis.power import Plan, detectable, planned, planned_statement, statement

Stage = Callable[..., TrialTable]


@pytest.mark.parametrize(("df", "tolerance"), [(6, 0.07), (20, 0.02), (200, 0.005)])
def test_a_detectable_effect_passes_its_limit_four_times_in_five(df: int, tolerance: float) -> None:
    """The error of an estimate is itself estimated. The sum of two quantiles of t is a little more than few degrees of freedom need."""
    limit, error = 2.7, 0.1
    rng = np.random.default_rng(0)
    effects = detectable(error, limit, df) + error * rng.standard_normal(200_000)
    estimated = error * np.sqrt(rng.chisquare(df, 200_000) / df)
    assert (normal_scores(effects / estimated, df) > limit).mean() == pytest.approx(0.8, abs=tolerance)
    assert detectable(error, float("inf"), df) == float("inf")


@pytest.mark.parametrize(("configs", "seeds"), [(48, 2), (120, 3)])
def test_a_planned_effect_is_found_four_times_in_five(configs: int, seeds: int) -> None:
    """Two halves with rates around one half, whose seeds agree with a correlation of .3, compared by the known variance."""
    effect = planned(Plan(2, configs, seeds), 3)
    rng, found = np.random.default_rng(0), []
    for _ in range(4000):
        means = []
        for rate in (0.5 + effect / 2, 0.5 - effect / 2):
            risk = rng.beta(rate * (1 / 0.3 - 1), (1 - rate) * (1 / 0.3 - 1), configs // 2)
            means.append(rng.binomial(seeds, risk).mean() / seeds)
        error = np.sqrt(0.25 * (1 + (seeds - 1) * 0.3) / seeds * 4 / configs)
        found.append((means[0] - means[1]) / error > stats.norm.isf(ERROR * SHARES["risk"] / 6))
    assert 0.75 < np.mean(found) < 0.9  # rates away from one half vary less


def test_few_trials_show_no_difference_and_the_sentence_says_so() -> None:
    assert "too few to tell any difference" in planned_statement(4, {"r1": Plan(2, 4, 1), "loss": Plan(5, 4, 1)})
    assert planned_statement(1, {"r1": Plan(2, 1, 1)}).startswith("1 trial is too few to tell any difference")
    plans = {"loss": Plan(3, 96, 2), "d.lr": Plan(None, 96, 2), "r1": Plan(2, 96, 2), "r1.gamma": Plan(None, 11, 2)}
    text = planned_statement(192, plans)
    r1, loss = (f"{100 * planned(plans[name], 6):.0f} points" for name in ("r1", "loss"))
    assert f"192 trials show, in four of five studies, these differences of failure rates: {r1} for r1 and {loss} for loss and d.lr" in text
    assert ", and none for r1.gamma (6 comparisons" in text
    needed = int(text.split("about ")[1].split(" ")[0])
    assert planned(Plan(2, needed // 2, 2), 6) <= 0.2 < planned(Plan(2, needed // 2 - 1, 2), 6)


def test_a_setting_that_applies_in_half_of_the_configs_needs_twice_as_many_trials() -> None:
    whole, half = (planned_statement(4000, {"r1": Plan(2, units, 2)}).split("about ")[1] for units in (2000, 1000))
    assert int(half.split(" ")[0]) == 2 * int(whole.split(" ")[0])


@pytest.mark.parametrize("levels", [2, 3, None])
def test_the_planned_error_is_that_of_least_squares(levels: int | None) -> None:
    """A range has as many units in its lowest and its highest third as a choice at two of three levels."""
    n, error = 600, np.sqrt(0.25 * (1 + 0.3) / 2)
    x = np.repeat(np.eye(levels or 3), n // (levels or 3), axis=0)[:, 1:]
    columns = np.column_stack([np.ones(n), x])
    variance = np.linalg.inv(columns.T @ columns)[-1, -1]
    limit = float(stats.norm.isf(ERROR * SHARES["risk"] / 8))
    assert planned(Plan(levels, n, 2), 4) == pytest.approx(detectable(error * np.sqrt(variance), limit, n - 2), rel=0.005)


def test_what_could_be_found_is_said_of_every_metric(stage: Stage) -> None:
    (text,) = statement(explain(stage(40, 2), ("failed", "coverage")))
    assert re.search(r"\d+ points of failures.* and a difference of 0\.\d+ in coverage", text)


def test_more_trials_are_named_where_nothing_can_be_told(stage: Stage) -> None:
    small, large = (statement(explain(stage(n, 2), ("failed", "fd"))) for n in (16, 400))
    assert "more trials would show 20 points" in small[0]
    assert "more trials would show 20 points" not in large[0]
