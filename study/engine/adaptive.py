"""Adaptive: proposals of an Optuna sampler. The samplers themselves are in study/spec/samplers.py.

The Optuna study is kept in memory and rebuilt from the Store when a driver starts, so there is no second file that could disagree with the
records. How a trial ended becomes its Optuna state:

| ended       | Optuna                                                                                                        |
|-------------|---------------------------------------------------------------------------------------------------------------|
| budget      | COMPLETE, with its last value of each objective, and how far it is beyond each constraint                     |
| scheduler   | PRUNED, with all intermediate values, including the one at which it was stopped                               |
| dead, error | COMPLETE, infeasible (constraint "dead" = 1), and infinitely bad: worse than every value, so none is invented |

An error is told after the last retry; until then the same trial is run again. Faults of the machine cost no retries, so what is left is the config's.

Dead trials are not FAIL or PRUNED, because most samplers read COMPLETE trials only, and would propose the same place again: bench/samplers.py.
For the same reason, a Gaussian process learns that a trial that a scheduler stopped is COMPLETE and infeasible.

With several objectives, Optuna takes no intermediate values, so a trial that was stopped is PRUNED without values.

A sampler that only reads results is made anew for each config, with a seed of its own, so its proposals follow from the records. Any other one may
keep a state, in itself or in the Optuna study: a generation, a covariance matrix, its place in a sequence. It is made once, and when a driver
starts, it is asked for the recorded trials again, each with the results that were known then, which rebuilds the state.
"""

import logging
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import fmean
from typing import Any

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler
from optuna.study import StudyDirection
from optuna.trial import TrialState

from ganstudy import UserError
from study.engine.earlier import earlier_trial, is_model, results_of, sources, told_constraints, whole, worst
from study.engine.more_seeds import MoreSeeds
from study.engine.samplers import Proposals
from study.spec import design
from study.spec.samplers import Gp, Random, Tpe
from study.spec.sampling import make_sampler
from study.spec.space import Proposal
from study.spec.study_spec import StudySpec
from study.store.feasible import excesses
from study.store.records import Earlier, Ended, Measurement, StudyRecord, TrialRecord
from trainables.config import TrialConfig, lives

log = logging.getLogger(__name__)

_MAX_ASKS = 100  # proposals to draw until one is a valid config
_ONLY_READ = (Tpe, Gp, Random, TPESampler, GPSampler, RandomSampler)  # exactly these, since a subclass may keep a state


