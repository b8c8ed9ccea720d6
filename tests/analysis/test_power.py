from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from analysis import TrialTable, explain
from analysis.model.multiplicity import ERROR, SHARES
from analysis.model.regression import normal_scores
from analysis.power import detectable, planned, planned_statement, statement

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
    effect = planned(configs, seeds, 3)
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
    assert "too few to tell any difference" in planned_statement(4, 1, {"r1": 2, "loss": 5})
    text = planned_statement(48, 2, {"loss": 3, "d.lr": None, "r1": 2})
    r1, loss, lr = (f"{100 * planned(48, 2, 5, levels=levels):.0f} points" for levels in (2, 3, None))
    assert (
        f"96 trials show, in four of five studies, these differences of failure rates: {r1} for r1, {loss} for loss and {lr} for d.lr"
        in text
    )
    needed = int(text.split("about ")[1].split(" ")[0])
    assert planned(needed // 2, 2, 5) <= 0.2 < planned(needed // 2 - 1, 2, 5)


@pytest.mark.parametrize("levels", [2, 3, None])
def test_the_planned_error_is_that_of_least_squares(levels: int | None) -> None:
    n, error = 600, np.sqrt(0.25 * (1 + 0.3) / 2)
    x = np.linspace(0, 1, n) if levels is None else np.repeat(np.eye(levels), n // levels, axis=0)[:, 1:]
    columns = np.column_stack([np.ones(n), x])
    variance = np.linalg.inv(columns.T @ columns)[1, 1]
    limit = float(stats.norm.isf(ERROR * SHARES["risk"] / 8))
    assert planned(n, 2, 4, levels=levels) == pytest.approx(detectable(error * np.sqrt(variance), limit, n - 2), rel=0.005)


def test_more_trials_are_named_where_nothing_can_be_told(stage: Stage) -> None:
    small, large = (statement(explain(stage(n, 2), ("failed", "fd"))) for n in (16, 400))
    assert "more trials would show 20 points" in small[0]
    assert "more trials would show 20 points" not in large[0]
