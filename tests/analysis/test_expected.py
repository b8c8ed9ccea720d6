from collections.abc import Callable
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from analysis import TrialTable, plots
from analysis.expected import best_weights, expected_best
from ganstudy import UserError

Stage = Callable[..., TrialTable]


def with_fd(table: TrialTable, fd: np.ndarray, *, failed: tuple[int, ...] = ()) -> TrialTable:
    outcome = np.where(np.isin(np.arange(len(fd)), failed), "mode_collapse", "healthy")
    return replace(table, final=table.final.assign(fd=fd), outcome=outcome, ended=np.full(len(fd), "budget"))


def test_weights_are_those_of_all_sets() -> None:
    """Each set of k of the six ranks is equally likely; its best is the smallest."""
    for k in range(1, 7):
        best = [min(chosen) for chosen in combinations(range(6), k)]
        assert best_weights(6, np.array([k]))[0].tolist() == pytest.approx([best.count(i) / len(best) for i in range(6)])


def test_the_expected_best_is_the_mean_over_all_sets_and_failed_runs_are_last(stage: Stage) -> None:
    fd = np.array([3.0, 8.0, 5.0, 1.0, 9.0, 4.0, 7.0, 6.0, 2.0])
    found = expected_best(with_fd(stage(9, 1), fd, failed=(3, 4)))
    for k in (1, 2, 3):
        best = [min((fd[i] for i in chosen if i not in (3, 4)), default=np.inf) for chosen in combinations(range(9), k)]
        alive = [np.log(b) for b in best if np.isfinite(b)]
        assert found["expected"][k] == pytest.approx(np.exp(np.mean(alive)))
        assert found["p_none"][k] == pytest.approx(1 - len(alive) / len(best))
    assert found["likely_high"].tolist() == pytest.approx([np.inf, 8.0, 6.0])  # all runs fail in 2 of 9, 1 of 36, 0 of 84 sets
    assert found["likely_low"].tolist() == pytest.approx([2.0, 2.0, 2.0])


def test_the_standard_error_of_the_mean_is_the_usual_one(stage: Stage) -> None:
    """With a budget of one, the jackknife gives Student's interval."""
    fd = np.exp(np.random.default_rng(1).standard_normal(12))
    found = expected_best(with_fd(stage(12, 1), fd)).iloc[0]
    low, high = stats.t.interval(0.95, 11, loc=np.log(fd).mean(), scale=stats.sem(np.log(fd)))
    assert (found["low"], found["high"]) == pytest.approx((np.exp(low), np.exp(high)))


def test_seeds_are_not_configs(stage: Stage) -> None:
    """A budget of k is k configs with one run each: equal seeds change nothing but the noise of the interval."""
    fd = np.arange(1.0, 9.0)
    one, three = expected_best(with_fd(stage(8, 1), fd)), expected_best(with_fd(stage(8, 3), np.repeat(fd, 3)))
    assert three["expected"].tolist() == pytest.approx(one["expected"].tolist())
    assert three.index.tolist() == [1, 2]


def test_choices_of_seeds_in_which_all_runs_fail_have_no_weight(stage: Stage) -> None:
    """Six configs with one failed seed of two: a choice of seeds in which all fail has no best run, and the others keep their mean."""
    fd = np.repeat(np.arange(1.0, 7.0), 2)
    found = expected_best(with_fd(stage(6, 2), fd, failed=tuple(range(0, 12, 2))))
    assert found["p_none"][1] == pytest.approx(0.5, abs=0.15)
    assert found["expected"][1] == pytest.approx(np.exp(np.log(np.arange(1, 7)).mean()), rel=0.1)
    assert found[["low", "high"]].notna().all(axis=None)


def test_a_maximized_metric_rises(stage: Stage) -> None:
    found = expected_best(stage(30, 2), by="coverage")
    assert found["expected"].is_monotonic_increasing
    assert ((found["low"] <= found["expected"]) & (found["expected"] <= found["high"])).all()
    assert ((found["likely_low"] <= found["expected"]) & (found["expected"] <= found["likely_high"])).all()


def test_too_few_configs_are_refused(stage: Stage) -> None:
    with pytest.raises(UserError, match="three configs"):
        expected_best(stage(1, 3))


def test_a_search_is_refused(stage: Stage) -> None:
    with pytest.raises(UserError, match="chosen at random"):
        expected_best(replace(stage(12, 1), phase=np.full(12, "optimise")))


@pytest.mark.parametrize("share", [0.1, 0.2, 0.325])
def test_intervals_cover(stage: Stage, share: float) -> None:
    """200 studies of 40 configs, log fd standard normal: the expected best of k by simulation. Standard error 1.8 %."""
    rng = np.random.default_rng(0)
    k, table = round(40 * share), stage(40, 1)
    truth = float(np.exp(rng.standard_normal((100_000, k)).min(axis=1).mean()))
    covered = []
    for _ in range(200):
        found = expected_best(with_fd(table, np.exp(rng.standard_normal(40))))
        covered.append(found["low"][k] <= truth <= found["high"][k])
    assert np.mean(covered) > 0.9


def test_the_figure_shows_the_curve(stage: Stage) -> None:
    table = stage(30, 2)
    figure = plots.expected_best(expected_best(table, "fd"), table)
    found = expected_best(table, "fd")
    assert list(figure.data[2].y) == found["expected"].tolist()
    assert list(figure.data[2].x) == found.index.tolist()