class Adaptive(Proposals):
    """Proposals of an Optuna sampler, through Optuna's ask-and-tell interface."""

    def __init__(self, spec: StudySpec, study: StudyRecord | None = None, *, first: int = 0, earlier: Sequence[Earlier] = ()):
        """study: what is recorded about the study, by which failures are told; needed where trials are reported.

        first: the number of the first config in the seeds. earlier: trials of other studies that the sampler knows.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.spec, self.first = spec, first
        self.record = study or StudyRecord(spec=spec.as_dict(), protocol={}, baselines={}, n_modes=None)
        self.study = optuna.create_study(
            study_name=spec.name, directions=[StudyDirection[each.direction.name] for each in spec.objectives], sampler=RandomSampler()
        )
        self.trials: dict[str, optuna.Trial] = {}  # by our trial id
        self.seeds: set[int] = set()  # of the trials so far
        self.runs: dict[int, list[TrialRecord]] = {}  # number of a config -> its trials that have ended
        self.later: set[str] = set()  # trials of configs that had a seed before
        self._another = False  # whether the last proposal is one of them
        self.more: deque[TrialRecord] = deque()  # the last trials of configs that get another seed
        self.more_seeds = MoreSeeds(spec.seeds, spec.objective.direction)
        self._kept: BaseSampler | None = None  # the sampler, if it may keep a state
        self._deviates = False  # whether its proposals differ from recorded ones
        self._kind = type(self._made((spec.design_seed,)))
        for known in earlier:
            self.learn(known)

    def next(self, number: int) -> Proposal | None:
        """Return another seed of a config that earned it, or else a new config."""
        self._another = bool(self.more)
        if self.more:
            last = self.more.popleft()
            self.trial, seed = self.trials[last.trial_id], last.flat["seed"] + 1
            self.seeds.add(seed)
            return Proposal({**last.flat, "seed": seed}, dict(last.variants))
        number = len(self.seeds & {self._seed(n) for n in range(self.spec.n_configs)}) if self.spec.seeds > 1 else number
        if number >= self.spec.n_configs:
            return None
        if self._seed(number) in self.seeds:  # a trial before it is missing: its damaged record was cut
            number = next(n for n in range(number) if self._seed(n) not in self.seeds)
        self.trial, proposal = self._ask(number)
        self.seeds.add(self._seed(number))
        return proposal

    def _ask(self, number: int) -> tuple[optuna.Trial, Proposal]:
        """Ask the sampler for trial `number` until it is a valid config."""
        self.study.sampler = self._sampler(number)
        for _ in range(_MAX_ASKS):
            if number < len(self.spec.enqueue):
                self.study.enqueue_trial(self.spec.enqueue[number])
            trial, values = self._asked()
            proposal = self.spec.asked(values, self._seed(number))
            try:
                TrialConfig.from_flat(proposal.flat)
            except UserError as error:  # settings that contradict each other
                self.study.tell(trial, state=TrialState.FAIL)
                reason = error
            else:
                return trial, proposal
        raise UserError(f"the space must contain valid configs; {_MAX_ASKS} proposals were all invalid. The last one: {reason}")

    def _asked(self) -> tuple[optuna.Trial, dict[str, Any]]:
        """Return a trial of the sampler and its values, or those that are enqueued."""
        with _quiet():
            trial = self.study.ask()
            if self._kept:
                _ = trial.relative_params  # else an enqueued config would belong to no generation, and never be a parent
            values = point(self.spec, trial)
            if is_model(self._kind):
                for name, value in whole(values, self.spec.space.domains).items():
                    if name not in values:
                        trial._fixed_params[name] = value  # what enqueue_trial sets, but which settings apply is known only now
                        _suggest(trial, name, self.spec.space.domains[name])
            return trial, values

    def _sampler(self, number: int) -> BaseSampler:
        """Return the sampler for trial `number`."""
        if self._kind in _ONLY_READ:
            return self._made((self.spec.design_seed, number))
        self._kept = self._kept or self._made((self.spec.design_seed,))
        return self._kept

    def _made(self, entropy: tuple[int, ...]) -> BaseSampler:
        seed = int(np.random.SeedSequence(entropy).generate_state(1)[0])
        known = sources(self.study.get_trials(deepcopy=False), self.spec.space)
        return make_sampler(self.spec.sampler, seed=seed, domains=self.spec.space.domains, source_trials=known)

    def _seed(self, number: int) -> int:
        """Return the seed of trial `number`, which identifies it."""
        return design.seed_of(self.spec.design_seed, config=self.first + number, replicate=0)

    def opened(self, trial_id: str) -> None:
        """Set the id of the trial that `next` proposed last."""
        if self._another:
            self.later.add(trial_id)
        self.trials[trial_id] = self.trial

    def replay(self, record: TrialRecord) -> None:
        """Trials must be replayed and closed in the order in which that happened."""
        seed = record.flat["seed"]
        self.seeds.add(seed)
        if design.replicate_of(seed):
            last = next(other for other in self.more if other.flat["seed"] == seed - 1)
            self.more.remove(last)
            self.later.add(record.trial_id)
            self.trials[record.trial_id] = self.trials[last.trial_id]
            return
        self.trials[record.trial_id] = self._replayed(record, self._number(seed))
        for measurement in record.measurements:
            self.measured(record.trial_id, measurement)

    def skip(self, record: TrialRecord) -> None:
        """Leave out the number of a config that this sampler did not propose. Its result may be learned."""
        self.seeds.add(record.flat["seed"])

    def _number(self, seed: int) -> int:
        """Return the number of the config of a trial with this seed."""
        return design.config_of(self.spec.design_seed, seed) - self.first

    def _replayed(self, record: TrialRecord, number: int) -> optuna.Trial:
        sampler = self._sampler(number)
        if sampler is self._kept:
            trial, proposal = self._ask(number)
            if (proposal.flat, proposal.variants) == (record.flat, record.variants):
                return trial
            self.study.tell(trial, state=TrialState.FAIL)
            if not self._deviates:
                log.warning(
                    "the sampler now proposes other settings for %s than those recorded, which it learns instead. "
                    "The study goes on, but not as it would have without the interruption",
                    record.trial_id,
                )
            self._deviates = True
        else:
            self.study.sampler = RandomSampler()  # never draws: all values are enqueued
        self.study.enqueue_trial({name: value for name, value in record.settings.items() if name in self.spec.space.domains})
        return self._asked()[0]

    def learn(self, known: Earlier) -> None:
        """Add a finished trial that this sampler did not propose."""
        self.study.add_trial(earlier_trial(known, self.spec, of=self._kind))

    def measured(self, trial_id: str, measurement: Measurement) -> None:
        if len(self.spec.objectives) > 1 or trial_id in self.later:
            return
        if (value := measurement.values.get(self.spec.objective.metric)) is not None:  # untrained networks have no signals
            self.trials[trial_id].report(value, measurement.images)

    def closed(self, record: TrialRecord) -> None:
        runs = self.runs.setdefault(self._number(record.flat["seed"]), [])
        runs.append(record)
        results = [found for run in runs if (found := results_of(run, self.spec))]  # without runs that lack the value of a signal
        if self.spec.seeds > 1 and results_of(record, self.spec) and self.more_seeds.another([found[0] for found in results]):
            self.more.append(record)
        else:
            self._tell(runs, [fmean(values) for values in zip(*results, strict=True)])

    def _tell(self, runs: Sequence[TrialRecord], means: Sequence[float]) -> None:
        """Tell the sampler what came of a config: the means of its objectives over its seeds, or how its first trial ended."""
        trial, closed = self.trials[runs[0].trial_id], runs[0].closed
        assert closed
        ended = Ended.BUDGET if means else closed.ended
        pruned = ended is Ended.SCHEDULER and not is_model(self._kind)
        for name, excess in told_constraints(ended, excesses(runs, self.record), self.spec, pruned=pruned).items():
            trial.set_constraint(name, excess)
        with _quiet():
            if pruned:
                self.study.tell(trial, state=TrialState.PRUNED)
            elif ended is Ended.BUDGET:
                self.study.tell(trial, means or None, state=TrialState.COMPLETE if means else TrialState.FAIL)
            else:
                self.study.tell(trial, [worst(each) for each in self.spec.objectives])


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings of samplers that read the value of a dead trial: CMA-ES reads no constraint, and a Gaussian process takes the worst value of others."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Constraints have been set|Clip non-finite values")
        yield


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
