"""The domain of a setting: what a study file says of its values, as an Optuna distribution, and back."""

import math
from collections.abc import Mapping
from decimal import Decimal
from math import isfinite, log
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from ganstudy.written import shown
from study.spec.errors import SpecError
from study.spec.ranges import NO_RANGE, RANGES
from trainables.fields import types_of
from trainables.messages import yaml_hint

_LARGEST = 1e100  # bound of a range, so that sums and squares of its values are finite


def domain(name: str, given: Any, where: tuple[str, ...]) -> BaseDistribution:
    """Read the domain of a setting: a list of choices, {low, high, log, step}, or the word `range` for its entry in RANGES.

    Raises SpecError at `where` for anything else. The distribution holds exactly the values that are given.
    """
    if given == "range":
        if name not in RANGES:
            because = f": {NO_RANGE[name].reason}" if name in NO_RANGE else ""
            raise SpecError(where, f"`range` is not available for {name}{because}; give a list of choices or {{low: …, high: …}}")
        return RANGES[name].domain
    if isinstance(given, (list, tuple)):
        return _choices(name, given, where)
    if not isinstance(given, Mapping):
        raise SpecError(
            where,
            f"{name} must be a list of choices, {{low: …, high: …, log: true}} or the word range; given {shown(given)}. Put a value that does not vary into base",
        )
    return _range(name, given, where)


def _choices(name: str, given: Any, where: tuple[str, ...]) -> CategoricalDistribution:
    for i, choice in enumerate(given):
        if not isinstance(choice, (bool, int, float, str, type(None))):
            raise SpecError((*where, str(i)), f"each choice of {name} must be a number, a word, true, false or null; given {shown(choice)}")
        if isinstance(choice, (int, float)) and not _is_exact(choice):
            raise SpecError((*where, str(i)), f"each number among the choices of {name} must be finite; given {shown(choice)}")
    # 1 and 1.0 are the same number, but 1 and true are not the same
    if len(given) < 2 or len({(isinstance(choice, bool), choice) for choice in given}) < len(given):
        raise SpecError(
            where,
            f"{name} must have at least two choices, all different; given {shown(list(given))}. Put a value that does not vary into base",
        )
    return CategoricalDistribution(list(given))


def _range(name: str, given: Mapping[Any, Any], where: tuple[str, ...]) -> FloatDistribution | IntDistribution:
    for key in given:
        if key not in ("low", "high", "log", "step"):
            raise SpecError((*where, str(key)), f"{name} accepts the keys low, high, log and step; given {shown(key)}")
    types = types_of(name)
    if not types & {"number", "integer"}:
        raise SpecError(where, f"{name} must be a list of choices, since its values are not numbers; given {shown(dict(given))}")
    whole = "number" not in types
    low, high, step = (_number(name, key, given.get(key), where, whole=whole) for key in ("low", "high", "step"))
    logarithmic = given.get("log", False)
    if low is None or high is None:
        missing = "low" if low is None else "high"
        raise SpecError((*where, missing), f"{name} must have low and high, both numbers; {missing} is missing")
    if not low < high:
        raise SpecError(where, f"{name} must have low < high; given low {low}, high {high}")
    if not isinstance(logarithmic, bool):
        raise SpecError((*where, "log"), f"{name} must have log: true or log: false; given {shown(logarithmic)}{yaml_hint(logarithmic)}")
    if logarithmic and not low > 0:
        raise SpecError((*where, "low"), f"{name} must have low above 0 on a log scale; given {low}")
    if step is not None and not (whole and step == 1):  # whole numbers have that step anyway, also on a log scale
        _check_step(name, low, high, step, where, logarithmic=logarithmic)
    if whole:
        return IntDistribution(int(low), int(high), log=logarithmic, step=int(step or 1))
    return FloatDistribution(float(low), float(high), log=logarithmic, step=None if step is None else float(step))


