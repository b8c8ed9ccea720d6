"""The policy of phases optimise and confirm: what it counts as failed, how large its race is, and whether its intervals hold."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from toy_table import ASHA, SPEC, rng, table, trained

from analysis import TrialTable
from ganstudy.ended import Ended
from ganstudy.limits import Limit
from study.simulate.compare import Setup
from study.simulate.policies import Phased, Search, race_of_two
from study.simulate.proposers import Uniform
from study.simulate.read import as_search
from study.simulate.replay import Answer, replay
from study.simulate.table import Split, Table
from study.spec.design import fresh_seed
from study.spec.phases import Confirm
from study.spec.schedulers import read_scheduler


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
    budget = 10 * given.budget
    policy = Phased(given, split, Uniform(given, rng()), None, race=lambda _: Confirm(top=2, seeds=2), until=budget, budget=budget)
    assert replay(policy, given, slots=1, budget=budget)[-1].answer.config == best


@pytest.mark.parametrize("scheduler", [None, ASHA])
@pytest.mark.parametrize("budget", [20, 30])
def test_the_race_ends_within_the_budget_and_takes_what_the_search_left(scheduler: dict[str, object] | None, budget: int) -> None:
    """Trials that run when the search ends still take images, which the race must not lack."""
    given = table(list(np.linspace(1, 1.2, 60)), seeds=8, noise=0.3)
    whole = budget * given.budget
    policy = Phased(
        given, Split.of(given, rng()), Uniform(given, rng()), read_scheduler(scheduler) if scheduler else None,
        race=race_of_two, until=whole * 2 // 3, budget=whole,
    )  # fmt: skip
    ended, steps = trained(given, policy, slots=4, budget=whole)
    assert policy.race
    fresh = [trial for trial in ended if trial.seed in {fresh_seed(0, n) for n in range(policy.race.settings.seeds)}]
    assert len(fresh) >= 4
    assert all(trial.ended is Ended.BUDGET for trial in fresh)
    assert policy.race.next(10**6) is None  # it is over
    assert steps[-1].spent <= whole


def test_intervals_of_the_right_width_hold_the_true_value_in_95_percent_although_it_is_a_mean_of_few_seeds() -> None:
    """An exact interval of 3 normal values, whose spread is known, against a truth that is the mean of 3 others; alone it would hold that in 83 %."""
    given = table([10.0] * 400, seeds=6, noise=0.1)
    split = Split.of(given, rng())
    setup = Setup(table=given, budgets=[given.budget], slots=1)

    policy = Search(given, split, Uniform(given, rng()))
    policy.used = [3] * 400
    held, plain = [], []
    for config in range(400):
        value, half = float(split.values[config][:3].mean()), 1.96 * 1.0 / np.sqrt(3)
        answer = Answer(config, value, value - half, value + half)
        held.append(setup.worth(answer, split, policy)[2])
        plain.append(abs(split.truth(config, 3) - value) <= half)
    assert 0.91 < np.mean(held) < 0.98
    assert 0.78 < np.mean(plain) < 0.88


def test_an_answer_without_an_interval_is_neither_a_hit_nor_a_miss() -> None:
    """Of four seeds a policy may see two: the search takes one, and the race the other, which tells no spread."""
    given = table([1.0, 2.0], seeds=4, noise=0.1)
    split, budget = Split.of(given, rng()), 10 * given.budget
    policy = Phased(given, split, Uniform(given, rng()), None, race=lambda _: Confirm(top=2, seeds=2), until=budget, budget=budget)
    answer = replay(policy, given, slots=1, budget=budget)[-1].answer
    assert len([record for record in policy.store.trials.values() if record.phase == "confirm" and record.measurements]) == 2
    assert (answer.low, answer.high) == (None, None)
    worth = Setup(table=given, budgets=[budget], slots=1).worth(answer, split, policy)
    assert np.isfinite(worth[:2]).all()
    assert np.isnan(worth[2])


@pytest.mark.parametrize(("runs", "top", "seeds"), [(2, 1, 2), (3, 1, 3), (4, 2, 2), (7, 2, 3), (8, 2, 4), (11, 2, 5), (900, 2, 5)])
def test_a_race_fits_into_the_runs_that_are_left(runs: int, top: int, seeds: int) -> None:
    race = race_of_two(runs)
    assert (race.top, race.seeds) == (top, seeds)


@pytest.mark.parametrize("top", [1, 3])
def test_the_last_config_of_a_race_gets_all_its_seeds(top: int) -> None:
    """Its value is what is reported, and two seeds hardly tell one."""
    given = table([1.0, 9.0, 9.5], seeds=12, noise=0.1)
    race = Confirm(top=top, seeds=5)
    policy = Phased(given, Split.of(given, rng()), Uniform(given, rng()), None, race=lambda _: race, until=10**9, budget=10**9)
    replay(policy, given, slots=1, budget=10**9)
    fresh = [record.config_id for record in policy.store.trials.values() if record.phase == "confirm"]
    assert fresh.count("c0") == 5
    assert len(fresh) <= 5 + 4 * (top - 1)


def test_the_accepted_error_is_for_all_that_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """`survivors` adds up the chances of all that have left, those of earlier rounds too."""
    errors: list[float] = []

    def nobody_leaves(trials: TrialTable, by: Sequence[str], *, error: float, limits: Sequence[Limit]) -> list[str]:
        errors.append(error)
        return list(dict.fromkeys(map(str, trials.config_id)))

    monkeypatch.setattr("study.engine.race.survivors", nobody_leaves)
    given = table([1.0, 2.0], seeds=12)
    race = Confirm(top=2, seeds=5, error=0.06)
    policy = Phased(given, Split.of(given, rng()), Uniform(given, rng()), None, race=lambda _: race, until=10**9, budget=10**9)
    replay(policy, given, slots=1, budget=10**9)
    assert errors == pytest.approx([0.02, 0.04, 0.06])
