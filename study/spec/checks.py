"""Checks of a study's settings: every value of the space must make a valid TrialConfig, alone and together with others."""

from collections.abc import Callable, Iterable, Mapping
from itertools import combinations, product
from typing import Any

from optuna.distributions import CategoricalDistribution, FloatDistribution

from ganstudy import UserError
from ganstudy.written import written
from study.spec.culprit import culprit
from study.spec.domains import extremes
from study.spec.errors import SpecError
from study.spec.ranges import NEVER_VARIES
from study.spec.space import Proposal, Space
from trainables.config import TrialConfig, live, lives, need_of, settings
from trainables.needs import Need
from trainables.tricks import TRICKS


def check_settings(space: Space, base: Mapping[str, Any], designed: Callable[[], Iterable[Proposal]] | None) -> None:
    """Check that every value of the base and the space makes a valid TrialConfig.

    Each value is checked alone, with the rest of the space at its first values. Choices are also checked in pairs.
    `designed` returns a trial of each config of the study's design, None if there is no design; each must make a TrialConfig too.
    Raises SpecError for the first value that fails.
    """
    for name in space.domains:
        if name in base:
            raise SpecError(("base", name), f"{name} must be in base or in the space; it is in both. Remove one of them")
    for where, names in {"base": base, "space": space.domains}.items():
        for name in names:
            if (need := need_of(name)) and _meeting(need, space, base) is None:
                (other, value), *_ = need.first.items()
                both = f"{other}: [{written(settings()[other])}, {written(value)}]"
                or_vary = "" if other in NEVER_VARIES else f", or `{both}` to the space"
                raise SpecError(
                    (where, name), f"{name} needs {need}, which this study never has; add `{other}: {written(value)}` to base{or_vary}"
                )
    for choice, variants in space.variants.items():
        for variant, bundle in variants.items():
            for name in bundle:
                need = need_of(name)
                if need and not lives(name, {**base, **bundle}) and not any(other in space.domains for other in need.names):
                    (other, value), *_ = need.first.items()
                    raise SpecError(
                        ("space", "scientific", choice, variant, name),
                        f"{name} needs {need}, which the variant {variant} does not have; add `{other}: {written(value)}` to it",
                    )
    for name, value in base.items():
        _check_some(space, base, {name: value}, ("base", name))
    for name, distribution in space.domains.items():
        for value in extremes(distribution):
            _check_some(space, base, {name: value}, ("space", space.part(name), name))
    if designed:
        for proposal in designed():
            try:
                TrialConfig.from_flat(proposal.flat)
            except UserError as error:
                path = _where(space, base, proposal.flat, first=(), variants=proposal.variants) or ("space",)
                raise SpecError(path, f"every config of the design must be valid; one is not: {error}") from None
    choices = {name: d.choices for name, d in space.domains.items() if isinstance(d, CategoricalDistribution)}
    for a, b in combinations(choices, 2):
        for pair in product(choices[a], choices[b]):
            _check_some(space, base, dict(zip((a, b), pair, strict=True)), ("space", space.part(b), b))


def _check_some(space: Space, base: Mapping[str, Any], some: Mapping[str, Any], where: tuple[str, ...]) -> None:
    """Check the base with these settings, the rest of the space at its first values.

    Raises SpecError at the setting that is the reason, or else at `where`.
    """
    flat, chosen = _with_some(space, base, some)
    try:
        TrialConfig.from_flat(flat)
    except UserError as error:
        raise SpecError(_where(space, base, flat, first=some, variants=chosen) or where, str(error)) from None


def _with_some(space: Space, base: Mapping[str, Any], some: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the base with these settings, and with what they need if the space has it; and the values of the space."""
    rest = {name: extremes(domain)[0] for name, domain in space.domains.items() if name not in TRICKS and name not in some}
    chosen = {**rest, **some}
    for name in some:
        if (need := need_of(name)) and not lives(name, {**base, **space.spelt_out(chosen)}):
            chosen = {**rest, **(_meeting(need, space, base) or {}), **some}
    return live({**base, **space.spelt_out(chosen)}), chosen


def each_value(space: Space, base: Mapping[str, Any]) -> list[TrialConfig]:
    """Return a config for each choice and each end of a range of whole numbers, with the rest of the space at its first values.

    The space must have passed check_settings.
    """
    return [
        TrialConfig.from_flat(_with_some(space, base, {name: value})[0])
        for name, distribution in space.domains.items()
        if not isinstance(distribution, FloatDistribution)
        for value in extremes(distribution)
    ]


def _where(
    space: Space, base: Mapping[str, Any], flat: Mapping[str, Any], *, first: Iterable[str], variants: Mapping[str, Any]
) -> tuple[str, ...]:
    """Return the path of keys to the setting that makes the others invalid; () if no single setting does. variants: the chosen variant of each."""
    name = culprit(flat, first=first)
    for choice, bundles in space.variants.items():
        if choice in variants and name in bundles[variants[choice]]:
            return ("space", "scientific", choice, variants[choice], str(name))
    if name in space.domains:
        return ("space", space.part(str(name)), str(name))
    return ("base", str(name)) if name in base else ()


def _meeting(need: Need, space: Space, base: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the choice or variant of the space that meets the need; {} if the base meets it, None if this study never meets it."""
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


def corners(space: Space, base: Mapping[str, Any]) -> list[TrialConfig]:
    """Return one config for each valid combination of the study's architectures, outputs, conditions and variants.

    The other settings are at their first values, and tricks are off. Raises SpecError if no combination is valid.
    """
    first = {name: extremes(domain)[0] for name, domain in space.domains.items() if name not in TRICKS}
    varying = [name for name in ("arch", "g.output", "g.condition", "d.condition", *space.variants) if name in first]
    found, reason = [], ""
    for values in product(*(extremes(space.domains[name]) for name in varying)):
        chosen = {**first, **dict(zip(varying, values, strict=True))}
        try:
            found.append(TrialConfig.from_flat(space.asked(chosen, base=base, seed=0).flat))
        except UserError as error:
            reason = str(error)
    if not found:
        raise SpecError(
            ("space",),
            f"at least one combination of {', '.join(varying) or 'settings'} must be valid; all are invalid, the last one because {reason}",
        )
    return found
