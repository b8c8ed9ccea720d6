"""Proposals: which settings to try next. A design knows them all beforehand; an adaptive search asks Optuna.

Optuna's study lives in memory and is built from the Store whenever a driver starts: there is no second file to disagree with the
first, and nothing to be orphaned. What it is told:

| ended     | Optuna                                                                                                |
|-----------|-------------------------------------------------------------------------------------------------------|
| budget    | COMPLETE, its last score                                                                              |
| scheduler | PRUNED, with every intermediate score, the one it was stopped at included                             |
| dead      | PRUNED and infeasible: constraint "dead" = 1. TPE ranks it below all others; no score is invented     |
| error     | FAIL once its tries are spent; until then the same trial is handed out again                          |

FAIL for a dead run would be ignored by TPE, which then walks to the cliff: 69 % of its trials died there, in 40 repeats.
"""

from typing import Any, Protocol

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import TrialState

from ganstudy import UserError
from study.spec import design
from study.spec.samplers import SAMPLERS
from study.spec.space import Proposal
from study.spec.study_spec import StudySpec
from study.store.records import Ended, Measurement, TrialRecord
from trainables.config import TrialConfig, lives

MAX_ASKS = 100  # for one proposal that can be trained


class Proposals(Protocol):
    def next(self, known: dict[str, TrialRecord]) -> Proposal | None:
        """The next new trial; None when there are to be no more."""

    def adopt(self, record: TrialRecord) -> None:
        """A trial that the Store knows, with all that was measured of it."""

    def measured(self, trial_id: str, measurement: Measurement) -> None: ...

    def closed(self, record: TrialRecord) -> None: ...


class Designed:
    """Every trial of the design once. It learns nothing: that is what makes its effects effects."""

    def __init__(self, spec: StudySpec):
        self.left = spec.designed()
        self.left.reverse()

    def next(self, known: dict[str, TrialRecord]) -> Proposal | None:
        return self.left.pop() if self.left else None

    def adopt(self, record: TrialRecord) -> None:
        self.left = [
            asked for asked in self.left if asked.flat["seed"] != record.flat["seed"]
        ]  # each trial of a design has a seed of its own

    def measured(self, trial_id: str, measurement: Measurement) -> None: ...

    def closed(self, record: TrialRecord) -> None: ...


class Adaptive:
    """Optuna's ask and tell."""

    def __init__(self, spec: StudySpec):
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.spec = spec
        self.study = optuna.create_study(
            study_name=spec.name, direction=optuna.study.StudyDirection[spec.objective.direction.name], sampler=RandomSampler()
        )
        self.trials: dict[str, optuna.Trial] = {}  # by our trial id

    def next(self, known: dict[str, TrialRecord]) -> Proposal | None:
        number = len(known)
        if number >= self.spec.n_configs:
            return None
        self.study.sampler = sampler(self.spec, number)
        for _ in range(MAX_ASKS):
            self.asked = self.study.ask()
            asked = self.spec.asked(point(self.spec, self.asked), design.seed_of(self.spec.design_seed, config=number, replicate=0))
            try:
                TrialConfig.from_flat(asked.flat)
                return asked
            except UserError as error:  # settings that make no sense beside each other
                self.study.tell(self.asked, state=TrialState.FAIL)
                reason = error
        raise UserError(f"the space must hold settings that can be trained; of {MAX_ASKS} proposals none could: {reason}")

    def opened(self, trial_id: str) -> None:
        self.trials[trial_id] = self.asked

    def adopt(self, record: TrialRecord) -> None:
        self.study.sampler = RandomSampler()  # asked for nothing: every value is given
        self.study.enqueue_trial({name: value for name, value in record.settings.items() if name in self.spec.space.domains})
        trial = self.study.ask()
        point(self.spec, trial)
        self.trials[record.trial_id] = trial
        for measurement in record.measurements:
            self.measured(record.trial_id, measurement)

    def measured(self, trial_id: str, measurement: Measurement) -> None:
        self.trials[trial_id].report(measurement.values[self.spec.objective.metric], measurement.images)

    def closed(self, record: TrialRecord) -> None:
        trial = self.trials[record.trial_id]
        assert record.closed
        match record.closed.ended:
            case Ended.BUDGET:
                assert record.last
                self.study.tell(trial, record.last.values[self.spec.objective.metric])
            case Ended.SCHEDULER:
                self.study.tell(trial, state=TrialState.PRUNED)
            case Ended.DEAD:
                trial.set_constraint("dead", 1.0)
                self.study.tell(trial, state=TrialState.PRUNED)
            case Ended.ERROR:
                self.study.tell(trial, state=TrialState.FAIL)


def sampler(spec: StudySpec, number: int) -> BaseSampler:
    """Seeded anew for each trial: a sampler that is seeded once per driver starts its random points over after a resume."""
    seed = int(np.random.SeedSequence((spec.design_seed, number)).generate_state(1)[0])
    return SAMPLERS.pick(spec.sampler)(seed)


def point(spec: StudySpec, trial: optuna.Trial) -> dict[str, Any]:
    """Ask for the settings of the space that live: "r1.gamma" only where "r1" is on, "g.slope" only with leaky_relu."""
    found: dict[str, Any] = {}
    for name, domain in spec.space.domains.items():  # switches before their settings
        if lives(name, {**spec.base, **spec.space.spelt_out(found)}):
            found[name] = suggest(trial, name, domain)
    return found


def suggest(trial: optuna.Trial, name: str, domain: optuna.distributions.BaseDistribution) -> Any:
    if isinstance(domain, FloatDistribution):
        return trial.suggest_float(name, domain.low, domain.high, step=domain.step, log=domain.log)
    if isinstance(domain, IntDistribution):
        return trial.suggest_int(name, domain.low, domain.high, step=domain.step, log=domain.log)
    assert isinstance(domain, CategoricalDistribution)
    return trial.suggest_categorical(name, domain.choices)
