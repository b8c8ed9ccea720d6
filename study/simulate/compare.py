"""Replays policies many times on one table, in several processes."""

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

import numpy as np

from analysis.replays import Replays, of_answers
from study.simulate.policies import POLICIES
from study.simulate.replay import Answer, Policy, replay
from study.simulate.table import Split, Table

_AT_ONCE = 10  # repetitions that a process does before it asks for more

_Z = 1.96  # standard errors on each side of a 95 % interval

Outcome = tuple[float, float, float]  # regret, flattery, and whether the interval holds the true value; NaN where there is none
_NOTHING: Outcome = (np.nan, np.nan, np.nan)


@dataclass(frozen=True, kw_only=True)
class Setup:
    """How policies are replayed."""

    table: Table
    budgets: Sequence[int]  # images, increasing
    slots: int  # trials at a time
    seed: int = 0

    def outcomes(self, policy: str, repetition: int) -> list[Outcome]:
        """Return what the answers of a policy are worth at each budget. All policies see the same seeds of the configs in the same repetition."""
        split = Split.of(self.table, np.random.default_rng([self.seed, repetition, 0]))
        entry = POLICIES.pick(policy)
        worth: list[Outcome] = []
        for budget in self.budgets if entry.plans else self.budgets[-1:]:
            made = entry.make(self.table, split, np.random.default_rng([self.seed, repetition, 1]), budget)
            steps = replay(made, self.table, slots=self.slots, budget=budget)
            answers = [[steps[-1].answer]] if steps else [[]]
            if not entry.plans:
                answers = [[step.answer for step in steps if step.spent <= each] for each in self.budgets]
            worth += [self.worth(known[-1], split, made) if known else _NOTHING for known in answers]
        return worth

    def worth(self, answer: Answer, split: Split, policy: Policy) -> Outcome:
        """Return what an answer of a policy is worth."""
        true, best = (np.float64(split.truth(config, policy.seen(config))) for config in (answer.config, split.best))
        sign = self.table.spec.objective.direction.sign
        covered = np.nan if answer.low is None or answer.high is None else float(self._holds(answer, true, split, policy))
        return _times_worse(true, best, sign) - 1, _times_worse(true, np.float64(answer.reported), sign), covered

    def _holds(self, answer: Answer, true: np.float64, split: Split, policy: Policy) -> bool:
        """Whether an interval holds the true value, allowing for the chance in the latter, which is a mean of few seeds."""
        assert answer.low is not None
        assert answer.high is not None
        half = answer.high - answer.reported if true > answer.reported else answer.reported - answer.low
        return bool(abs(true - answer.reported) <= np.hypot(half, _Z * split.error(answer.config, policy.seen(answer.config))))


def compare(setup: Setup, policies: Sequence[str], *, repetitions: int, processes: int | None = None) -> dict[str, Replays]:
    """Return the outcomes of each policy."""
    jobs = [(policy, repetition) for policy in policies for repetition in range(repetitions)]
    processes = min(processes or os.cpu_count() or 1, -(-len(jobs) // _AT_ONCE))
    if processes == 1:
        found = [setup.outcomes(*job) for job in jobs]
    else:
        with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
            found = list(pool.map(partial(_outcomes, setup), jobs, chunksize=_AT_ONCE))
    return {policy: of_answers(setup.budgets, found[i * repetitions : (i + 1) * repetitions]) for i, policy in enumerate(policies)}


def _times_worse(value: np.float64, other: np.float64, sign: float) -> float:
    """Return how many times worse a value is than another one: 1 if they are equal, 0 too; infinitely many times if only the better one is 0 (or,
    of an objective to maximize, only the worse one). sign: of the direction.
    """
    if value == other:
        return 1.0
    with np.errstate(divide="ignore"):
        return float(value / other if sign > 0 else other / value)


def _outcomes(setup: Setup, job: tuple[str, int]) -> list[Outcome]:
    return setup.outcomes(*job)
