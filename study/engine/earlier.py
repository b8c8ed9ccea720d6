"""Trials that a sampler knows but did not propose, as Optuna trials; and how a failed trial is told to any sampler."""

import math
import zlib
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseGASampler, BaseSampler, GPSampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from ganstudy.limits import FAILED
from study.spec.domains import at
from study.spec.objectives import Objective
from study.spec.space import Space
from study.spec.study_spec import StudySpec
from study.store.feasible import DEAD, excesses
from study.store.records import Earlier, Ended, StudyRecord, TrialRecord

_EARLIER = "earlier"  # a user attribute: the study and the trial


def worst(objective: Objective) -> float:
    """Return what is worse than every value."""
    return math.inf * objective.direction.sign


def told_constraints(ended: Ended, excess: Mapping[str, float], spec: StudySpec, *, pruned: bool = False) -> dict[str, float]:
    """Return the constraints of a trial that ended so, as Optuna takes them: it is feasible if no number is above 0.

    excess: how far it is beyond each constraint of the study (`study.store.feasible.excesses`). A Gaussian process needs all constraints of all trials: one
    that was not measured counts as beyond its limit by the whole bound. DEAD is below 0 for a good trial, since 0 would be half dead to such a
    model. pruned: the sampler is told that a scheduler stopped the trial, and needs no constraints.
    """
    found = {DEAD: -1.0 if pruned else {Ended.BUDGET: -1.0, Ended.SCHEDULER: 0.5}.get(ended, 1.0)}
    if pruned or not (spec.limits or len(spec.objectives) > 1):
        return found
    return {**found, **{name: excess.get(name, 1.0) for name in dict.fromkeys([FAILED, *(limit.name for limit in spec.limits)])}}


def is_model(of: type[BaseSampler]) -> bool:
    """Whether a sampler of this class fits a model to COMPLETE trials and to settings that all of them have.

    Then a conditional setting needs a value also where it does not apply (else it is drawn at random), and a trial that a scheduler stopped must be
    COMPLETE and infeasible (else the model proposes the same place again). bench/samplers.py measures both.
    """
    return issubclass(of, GPSampler)


def whole(values: Mapping[str, Any], domains: Mapping[str, BaseDistribution]) -> dict[str, Any]:
    """Return values for all settings: those that do not apply have random ones, always the same beside the same others.

    With one fixed value instead, the model learned next to nothing of conditional settings.
    """
    rng = np.random.default_rng(zlib.crc32(repr(sorted(values.items())).encode()))
    return {name: values.get(name, at(domain, rng.random())) for name, domain in domains.items()}


def results_of(record: TrialRecord, spec: StudySpec) -> tuple[float, ...]:
    """Return the values of all objectives at the end of the budget; () if the trial did not reach it, or lacks one."""
    if record.last is None or record.closed is None or record.closed.ended is not Ended.BUDGET:
        return ()
    known = [record.last.values[each.metric] for each in spec.objectives if each.metric in record.last.values]
    return tuple(known) if len(known) == len(spec.objectives) else ()


def earlier_of(
    records: Sequence[TrialRecord], spec: StudySpec, study: StudyRecord, *, values: Mapping[str, Any] | None = None, name: str = ""
) -> Earlier | None:
    """Return the ended trials of one config: the means over those that have values at the end of the budget. None if none has and none has failed.

    study: by whose constraints and baselines the trials are judged. values: those of the config in the space of `spec`, unless they are in the records.
    name: that of the trials' own study, if it is another one.
    """
    results = [found for record in records if (found := results_of(record, spec))]
    if not results and all(record.closed and record.closed.ended in (Ended.BUDGET, Ended.SCHEDULER) for record in records):
        return None
    if values is None:
        values = {name: value for name, value in records[0].settings.items() if name in spec.space.domains}
    return Earlier(
        study=name or spec.name,
        trial_id=records[0].trial_id,
        values=values,
        results=tuple(fmean(each) for each in zip(*results, strict=True)),
        excess={key: value for key, value in excesses(records, study).items() if key != DEAD},
    )


def earlier_trial(known: Earlier, spec: StudySpec, *, of: type[BaseSampler]) -> FrozenTrial:
    """Return a finished trial for a sampler of this class."""
    domains = spec.space.domains
    # a genetic algorithm takes parents from numbered generations
    attrs: dict[str, Any] = {of._get_generation_key(): 0} if issubclass(of, BaseGASampler) else {}
    values = whole(known.values, domains) if is_model(of) else dict(known.values)
    return create_trial(
        state=TrialState.COMPLETE,
        values=known.results or [worst(each) for each in spec.objectives],
        params=values,
        distributions={name: domains[name] for name in values},
        system_attrs=attrs,
        constraints=told_constraints(Ended.BUDGET if known.results else Ended.DEAD, known.excess, spec),
        user_attrs={_EARLIER: f"{known.study} {known.trial_id}"},
    )


def sources(trials: Sequence[FrozenTrial], space: Space) -> list[FrozenTrial]:
    """Return those of `earlier_trial` with a value, with their ranges only: what CMA-ES starts from. None in a space with conditional settings, which it does not accept."""
    ranges = {name: domain for name, domain in space.domains.items() if not isinstance(domain, CategoricalDistribution)}
    if space.conditional or not ranges:
        return []
    return [
        create_trial(values=trial.values, params={name: trial.params[name] for name in ranges}, distributions=ranges)
        for trial in trials
        if _EARLIER in trial.user_attrs and all(map(math.isfinite, trial.values))
    ]
