"""The policy of phases optimise and confirm: what it counts as failed."""

from dataclasses import replace

import numpy as np
import pytest
from toy_table import SPEC, table

from study.simulate.policies import Phased
from study.simulate.proposers import Uniform
from study.simulate.read import as_search
from study.simulate.replay import replay
from study.simulate.table import Split, Table
from study.spec.phases import Confirm


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def with_outcomes(values: list[float], outcomes: list[str], *, own_failures: bool = False) -> Table:
    """All runs of a config have one outcome, and have failed unless they are undertrained."""
    given = table(values, seeds=6, noise=0.05)
    runs = [
        replace(run, outcome=outcomes[run.config], failed=outcomes[run.config] != "undertrained") for mine in given.runs for run in mine
    ]
    return Table.of(runs, as_search(SPEC), own_failures=own_failures)


@pytest.mark.parametrize(
    ("outcomes", "own", "best"),
    [
        (["poor_fit", "undertrained", "poor_fit"], False, 0),
        (["poor_fit", "undertrained", "poor_fit"], True, 1),
        (["oscillating", "poor_fit", "poor_fit"], False, 1),
    ],
)
def test_a_poor_fit_is_confirmed_by_its_value_and_other_failures_are_not(outcomes: list[str], own: bool, best: int) -> None:
    given = with_outcomes([1.0, 2.0, 3.0], outcomes, own_failures=own)
    split = Split.of(given, rng())
    policy = Phased(given, split, Uniform(given, rng()), None, confirm=Confirm(top=2, seeds=2), budget=10 * given.budget)
    assert replay(policy, given, slots=1, budget=10 * given.budget)[-1].answer.config == best
