"""Checks of a study's settings: every value that a space can give must make a TrialConfig, alone and next to the others."""

from collections.abc import Callable, Iterable, Mapping
from itertools import combinations, product
from typing import Any

from optuna.distributions import CategoricalDistribution

from ganstudy import UserError
from study.spec.errors import SpecError
from study.spec.space import Proposal, Space, extremes
from trainables.config import TrialConfig, live, lives, need_of, settings
from trainables.needs import Need
from trainables.tricks import TRICKS


def check_settings(space: Space, base: Mapping[str, Any], designed: Callable[[], Iterable[Proposal]] | None) -> None:
    """Raises SpecError unless every value that the space can give makes a TrialConfig, alone and next to the choices of the others.

    `designed`: gives the trials of the study's design, where it has one; each of them must make a TrialConfig too.
    """
    for name in space.domains:
        if name in base:
            raise SpecError(("base", name), f"{name} is in base and varies in the space; it must be in one of them")
    for where, names in {"base": base, "space": space.domains}.items():
        for name in names:
            if (need := need_of(name)) and _meeting(need, space, base) is None:
                (other, value), *_ = need.first.items()
                both = f"{other}: [{_yaml(settings()[other])}, {_yaml(value)}]"
                raise SpecError(
                    (where, name),
                    f"{name} needs {need}, which this study never has; add `{other}: {_yaml(value)}` to base, or `{both}` to the space",
                )
    for choice, variants in space.variants.items():
        for variant, bundle in variants.items():
            for name in bundle:
                need = need_of(name)
                if need and not lives(name, {**base, **bundle}) and not any(other in space.domains for other in need.names):
                    (other, value), *_ = need.first.items()
                    raise SpecError(
                        ("space", "scientific", choice, variant, name),
                        f"{name} needs {need}, which the variant {variant} does not have; add `{other}: {_yaml(value)}` to it",
                    )
    for name, value in base.items():
        check_some(space, base, {name: value}, ("base", name))
    for name, distribution in space.domains.items():
        for value in extremes(distribution):
            check_some(space, base, {name: value}, ("space", space.part(name), name))
    if designed:
        for asked in designed():
            try:
                TrialConfig.from_flat(asked.flat)
            except UserError as error:
                raise SpecError(("space",), f"every configuration of the design must make sense; one of them does not: {error}") from None
    choices = {name: d.choices for name, d in space.domains.items() if isinstance(d, CategoricalDistribution)}
    for a, b in combinations(choices, 2):
        for pair in product(choices[a], choices[b]):
            check_some(space, base, dict(zip((a, b), pair, strict=True)), ("space", space.part(b), b))


def check_some(space: Space, base: Mapping[str, Any], some: Mapping[str, Any], where: tuple[str, ...]) -> None:
    """The base with some settings of the space, the rest of the space at the first of its values."""
    rest = {name: extremes(domain)[0] for name, domain in space.domains.items() if name not in TRICKS and name not in some}
    flat = {**base, **space.spelt_out({**rest, **some})}
    for name in some:
        if (need := need_of(name)) and not lives(name, flat):
            flat = {**base, **space.spelt_out({**rest, **(_meeting(need, space, base) or {}), **some})}
    try:
        TrialConfig.from_flat(live(flat))
    except UserError as error:
        raise SpecError(where, str(error)) from None


def _meeting(need: Need, space: Space, base: Mapping[str, Any]) -> dict[str, Any] | None:
    """What of the space meets the need: a choice, or a variant; {} if the base does; None if nothing in this study does."""
    domains, defaults = space.domains, settings()
    for other in need.names:
        for value in extremes(domains[other]) if other in domains else []:
            if value in need.values():
                return {other: value}
    for choice, variants in space.variants.items():
        for variant, bundle in variants.items():
            if any(other in bundle and bundle[other] in need.values() for other in need.names):
                return {choice: variant}
    return {} if need.met(lambda other: base.get(other, defaults[other]) if other not in domains else None) else None


def _yaml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else "null" if value is None else str(value)


def corners(space: Space, base: Mapping[str, Any]) -> list[TrialConfig]:
    """One of each combination of architecture, output, conditions and variants that the study has and that makes sense, the rest of its space
    at the first of its values, its tricks off. Raises SpecError where none makes sense."""
    first = {name: extremes(domain)[0] for name, domain in space.domains.items() if name not in TRICKS}
    varying = [name for name in ("arch", "g.output", "g.condition", "d.condition", *space.variants) if name in first]
    found, reason = [], ""
    for values in product(*(extremes(space.domains[name]) for name in varying)):
        point = {**first, **dict(zip(varying, values, strict=True))}
        try:
            found.append(TrialConfig.from_flat(space.asked(point, base=base, seed=0).flat))
        except UserError as error:
            reason = str(error)
    if not found:
        raise SpecError(("space",), f"no combination of {', '.join(varying)} makes sense: {reason}")
    return found
