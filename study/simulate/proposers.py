"""Proposers: which config of a table comes next. A sampler's proposal is replaced by the nearest config that is still free."""

from abc import ABC, abstractmethod

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import TPESampler
from optuna.trial import TrialState, create_trial

from ganstudy.ended import Ended
from study.engine.adaptive import Adaptive, point
from study.simulate.records import id_of, measurement, record_of
from study.simulate.replay import Trial
from study.simulate.table import Table


class Proposer(ABC):
    """Proposes each config of a table at most once."""

    def __init__(self, table: Table, rng: np.random.Generator):
        self.table, self.rng = table, rng
        self.free = np.ones(len(table), dtype=np.bool_)

    def next(self, number: int) -> int | None:
        """Return a config that was not proposed before; None if all were."""
        if not self.free.any():
            return None
        config = self.pick(number)
        self.free[config] = False
        return config

    @abstractmethod
    def pick(self, number: int) -> int:
        """Return one of the free configs."""

    def opened(self, trial: Trial) -> None:  # noqa: B027  # random search learns nothing
        """Learn that the config that was picked last is trained, and set the seed that identifies its trial."""

    def measured(self, trial: Trial) -> None:  # noqa: B027
        """Learn the last value of a trial."""

    def closed(self, trial: Trial) -> None:  # noqa: B027
        """Learn how a trial ended."""


class Uniform(Proposer):
    """Any free config, with equal chances."""

    def pick(self, number: int) -> int:
        return int(self.rng.choice(np.flatnonzero(self.free)))


class Peer(Proposer):
    """Optuna's TPE as its users have it: a trial that was stopped is PRUNED, and one that died is FAIL, since its value is NaN."""

    def __init__(self, table: Table, rng: np.random.Generator):
        super().__init__(table, rng)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        spec = table.spec
        direction = optuna.study.StudyDirection[spec.objective.direction.name]
        self.study = optuna.create_study(direction=direction, sampler=TPESampler(seed=int(rng.integers(2**31))))

    def pick(self, number: int) -> int:
        asked = self.study.ask()
        wanted = point(self.table.spec, asked)
        self.study.tell(asked, state=TrialState.FAIL)  # the nearest config of the table is told instead
        return self.table.nearest(wanted, self.free)

    def closed(self, trial: Trial) -> None:
        match trial.ended:
            case Ended.BUDGET:
                self._tell(trial, TrialState.COMPLETE)
            case Ended.SCHEDULER:
                self._tell(trial, TrialState.PRUNED)

    def _tell(self, trial: Trial, state: TrialState) -> None:
        domains, values = self.table.spec.space.domains, self.table.settings[trial.config]
        distributions: dict[str, BaseDistribution] = {name: domains[name] for name in values}
        self.study.add_trial(
            create_trial(
                state=state,
                params=dict(values),
                distributions=distributions,
                value=trial.values[-1] if state is TrialState.COMPLETE else None,
                intermediate_values=dict(enumerate(trial.values)) if state is TrialState.PRUNED else None,
            )
        )


class RayPeer(Peer):
    """Ray Tune's OptunaSearch: a trial that was stopped is told as complete with the value it had, and one that died is never told."""

    def closed(self, trial: Trial) -> None:
        if trial.ended in (Ended.BUDGET, Ended.SCHEDULER):
            self._tell(trial, TrialState.COMPLETE)


class Ours(Proposer):
    """The sampler of a study's phase optimise, through the code that runs it."""

    def __init__(self, table: Table, rng: np.random.Generator):
        super().__init__(table, rng)
        seed = int(rng.integers(10**6))
        self.proposals = Adaptive(table.spec.model_copy(update={"design_seed": seed, "n_configs": len(table)}))

    def pick(self, number: int) -> int:
        proposal = self.proposals.next(number)
        assert proposal
        self.proposals.study.tell(self.proposals.trial, state=TrialState.FAIL)  # the nearest config of the table is told instead
        self.seed = proposal.flat["seed"]
        settings = {**proposal.variants, **proposal.flat}
        wanted = {name: value for name, value in settings.items() if name in self.table.spec.space.domains}
        return self.table.nearest(wanted, self.free)

    def opened(self, trial: Trial) -> None:
        trial.seed = self.seed
        self.proposals.replay(record_of(trial, self.table))

    def measured(self, trial: Trial) -> None:
        self.proposals.measured(id_of(trial), measurement(trial, self.table, trial.ticks - 1))

    def closed(self, trial: Trial) -> None:
        self.proposals.closed(record_of(trial, self.table))
