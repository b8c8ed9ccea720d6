"""Adaptive: proposals of an Optuna sampler. The samplers themselves are in study/spec/samplers.py.

The Optuna study is kept in memory and rebuilt from the Store when a driver starts, so there is no second file that could disagree with
the records. How a trial ended becomes its Optuna state:

| ended     | Optuna                                                                                                |
|-----------|-------------------------------------------------------------------------------------------------------|
| budget    | COMPLETE, with its last objective value                                                               |
| scheduler | PRUNED, with all intermediate values, including the one at which it was stopped                       |
| dead      | PRUNED and infeasible: constraint "dead" = 1. TPE ranks it below all others; no value is invented     |
| error     | FAIL after the last retry; until then the same trial is run again                                     |

Dead trials are not FAIL, because TPE ignores failed trials and keeps proposing divergent configs: 69 % of its trials died, in 40 repeats.
"""

from typing import Any

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import TrialState

from ganstudy import UserError
from study.engine.samplers import Proposals
from study.spec import design
from study.spec.samplers import SAMPLERS
from study.spec.space import Proposal
from study.spec.study_spec import StudySpec
from study.store.records import Ended, Measurement, TrialRecord
from trainables.config import TrialConfig, lives

_MAX_ASKS = 100  # proposals to draw until one is a valid config


class Adaptive(Proposals):
    """Proposals of an Optuna sampler, through Optuna's ask-and-tell interface."""

    def __init__(self, spec: StudySpec, *, first: int = 0):
        """first: the number of the first config in the seeds."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.spec, self.first = spec, first
        self.study = optuna.create_study(
            study_name=spec.name, direction=optuna.study.StudyDirection[spec.objective.direction.name], sampler=RandomSampler()
        )
        self.trials: dict[str, optuna.Trial] = {}  # by our trial id
        self.seeds: set[int] = set()  # of the trials so far

    def next(self, number: int) -> Proposal | None:
        if number >= self.spec.n_configs:
            return None
        if self._seed(number) in self.seeds:  # a trial before it is missing: its damaged record was cut
            number = next(n for n in range(number) if self._seed(n) not in self.seeds)
        self.study.sampler = _sampler(self.spec, number)
        for _ in range(_MAX_ASKS):
            self.trial = self.study.ask()
            proposal = self.spec.asked(point(self.spec, self.trial), self._seed(number))
            try:
                TrialConfig.from_flat(proposal.flat)
            except UserError as error:  # settings that contradict each other
                self.study.tell(self.trial, state=TrialState.FAIL)
                reason = error
            else:
                self.seeds.add(self._seed(number))
                return proposal
        raise UserError(f"the space must contain valid configs; {_MAX_ASKS} proposals were all invalid. The last one: {reason}")

    def _seed(self, number: int) -> int:
        """Return the seed of trial `number`, which identifies it."""
        return design.seed_of(self.spec.design_seed, config=self.first + number, replicate=0)

    def opened(self, trial_id: str) -> None:
        """Set the id of the trial that `next` proposed last."""
        self.trials[trial_id] = self.trial

    def replay(self, record: TrialRecord) -> None:
        self.learn(record)
        self.seeds.add(record.flat["seed"])

    def learn(self, record: TrialRecord) -> None:
        """Add a trial of another phase, with its measurements, as `replay` does for one of its own."""
        self.study.sampler = RandomSampler()  # never draws: all values are enqueued
        self.study.enqueue_trial({name: value for name, value in record.settings.items() if name in self.spec.space.domains})
        trial = self.study.ask()
        point(self.spec, trial)
        self.trials[record.trial_id] = trial
        for measurement in record.measurements:
            self.measured(record.trial_id, measurement)

    def measured(self, trial_id: str, measurement: Measurement) -> None:
        if (value := measurement.values.get(self.spec.objective.metric)) is not None:  # untrained networks have no signals
            self.trials[trial_id].report(value, measurement.images)

    def closed(self, record: TrialRecord) -> None:
        trial = self.trials[record.trial_id]
        assert record.closed
        match record.closed.ended:
            case Ended.BUDGET:
                assert record.last
                value = record.last.values.get(self.spec.objective.metric)  # None: a signal that this config does not have
                self.study.tell(trial, value, state=TrialState.FAIL if value is None else TrialState.COMPLETE)
            case Ended.SCHEDULER:
                self.study.tell(trial, state=TrialState.PRUNED)
            case Ended.DEAD:
                trial.set_constraint("dead", 1.0)
                self.study.tell(trial, state=TrialState.PRUNED)
            case Ended.ERROR:
                self.study.tell(trial, state=TrialState.FAIL)


def _sampler(spec: StudySpec, number: int) -> BaseSampler:
    """The Optuna sampler for trial `number`. Each trial has its own seed, so a resumed study does not repeat random points."""
    seed = int(np.random.SeedSequence((spec.design_seed, number)).generate_state(1)[0])
    return SAMPLERS.pick(spec.sampler)(seed)


def point(spec: StudySpec, trial: optuna.Trial) -> dict[str, Any]:
    """Draw the active settings of the space: "r1.gamma" only if "r1" is on, "g.slope" only with leaky_relu."""
    found: dict[str, Any] = {}
    for name, domain in spec.space.domains.items():  # a switch comes before its settings
        if lives(name, {**spec.base, **spec.space.spelt_out(found)}):
            found[name] = _suggest(trial, name, domain)
    return found


def _suggest(trial: optuna.Trial, name: str, domain: optuna.distributions.BaseDistribution) -> Any:
    if isinstance(domain, FloatDistribution):
        return trial.suggest_float(name, domain.low, domain.high, step=domain.step, log=domain.log)
    if isinstance(domain, IntDistribution):
        return trial.suggest_int(name, domain.low, domain.high, step=domain.step, log=domain.log)
    assert isinstance(domain, CategoricalDistribution)
    return trial.suggest_categorical(name, domain.choices)
