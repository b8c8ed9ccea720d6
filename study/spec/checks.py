"""Checks of a study's settings: every value that a space can give must make a TrialConfig, alone and next to the others."""

from collections.abc import Callable, Iterable, Mapping
from itertools import combinations, product
from typing import Any

from optuna.distributions import CategoricalDistribution

from ganstudy import UserError
from study.spec.errors import SpecError
from study.spec.space import Asked, Space, extremes, live
from trainables.config import TrialConfig, settings, switch_of
from trainables.tricks import TRICKS


def check_settings(space: Space, base: Mapping[str, Any], designed: Callable[[], Iterable[Asked]] | None) -> None:
    """Raises SpecError unless every value that the space can give makes a TrialConfig, alone and next to the choices of the others.

    `designed`: gives the trials of the study's design, where it has one; each of them must make a TrialConfig too.
    """
    for name in space.domains:
        if name in base:
            raise SpecError(("base", name), f"{name} is in base and varies in the space; it must be in one of them")
    for where, names in {"base": base, "space": space.domains}.items():
        for name in names:
            if (switch := switch_of(name)) and not (switch.on(base) or switch.value in space.values(switch.setting)):
                either = f"{switch.setting}: [{str(settings()[switch.setting]).lower()}, {str(switch.value).lower()}]"
                raise SpecError(
                    (where, name),
                    f"{name} is a knob of {name.partition('.')[0]}, which this study never turns on; add `{switch}` to base, or `{either}` to the space",
                )
    for choice, variants in space.variants.items():
        for variant, bundle in variants.items():
            for name in bundle:
                if (switch := switch_of(name)) and not switch.on({**base, **bundle}):
                    raise SpecError(
                        ("space", "scientific", choice, variant, name),
                        f"{name} is a knob of {name.partition('.')[0]}, which the variant {variant} does not turn on; add `{switch}` to it",
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
    on = {switch.setting: switch.value for name in some if (switch := switch_of(name))}
    rest = {name: extremes(domain)[0] for name, domain in space.domains.items() if name not in TRICKS and name not in some}
    try:
        TrialConfig.from_flat(live({**base, **space.spelt_out(rest), **on, **space.spelt_out(some)}))
    except UserError as error:
        raise SpecError(where, str(error)) from None


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
