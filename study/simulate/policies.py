"""Policies: what `ganstudy simulate` compares."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite

import numpy as np

from analysis.confirmed import CONFIRM
from analysis.rank import rank
from ganstudy.ended import Ended
from ganstudy.registry import Registry
from ganstudy.units import to_kimg
from study.engine.race import Race
from study.simulate.proposers import Ours, Peer, Proposer, RayPeer, Uniform
from study.simulate.records import config_of, id_of, record_of, store_of
from study.simulate.replay import Answer, Policy, Trial
from study.simulate.table import Split, Table
from study.spec.phases import Confirm, Optimise, Phases
from study.spec.schedulers import Informed, Scheduler, read_scheduler
from study.store.columns import columns_of
from study.store.tables import trial_table


class Search(Policy):
    """Proposes configs, one run each, perhaps stops some, and answers with the best value at the end of a run."""

    def __init__(self, table: Table, split: Split, proposer: Proposer, scheduler: Scheduler | None = None, *, ended_only: bool = True):
        """ended_only: whether a run must have reached its end to be the answer."""
        self.table, self.split, self.proposer, self.ended_only = table, split, proposer, ended_only
        spec = table.spec
        self.sign = spec.objective.direction.sign
        self.rule = scheduler.start(budget_kimg=spec.budget_kimg, direction=spec.objective.direction) if scheduler else None
        self.best: Answer | None = None
        self.used = [0] * len(table)  # seeds of each config that were seen

    def next(self, number: int, spent: int) -> Trial | None:
        if (config := self.proposer.next(number)) is None:
            return None
        self.used[config] += 1
        trial = Trial(number, config, self.split.seen[config][0])
        self.proposer.opened(trial)
        if isinstance(self.rule, Informed):
            self.rule.begins(id_of(trial), self.table.proposals[config].flat)
        return trial

    def measured(self, trial: Trial) -> bool:
        self.proposer.measured(trial)
        return self.rule is None or self.rule.should_continue(id_of(trial), trial.images, trial.values[-1])

    def closed(self, trial: Trial) -> None:
        self.proposer.closed(trial)
        if self._counts(trial) and (self.best is None or self.sign * (trial.values[-1] - self.best.reported) < 0):
            self.best = Answer(trial.config, trial.values[-1])

    def _counts(self, trial: Trial) -> bool:
        """Whether a trial that ended may be the answer."""
        return trial.ended is Ended.BUDGET or (trial.ended is Ended.SCHEDULER and not self.ended_only)

    def answer(self) -> Answer | None:
        return self.best

    def seen(self, config: int) -> int:
        return self.used[config]


class Phased(Search):
    """Phases optimise and confirm of a study, through the code that runs them. Ends hopeless runs.

    No config is tried after `until` images. When the trials that then run have ended, `race` says how large a race fits into the whole runs that are left.
    """

    def __init__(
        self,
        table: Table,
        split: Split,
        proposer: Proposer,
        scheduler: Scheduler | None,
        *,
        race: Callable[[int], Confirm],
        until: int,
        budget: int,
    ):
        super().__init__(table, split, proposer, scheduler)
        self.search = Optimise(n_configs=len(table), scheduler=scheduler)
        self.store = store_of(table)
        self.sized, self.until, self.limit = race, until, budget
        self.phase = "optimise"
        self.open = 0  # trials that run
        self.race: Race | None = None

    def next(self, number: int, spent: int) -> Trial | None:
        if self.race is None:
            if spent < self.until and (trial := super().next(number, spent)):
                return self._opened(trial)
            if self.open:
                return None
            phases = Phases(optimise=self.search, confirm=self.sized((self.limit - spent) // self.table.budget))
            self.race, self.phase = Race(self.table.spec.model_copy(update={"phases": phases}), self.store), CONFIRM
        while proposal := self.race.next(number):
            config = self.table.number(proposal.flat)
            trial = Trial(number, config, self.split.seen[config][-1], seed=proposal.flat["seed"])
            if self.used[config] < len(self.split.seen[config]):
                trial.run = self.split.seen[config][self.used[config]]
                self.used[config] += 1
                return self._opened(trial)
            trial.ended = Ended.ERROR  # the table has no more seeds of this config that a policy may see
            self._write(trial)
        return None

    def _opened(self, trial: Trial) -> Trial:
        self.open += 1
        self._write(trial)
        return trial

    def measured(self, trial: Trial) -> bool:
        if trial.run.hopeless == trial.images and self.table.spec.stop_hopeless:
            trial.ended = Ended.DEAD
            return False
        return super().measured(trial) if self.phase == "optimise" else True

    def closed(self, trial: Trial) -> None:
        self.open -= 1
        self._write(trial)
        if self.phase == "optimise":
            super().closed(trial)

    def _counts(self, trial: Trial) -> bool:
        return super()._counts(trial) and not self.table.lost(trial.run)

    def _write(self, trial: Trial) -> None:
        self.store.trials[id_of(trial)] = record_of(trial, self.table, phase=self.phase)

    def final(self) -> Answer | None:
        """Return the first place of a ranking of the confirmed trials, as `best` does, with its estimate and, if it has one, its interval.

        Before there are any, return the best of the search.
        """
        fresh = [record for record in self.store.trials.values() if record.phase == CONFIRM and record.closed]
        assert self.store.study
        table = trial_table(columns_of(fresh, self.store.study), curves=False) if fresh else None
        if table is None or not table.evidence.any():
            return self.best
        first = rank(table, self.table.spec.objective.metric).iloc[0]
        ends = first["low"], first["high"]
        return Answer(config_of(first["config_id"]), float(first["estimate"]), *(float(end) if isfinite(end) else None for end in ends))


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A policy that can be compared."""

    description: str
    make: Callable[[Table, Split, np.random.Generator, int], Policy]  # table, seeds, randomness, budget in images
    plans: bool = False  # whether it depends on the budget, so that it must be replayed for each


