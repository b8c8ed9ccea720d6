"""Limit: a bound that a metric, a signal or the risk of failure must keep to."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

from ganstudy.errors import UserError

FAILED = "failed"  # the name of the risk of failure
_LIMIT = re.compile(r"\s*(<=|>=)\s*(\S+)\s*")


@dataclass(frozen=True)
class Limit:
    """`name` `operator` `bound`, such as coverage >= 0.5."""

    name: str
    operator: Literal["<=", ">="]
    bound: float

    def __str__(self) -> str:
        return f"{self.name} {self.text}"

    @property
    def text(self) -> str:
        """The limit without the name, as a study file has it."""
        return f"{self.operator} {self.bound:g}"

    @property
    def sign(self) -> float:
        """1 where less is better, -1 where more is."""
        return 1.0 if self.operator == "<=" else -1.0

    def excess(self, value: float) -> float:
        """Return how far a value is beyond the limit, as a share of the bound (of 1 if the bound is 0). At most 0: the limit is kept.

        Shares can be added over limits of different units, which is what samplers do.
        """
        return self.sign * (value - self.bound) / (abs(self.bound) or 1.0)

    def holds(self, value: float) -> bool:
        """Whether a value keeps to the limit; False for NaN."""
        return self.excess(value) <= 0


def limits_of(given: Mapping[str, str]) -> tuple[Limit, ...]:
    """Read {"coverage": ">= 0.5"}. Raises UserError for another form; names are not checked."""
    return tuple(_limit(name, text) for name, text in given.items())


def _limit(name: str, text: object) -> Limit:
    found = re.fullmatch(_LIMIT, text) if isinstance(text, str) else None
    try:
        bound = float(found.group(2)) if found else math.nan
    except ValueError:
        bound = math.nan
    if not found or not math.isfinite(bound):
        raise UserError(f'{name} must be limited by <= or >= and a number, such as "<= 0.2"; given {text!r}')
    return Limit(name, cast(Literal["<=", ">="], found.group(1)), bound)
