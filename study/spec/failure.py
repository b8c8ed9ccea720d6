"""The study's own definition of a failed trial: a condition on values of the last tick, such as "coverage < 0.5 or d/real_logit > 50"."""

from collections.abc import Collection, Mapping

import numpy as np

from analysis.conditions.condition import Condition
from analysis.conditions.operands import Operand, Source
from analysis.conditions.parsed import Parsed, Place
from analysis.grades import GRADES
from analysis.metrics import METRICS

PLACE = Place(
    "failure",
    "coverage < 0.5 or fd_ratio > 20",
    names="metrics and signals",
    unknown="no metric or signal named",
    listed="; `ganstudy list metrics` and `ganstudy list signals` print all",
)


class Failure:
    """A definition of failure, as it stands in a study file or its records."""

    def __init__(self, text: str, signals: Collection[str]):
        """signals: names that may have signs in them, such as d/adv; where it is only asked of values, their names will do, as a missing d/adv is
        d divided by adv, which is missing too.

        Raises UserError for a text that is no condition. Accepts names that are not known: those of plugins, which may not be imported.
        """
        known = _known(signals)
        self._condition = Condition(text, [*known, *Condition(text, known, PLACE).unknown], PLACE)

    @property
    def parsed(self) -> Parsed:
        """The condition as a tree."""
        return self._condition.parsed

    @property
    def names(self) -> list[str]:
        """The metrics and signals that it reads."""
        return self._condition.names

    def holds(self, values: Mapping[str, float]) -> bool:
        """Whether a trial with these values at its last tick has failed. A comparison with a value that is missing is neither true nor false."""
        return bool(self._condition.holds(_Values(values))[0])


def check_failure(text: str, signals: Collection[str]) -> None:
    """Raise UserError for a definition of failure that is no condition on numbers, or that names what is no metric and no signal."""
    Condition(text, _known(signals), PLACE).holds(_Values({}))


def _known(signals: Collection[str]) -> list[str]:
    return [*METRICS, *GRADES, *signals]


class _Values(Source):
    """The values of one trial."""

    def __init__(self, values: Mapping[str, float]):
        self.values = values

    def __len__(self) -> int:
        return 1

    def operand(self, name: str) -> Operand:
        return Operand("number", np.array([self.values.get(name, np.nan)], dtype=np.float64), name)
