"""What samplers cannot do. A study that asks for it is refused before anything runs, with the reason and the samplers that can."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from optuna.distributions import CategoricalDistribution
from optuna.samplers import BaseGASampler, BaseSampler, BruteForceSampler, CmaEsSampler, GridSampler

from ganstudy.written import shown
from study.spec.design import DESIGNS
from study.spec.errors import SpecError
from study.spec.objectives import Objective
from study.spec.planned import name_of
from study.spec.samplers import SAMPLERS
from study.spec.sampling import HUB, Sampling, arguments_of, check_arguments, make_sampler
from study.spec.space import Space


@dataclass(frozen=True)
class Limits:
    """What a sampler learns from. What it does not learn, it draws at random, whatever the results."""

    conditional: bool = True  # settings that apply in a part of the configs only
    choices: bool = True  # settings whose values are a list
    objectives: bool = True  # several objectives
    constraints: bool = True


# of Optuna 5, from its code; bench/samplers.py measures what is left of the advantage over random draws
LIMITS: dict[type[BaseSampler], Limits] = {
    CmaEsSampler: Limits(conditional=False, choices=False, objectives=False, constraints=False),
    BaseGASampler: Limits(conditional=False),  # type: ignore[type-abstract]  # for all genetic algorithms
}


class Searching(Protocol):
    """What is checked here of a StudySpec."""

    @property
    def goal(self) -> str: ...
    @property
    def space(self) -> Space: ...
    @property
    def sampler(self) -> Sampling: ...
    @property
    def n_configs(self) -> int: ...
    @property
    def enqueue(self) -> Sequence[Mapping[str, Any]]: ...
    @property
    def warm_start(self) -> Sequence[str]: ...
    @property
    def objectives(self) -> Sequence[Objective]: ...
    @property
    def constraints(self) -> Mapping[str, str]: ...
    @property
    def phase_names(self) -> list[str]: ...


def refuse_unable(spec: Searching, *, download: bool = False) -> None:
    """Raise SpecError unless the study's sampler exists, accepts its arguments, and can do what the study asks of it.

    download: also check a sampler of OptunaHub. Reading a study never downloads one.
    """
    name = name_of(spec.sampler)
    if spec.goal == "explain":
        if name not in DESIGNS or arguments_of(spec.sampler):
            raise SpecError(("sampler",), f"sampler must be one of {list(DESIGNS)} with goal: explain; given {shown(spec.sampler)}")
        for key in ("enqueue", "warm_start"):
            if getattr(spec, key) and "optimise" not in spec.phase_names:
                raise SpecError(
                    (key,),
                    f"{key} must be left out with goal: explain, whose configs are all of a design; remove it, or use goal: optimise",
                )
        return
    if len(spec.enqueue) > spec.n_configs:
        raise SpecError(("enqueue",), f"enqueue must have at most n_configs configs, {spec.n_configs}; it has {len(spec.enqueue)}")
    if name.startswith(HUB) and not download:
        return
    sampler = check_arguments(spec.sampler, domains=spec.space.domains)
    if reason := _unable(sampler, spec):
        able = [other for other in SAMPLERS if not _unable(make_sampler(other, seed=0, domains=spec.space.domains), spec)]
        raise SpecError(("sampler",), f"sampler: {name} {reason}. Use one of {able}")
    if isinstance(sampler, BaseGASampler) and (size := sampler.population_size or 0) >= spec.n_configs:
        raise SpecError(
            ("sampler",),
            f"sampler: {name} draws a population of {size} configs at random before it learns, so n_configs must be above that; given {spec.n_configs}. "
            f"Use sampler: {{name: {name}, population_size: {max(2, spec.n_configs // 5)}}}, raise n_configs, or use another sampler",
        )


def _unable(sampler: BaseSampler, spec: Searching) -> str:
    """Return why a sampler cannot do what the study asks, as the rest of a sentence; "" if it can."""
    if isinstance(sampler, (GridSampler, BruteForceSampler)):
        return "tries all combinations, for which goal: explain has sampler: factorial; Optuna lets it do so only in a loop of its own"
    limits, at_random = _limits(sampler), _unlearned(sampler, spec.space)
    if len(spec.objectives) > 1 and not limits.objectives:
        return f"optimises one objective; the study has {len(spec.objectives)}"
    if spec.constraints and not limits.constraints:
        return f"does not read constraints; the study limits {', '.join(spec.constraints)}"
    if 2 * len(at_random) > len(spec.space.domains):  # then it was no better than random draws: bench/samplers.py
        return f"draws {' and '.join(_kinds(sampler))} at random, which are most of this space ({', '.join(at_random)})"
    return ""


def unlearned(spec: Searching) -> str:
    """Return which settings the sampler draws at random, whatever the results, as a sentence; "" if it learns all."""
    sampler = check_arguments(spec.sampler, domains=spec.space.domains)
    names = _unlearned(sampler, spec.space)
    if not names:
        return ""
    return f"sampler: {name_of(spec.sampler)} draws {', '.join(names)} at random, since it does not learn {' or '.join(_kinds(sampler))}; sampler: tpe does"


def _unlearned(sampler: BaseSampler, space: Space) -> list[str]:
    limits, conditional = _limits(sampler), space.conditional
    return [
        name
        for name, domain in space.domains.items()
        if (name in conditional and not limits.conditional) or (isinstance(domain, CategoricalDistribution) and not limits.choices)
    ]


def _limits(sampler: BaseSampler) -> Limits:
    return next((LIMITS[cls] for cls in type(sampler).__mro__ if cls in LIMITS), Limits())


def _kinds(sampler: BaseSampler) -> list[str]:
    limits = _limits(sampler)
    kinds = {"settings that apply in some configs only": limits.conditional, "choices": limits.choices}
    return [kind for kind, learned in kinds.items() if not learned]
