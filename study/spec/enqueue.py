"""The `enqueue:` of a study file: configs that a search tries first.

Each is a mapping of settings that vary, the word `defaults`, or a recipe. Settings that vary and are not given have their defaults.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from ganstudy import UserError
from ganstudy.registry import nearest
from ganstudy.written import shown
from study.spec.domains import as_given
from study.spec.errors import SpecError
from study.spec.recipes import load_config
from study.spec.space import Space
from study.spec.variants import variant_of
from trainables.config import TrialConfig, lives, settings

Values = dict[str, Any]


def read_enqueue(given: Any, space: Space, base: Mapping[str, Any], *, folders: Sequence[Path | str]) -> tuple[Values, ...]:
    """Return for each config the values of all settings of the space that apply. folders: where recipes may be, beside the current folder.

    Raises SpecError, with the path of keys, for what is no config of the space.
    """
    if not isinstance(given, (list, tuple)):
        raise SpecError(("enqueue",), f"enqueue must be a list of configs, such as [defaults, {{g.lr: 1e-4}}]; given {shown(given)}")
    found: list[Values] = []
    for i, each in enumerate(given):
        where = ("enqueue", str(i))
        if isinstance(each, Mapping):
            values = _complete(each, base, space, base, where)
        elif isinstance(each, str):
            values = _complete({}, base if each == "defaults" else _recipe(each, folders, where), space, base, where)
        else:
            raise SpecError(where, f"a config of enqueue must be a mapping of settings, defaults, or a recipe; given {shown(each)}")
        if values in found:
            raise SpecError(where, f"the configs of enqueue must differ; numbers {found.index(values) + 1} and {i + 1} are equal")
        found.append(values)
    return tuple(found)


def _recipe(name: str, folders: Sequence[Path | str], where: tuple[str, ...]) -> Mapping[str, Any]:
    """Return the settings of a recipe: a path, or the name of one in a folder recipes."""
    places = [Path(folder) / path for folder in (".", *folders) for path in (name, f"recipes/{name}.yaml", f"../recipes/{name}.yaml")]
    path = next((place for place in places if place.suffix == ".yaml" and _is_file(place)), None)
    if path is None:
        known = sorted({other.stem for place in places for other in place.parent.glob("*.yaml") if place.parent.name == "recipes"})
        raise SpecError(
            where,
            f"a config of enqueue must be a mapping, defaults, or a recipe; given {shown(name)}; {nearest(name, ['defaults', *known])}there are {known}",
        )
    try:
        return load_config(path, {}).flat()
    except UserError as error:
        raise SpecError(where, str(error)) from None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # no name of a file can be so long, or hold a zero byte
        return False


def values_of(flat: Mapping[str, Any], space: Space, base: Mapping[str, Any]) -> Values:
    """Return the values of the space that these settings have. Raises SpecError if one of them is outside the space."""
    return _complete({}, flat, space, base, ("enqueue",))


def _complete(given: Mapping[Any, Any], others: Mapping[str, Any], space: Space, base: Mapping[str, Any], where: tuple[str, ...]) -> Values:
    """Return all values of the space that apply. others: settings whose values are taken where `given` has none; then come the defaults."""
    domains = space.domains
    for name in given:
        if name not in domains:
            fixed = f"{name} does not vary in this study" if name in base else f"{nearest(name, domains)}they are {list(domains)}"
            raise SpecError((*where, str(name)), f"a config of enqueue has only settings that vary; given {shown(name)}: {fixed}")
    flat = {**settings(), **others}
    chosen: Values = {}
    for name, domain in domains.items():  # a switch comes before its settings
        if not lives(name, {**base, **space.spelt_out(chosen)}):
            if name in given:
                raise SpecError((*where, name), f"{name} does not apply in this config of enqueue; remove it")
            continue
        if name not in given and name in space.variants and variant_of(space.variants[name], flat) is None:
            raise SpecError(
                where,
                f"a config of enqueue must have one of the variants of {name}, {_shown(domain)}; its settings are those of none. Give {name}",
            )
        default = variant_of(space.variants[name], flat) if name in space.variants else flat[name]
        inside, value = within(domain, given.get(name, default))
        if not inside:
            raise SpecError(
                (*where, name) if name in given else where,
                f"{name} must be in the space, {_shown(domain)}; {'given' if name in given else 'its default is'} {shown(value)}. "
                + ("Change it, or widen the space" if name in given else f"Give {name}, or widen the space"),
            )
        chosen[name] = value
    try:
        TrialConfig.from_flat(space.asked(chosen, base=base, seed=0).flat)
    except UserError as error:
        raise SpecError(where, str(error)) from None
    return chosen


def _shown(domain: BaseDistribution) -> str:
    """Return a domain in words: "1e-05 to 0.01", or its choices."""
    form = as_given(domain)
    return f"{form['low']:g} to {form['high']:g}" if isinstance(form, dict) else f"one of {form}"


def within(domain: BaseDistribution, value: Any) -> tuple[bool, Any]:
    """Return whether a value is in the domain, and as the domain has it: 10 in a range of fractions is 10.0."""
    if isinstance(domain, CategoricalDistribution):
        equal = [choice for choice in domain.choices if choice == value and isinstance(choice, bool) == isinstance(value, bool)]
        return bool(equal), equal[0] if equal else value
    assert isinstance(domain, FloatDistribution | IntDistribution)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False, value
    if not domain.low <= value <= domain.high:  # for such a number, and for NaN, Optuna may raise an error of its own
        return False, value
    value = float(value) if isinstance(domain, FloatDistribution) else value
    return domain._contains(domain.to_internal_repr(value)), value
