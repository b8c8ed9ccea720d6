"""A replay: one policy on recorded runs, in simulated time, in which a run takes as long as it has images."""

import heapq
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from math import isnan

from ganstudy.ended import Ended
from study.simulate.run import Run
from study.simulate.table import Table


@dataclass(frozen=True)
class Answer:
    """What a policy would return at some time: a config, the value that it reports for it, and a 95 % interval if it has one."""

    config: int
    reported: float
    low: float | None = None
    high: float | None = None


@dataclass(eq=False)
class Trial:
    """A run that is being replayed."""

    number: int
    config: int
    run: Run
    seed: int = 0  # the seed that the engine gave it, which identifies it among the trials of its config
    ticks: int = 0  # measured so far
    ended: Ended | None = None
    values: list[float] = field(default_factory=list)  # of the objective, so far

    @property
    def images(self) -> int:
        """The images at the last tick that was measured."""
        return self.run.images[self.ticks - 1] if self.ticks else 0


class Policy(ABC):
    """Decides which run comes next and which one is stopped, and gives an answer at any time."""

    @abstractmethod
    def next(self, number: int, spent: int) -> Trial | None:
        """Return the next trial, with this number; None if there is none until a trial ends, or at all. spent: the images of all trials so far."""

    @abstractmethod
    def measured(self, trial: Trial) -> bool:
        """Learn the last value of a trial. Return whether it goes on."""

    @abstractmethod
    def closed(self, trial: Trial) -> None:
        """Learn how a trial ended."""

    @abstractmethod
    def answer(self) -> Answer | None:
        """Return the config that the policy would choose now; None if it knows nothing yet."""

    @abstractmethod
    def seen(self, config: int) -> int:
        """Return how many seeds of a config the policy has seen."""

    def final(self) -> Answer | None:
        """Return the config that the policy chooses at the end."""
        return self.answer()


@dataclass(frozen=True)
class Step:
    """From so many images of all trials on, the policy gives this answer."""

    spent: int
    answer: Answer


def replay(policy: Policy, table: Table, *, slots: int, budget: int) -> list[Step]:
    """Replay a policy until its trials have had `budget` images, and return its answers. slots: trials at a time."""
    steps: list[Step] = []
    waiting: list[tuple[int, int, Trial]] = []  # time of the next tick, order, trial
    now = spent = number = 0
    while True:
        while len(waiting) < slots and spent < budget and (trial := policy.next(number, spent)):
            number += 1
            heapq.heappush(waiting, (now + _next_images(trial, table), trial.number, trial))
        if not waiting or spent >= budget:
            return _with(steps, spent, policy.final())
        now, _, trial = heapq.heappop(waiting)
        spent += _advance(trial, policy, table)
        if trial.ended:
            policy.closed(trial)
            steps = _with(steps, spent, policy.answer())
        else:
            heapq.heappush(waiting, (now + _next_images(trial, table) - trial.images, trial.number, trial))


def _with(steps: list[Step], spent: int, answer: Answer | None) -> list[Step]:
    """Return the steps with an answer, if it is a new one."""
    return steps if answer is None or (steps and answer == steps[-1].answer) else [*steps, Step(spent, answer)]


def _advance(trial: Trial, policy: Policy, table: Table) -> int:
    """Go on to the next tick of a trial, or to its death. Return the images that this took."""
    run, before = trial.run, trial.images
    if trial.ticks == len(run.images):
        trial.ended = Ended.DEAD
        return _next_images(trial, table) - before
    trial.ticks += 1
    trial.values.append(run.values[table.spec.objective.metric][trial.ticks - 1])
    goes_on = isnan(trial.values[-1]) or policy.measured(trial)  # untrained networks have no signals
    if trial.ticks == len(run.images) and not run.dead:
        trial.ended = Ended.BUDGET
    elif not trial.ended and not goes_on:
        trial.ended = Ended.SCHEDULER
    return trial.images - before


def _next_images(trial: Trial, table: Table) -> int:
    """Return the images at the next tick of a trial. A run that died did so before the tick after its last one."""
    if trial.ticks < len(trial.run.images):
        return trial.run.images[trial.ticks]
    return min(table.budget, trial.images + table.tick)