def _number(name: str, key: str, value: Any, where: tuple[str, ...], *, whole: bool) -> int | float | None:
    """Return a number of a range, None if it is missing. Raises SpecError for one that would have to be changed."""
    if value is None:
        return None
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise SpecError((*where, key), f"{name} must have numbers as low, high and step; {key} is {shown(value)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise SpecError((*where, key), f"{name} must have a finite {key}; given {shown(value)}")
    if not _is_exact(value) or abs(value) > _LARGEST:
        raise SpecError((*where, key), f"{name} must have a {key} of at most {_LARGEST:g}, or 2^53 if it is whole; given {shown(value)}")
    if whole and not isinstance(value, int):
        instead = f"; write {int(value)}" if value == int(value) else ""
        raise SpecError((*where, key), f"{name} must have whole numbers as low, high and step; {key} is {value}{instead}")
    return value


def _is_exact(number: int | float) -> bool:
    """Whether a number is finite, and the same as a float."""
    try:
        return isfinite(number) and float(number) == number
    except OverflowError:
        return False


def _check_step(name: str, low: float, high: float, step: float, where: tuple[str, ...], *, logarithmic: bool) -> None:
    """Raise SpecError unless low, low + step, … ends at high."""
    if not step > 0:
        raise SpecError(
            (*where, "step"), f"{name} must have a step above 0; given {step}. Leave step out for all values between low and high"
        )
    if logarithmic:
        raise SpecError((*where, "step"), f"{name} must have either log: true or a step; given both. Leave one out, or list the values")
    steps = (Decimal(str(high)) - Decimal(str(low))) / Decimal(str(step))  # as they are written: 0.3 is three times 0.1
    if steps != int(steps):
        last = Decimal(str(low)) + int(steps) * Decimal(str(step))
        nearby = " or ".join(f"high: {bound}" for bound in (last, last + Decimal(str(step))) if bound > Decimal(str(low)))
        raise SpecError(
            (*where, "step"),
            f"{name} must reach high in whole steps from low; {low} to {high} is {steps:.4g} steps of {step}. Give {nearby}",
        )


def as_given(distribution: BaseDistribution) -> list[Any] | dict[str, Any]:
    """Return a distribution in the form of a study file: domain(name, as_given(d)) == d."""
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    assert isinstance(distribution, (FloatDistribution, IntDistribution))
    form: dict[str, Any] = {"low": distribution.low, "high": distribution.high}
    if distribution.log:
        form["log"] = True
    if distribution.step != (1 if isinstance(distribution, IntDistribution) else None):
        form["step"] = distribution.step
    return form


def at(distribution: BaseDistribution, u: float) -> Any:
    """Return the value at quantile u in [0, 1) of a distribution."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[int(u * len(distribution.choices))]
    assert isinstance(distribution, (FloatDistribution, IntDistribution))
    low, high = float(distribution.low), float(distribution.high)
    whole = isinstance(distribution, IntDistribution)
    if whole:
        low, high = low - 0.5, high + 0.5  # so that the two end values get a full share
    value = low * (high / low) ** u if distribution.log else low + u * (high - low)
    if distribution.step is not None and not (whole and distribution.step == 1):
        value = distribution.low + distribution.step * round((value - distribution.low) / distribution.step)
    if whole:
        return int(min(max(round(value), distribution.low), distribution.high))
    return float(min(max(value, distribution.low), distribution.high))


def extremes(distribution: BaseDistribution) -> list[Any]:
    """Return all choices, or the two ends of a range."""
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    assert isinstance(distribution, (FloatDistribution, IntDistribution))
    return [distribution.low, distribution.high]


def position(distribution: BaseDistribution, value: Any) -> float:
    """Return where a value is in its domain: from 0 at the low end to 1 at the high one, on the scale of the domain; the number of a choice.

    A value of a table may be outside of the domain.
    """
    if isinstance(distribution, CategoricalDistribution):
        return float(distribution.choices.index(value)) if value in distribution.choices else -1.0
    assert isinstance(distribution, (FloatDistribution, IntDistribution))
    scale = log if distribution.log else float
    low, high = scale(distribution.low), scale(distribution.high)
    return (scale(value) - low) / (high - low)