_SEARCHED, _SEEDS = 2 / 3, 5  # least share of the budget that is for the search; most seeds of a config in the race
_FIRST, _FACTOR = 1 / 16, 4  # ASHA's first rung as a share of the budget, and its reduction factor: rungs at 1/16 and 1/4, as is usual


def _halving(name: str, table: Table) -> Scheduler:
    """Return ASHA or Hyperband with the first rung and the factor that all policies have."""
    return read_scheduler({"name": name, "grace_kimg": _grace(table), "reduction_factor": _FACTOR})


def _grace(table: Table) -> float:
    """The first rung: a tick at least."""
    return to_kimg(max(table.tick, round(_FIRST * table.budget)))


def race_of_two(runs: int) -> Confirm:
    """Return the race of the best two configs, with as many seeds each as so many whole runs allow, up to five; of the best one if they allow no two."""
    top = 2 if runs >= 4 else 1
    return Confirm(top=top, seeds=min(max(2, runs // top), _SEEDS))


def phased(description: str, *, race: Callable[[int], Confirm], until: Callable[[float], float]) -> Entry:
    """Return the policy of phases optimise and confirm. race: as in Phased. until: whole runs of a budget -> those after which the search ends."""

    def make(table: Table, split: Split, rng: np.random.Generator, budget: int) -> Policy:
        end = round(until(budget / table.budget) * table.budget)
        return Phased(table, split, Ours(table, rng), _halving("asha", table), race=race, until=end, budget=budget)

    return Entry(description=description, make=make, plans=True)


POLICIES: Registry[Entry] = Registry("policy")
POLICIES |= {
    "random": Entry(
        description="random search, each run to its end", make=lambda table, split, rng, _: Search(table, split, Uniform(table, rng))
    ),
    "tpe": Entry(description="Optuna's TPE, each run to its end", make=lambda table, split, rng, _: Search(table, split, Peer(table, rng))),
    "asha": Entry(
        description="random search and ASHA",
        make=lambda table, split, rng, _: Search(table, split, Uniform(table, rng), _halving("asha", table)),
    ),
    "hyperband": Entry(
        description="random search and asynchronous Hyperband",
        make=lambda table, split, rng, _: Search(
            table,
            split,
            Uniform(table, rng),
            _halving("hyperband", table),
        ),
    ),
    "median": Entry(
        description="random search and the median stopping rule",
        make=lambda table, split, rng, _: Search(
            table, split, Uniform(table, rng), read_scheduler({"name": "median", "grace_kimg": _grace(table)})
        ),
    ),
    "ray": Entry(
        description="Ray Tune's OptunaSearch and ASHA: a run that was stopped counts as complete",
        make=lambda table, split, rng, _: Search(
            table,
            split,
            RayPeer(table, rng),
            _halving("asha", table),
            ended_only=False,
        ),
    ),
    "gan": Entry(
        description="random search and the scheduler gan",
        make=lambda table, split, rng, _: Search(table, split, Uniform(table, rng), read_scheduler({"name": "gan"})),
    ),
    "ours": phased(
        "TPE with ASHA, then a race of the best two with fresh seeds, in at most a third of the budget: phases optimise and confirm",
        race=race_of_two,
        until=lambda runs: max(_SEARCHED * runs, runs - 2 * _SEEDS - 1),  # one run for what the last trials of the search still take
    ),
}
