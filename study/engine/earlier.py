"""Trials that a sampler knows but did not propose, as Optuna trials; and how a failed trial is told to any sampler."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseGASampler, BaseSampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from study.spec.sections import Objective
from study.spec.space import Space
from study.spec.study_spec import StudySpec
from study.store.records import Earlier, Ended, TrialRecord

DEAD = "dead"  # the constraint: above 0 for a trial that failed
_EARLIER = "earlier"  # a user attribute: the study and the trial


def worst(objective: Objective) -> float:
    """Return what is worse than every value."""
    return math.inf * objective.direction.sign


def feasibility(ended: Ended) -> float:
    """Return the value of the constraint DEAD. Below 0 for a good trial: a Gaussian process takes 0 for half dead."""
    return 1.0 if ended in (Ended.DEAD, Ended.ERROR) else -1.0


def earlier_of(record: TrialRecord, spec: StudySpec, *, study: str = "") -> Earlier | None:
    """Return a finished trial with settings of the space; None if it has no value at the end of the budget and has not failed."""
    assert record.closed
    value = record.last.values.get(spec.objective.metric) if record.last and record.closed.ended is Ended.BUDGET else None
    if value is None and feasibility(record.closed.ended) < 0:
        return None
    values = {name: value for name, value in record.settings.items() if name in spec.space.domains}
    return Earlier(study=study or spec.name, trial_id=record.trial_id, values=values, value=value)


def earlier_trial(known: Earlier, domains: Mapping[str, BaseDistribution], objective: Objective, *, of: type[BaseSampler]) -> FrozenTrial:
    """Return a finished trial for a sampler of this class."""
    # a genetic algorithm takes parents from numbered generations
    attrs: dict[str, Any] = {of._get_generation_key(): 0} if issubclass(of, BaseGASampler) else {}
    return create_trial(
        state=TrialState.COMPLETE,
        value=worst(objective) if known.value is None else known.value,
        params=dict(known.values),
        distributions={name: domains[name] for name in known.values},
        system_attrs=attrs,
        constraints={DEAD: feasibility(Ended.DEAD if known.value is None else Ended.BUDGET)},
        user_attrs={_EARLIER: f"{known.study} {known.trial_id}"},
    )


def sources(trials: Sequence[FrozenTrial], space: Space) -> list[FrozenTrial]:
    """Return those of `earlier_trial` with a value, with their ranges only: what CMA-ES starts from. None in a space with conditional settings, which it does not accept."""
    ranges = {name: domain for name, domain in space.domains.items() if not isinstance(domain, CategoricalDistribution)}
    if space.conditional or not ranges:
        return []
    return [
        create_trial(value=trial.value, params={name: trial.params[name] for name in ranges}, distributions=ranges)
        for trial in trials
        if _EARLIER in trial.user_attrs and trial.value is not None and math.isfinite(trial.value)
    ]
