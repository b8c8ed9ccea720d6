"""The study's own definition of a failed trial: a condition on values of the last tick, such as "coverage < 0.5 or d/real_logit > 50"."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from operator import ge, gt, le, lt

from ganstudy import UserError

_OPERATORS: Mapping[str, Callable[[float, float], bool]] = {"<=": le, ">=": ge, "<": lt, ">": gt}
_COMPARISON = re.compile(r"\s*([A-Za-z_][\w/.]*)\s*(<=|>=|<|>)\s*(\S+)\s*")


@dataclass(frozen=True)
class Comparison:
    """`name` `operator` `limit`, such as coverage < 0.5."""

    name: str
    operator: str
    limit: float

    def holds(self, values: Mapping[str, float]) -> bool:
        """Whether it is true of these values; false if the value is missing."""
        return self.name in values and _OPERATORS[self.operator](values[self.name], self.limit)


@dataclass(frozen=True)
class Failure:
    """The condition as alternatives, joined by "or", of comparisons, joined by "and"."""

    alternatives: tuple[tuple[Comparison, ...], ...]

    @classmethod
    def of(cls, text: str) -> "Failure":
        """Read a condition. "and" binds more tightly than "or". Raises UserError for any other form; names are not checked."""
        return cls(tuple(tuple(_comparison(part, text) for part in re.split(r"\band\b", each)) for each in re.split(r"\bor\b", text)))

    @property
    def names(self) -> list[str]:
        """The metrics and signals that it reads."""
        return list(dict.fromkeys(comparison.name for each in self.alternatives for comparison in each))

    def holds(self, values: Mapping[str, float]) -> bool:
        """Whether a trial with these values at its last tick has failed."""
        return any(all(comparison.holds(values) for comparison in each) for each in self.alternatives)


def _comparison(part: str, text: str) -> Comparison:
    try:
        name, operator, limit = re.fullmatch(_COMPARISON, part).groups()  # type: ignore[union-attr]
        value = float(limit)
    except (AttributeError, ValueError):
        value = float("nan")
    if not isfinite(value):
        raise UserError(
            f'failure must be comparisons such as "coverage < 0.5", joined by "and" or "or": a metric or signal, one of {list(_OPERATORS)}, '
            f"and a number; given {part.strip()!r}" + (f" in {text!r}" if part != text else "")
        )
    return Comparison(name, operator, value)
