"""Replays on tables with values of 0, of which there are no ratios, and of signals, which networks that have had no step lack."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from toy_table import SPEC, points, rng, run, table

from analysis.replays import of_answers
from study.simulate.compare import Setup, compare
from study.simulate.policies import POLICIES
from study.simulate.read import as_search
from study.simulate.replay import Answer
from study.simulate.table import Split, Table

BUDGET = 16_000


def test_a_best_value_of_0_is_reached_by_0_only() -> None:
    given = table([0.0, 0.0, 1.0, 2.0], seeds=4)
    found = compare(Setup(table=given, budgets=[BUDGET, 4 * BUDGET], slots=1), ["random", "ours"], repetitions=40, processes=1)
    for replays in found.values():
        assert set(replays.regret[:, 0]) <= {0.0, np.inf, np.nan}
    assert set(found["random"].regret[:, 0]) == {0.0, np.inf}
    assert (found["random"].regret[:, 1] == 0).all()
    assert found["random"].median_regret()[1].value == 0
    assert (found["random"].flattery == 1).all()


def test_flattery_leaves_out_what_has_no_ratio() -> None:
    """A true value of 1 that is reported as 0, and a 0 that is reported as 1, among honest answers."""
    given = table([0.0, 1.0], seeds=4)
    setup, split, policy = (
        Setup(table=given, budgets=[BUDGET], slots=1),
        Split.of(given, rng()),
        POLICIES["random"].make(given, Split.of(given, rng()), rng(), BUDGET),
    )
    worth = [setup.worth(Answer(config, reported), split, policy) for config, reported in ((0, 0.0), (0, 1.0), (1, 0.0), (1, 0.5))]
    assert [each[1] for each in worth] == [1.0, 0.0, np.inf, 2.0]
    (flattery,) = of_answers([BUDGET], [[each] for each in worth]).mean_flattery()
    assert flattery.value == pytest.approx(np.sqrt(2))
    assert flattery.n == 2


def signals(first: Sequence[float]) -> Table:
    """A study of a signal: networks that have had no step have none. Seeds of the first config die after they had these values."""
    spec = as_search({**SPEC, "objective": {"metric": "d/real_logit", "direction": "minimize"}})
    ticks = [run(i, seed, lambda t: 1.0, points(2)[i], dead_at=len(first) if i == 0 else None) for i in range(2) for seed in range(2)]
    values = [[float("nan"), *([2.0] * (len(each.images) - 1))] if each.config else list(first) for each in ticks]
    return Table.of([replace(each, values={"d/real_logit": mine}) for each, mine in zip(ticks, values, strict=True)], spec)


@pytest.mark.parametrize(("first", "untrained"), [([np.nan, 4.0, 9.0], 3.0), ([np.nan], 2.0), ([], 2.0)])
def test_a_dead_run_counts_as_untrained_by_the_first_value_of_a_signal(first: list[float], untrained: float) -> None:
    given = signals(first)
    assert given.untrained == untrained
    assert [given.value(each) for each in given.runs[0]] == [untrained] * 2
