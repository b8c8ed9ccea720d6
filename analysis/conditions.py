"""Conditions on the values of a run, such as "coverage < 0.5": parsed here and never evaluated as code.

A condition joins comparisons with `and` and `or`; `and` binds more tightly, and there are no parentheses. A comparison is one of

    name < number              with <, <=, >, >=, == or !=
    name == text               or !=; quotes are needed only around spaces
    name is missing            or: is not missing

A name with spaces stands in backticks. A missing value (NaN) meets no comparison except `is missing`. Texts are equal in any case of their
letters. In a column of truth values, `true` is also 1; in a column of numbers, a quoted number is a number.
"""

import operator
import re
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.foreign.values import Bools, Unreadable, missing, number, numbers, truths, words
from ganstudy import UserError
from ganstudy.registry import nearest

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_NAME = r"""[^\s<>=!`"']+"""
_TOKEN = re.compile(rf"""\s*(`[^`]+`|"[^"]*"|'[^']*'|<=|>=|==|!=|<|>|=|{_NAME})""")
_FORMS = "'loss > 3', 'loss > 3 or acc < 0.1', 'state == failed' and 'loss is missing'"


def quoted(name: str) -> str:
    """A name as it stands in a condition."""
    return name if re.fullmatch(_NAME, name) and name not in ("and", "or") else f"`{name}`"


@dataclass(frozen=True)
class Comparison:
    """One comparison of a column with a number or a text, or the question whether its value is missing."""

    name: str
    operator: str  # a key of _OPERATORS, "is missing" or "is not missing"
    value: float | str | None = None  # None for the last two

    @property
    def number(self) -> float | None:
        """The number on its right side, quoted or not; None for a text."""
        found = None if self.value is None else number(self.value)
        return None if found is None or np.isnan(found) else found

    def holds(self, frame: pd.DataFrame) -> Bools:
        """[T]: the rows of a frame in which it holds. Raises UserError if texts are compared with a number."""
        column = frame[self.name]
        if self.value is None:
            return missing(column) if self.operator == "is missing" else ~missing(column)
        values, there, value = self._compared(column)
        held: Bools = there & np.asarray(_OPERATORS[self.operator](values, value), dtype=bool)
        return held

    def names_no_value(self, frame: pd.DataFrame) -> bool:
        """Whether it compares with a text that does not occur. Numbers and truth values need not occur."""
        if not isinstance(self.value, str):
            return False
        values, _, value = self._compared(frame[self.name])
        return isinstance(value, str) and value not in values

    def _compared(self, column: pd.Series) -> tuple[npt.NDArray[Any], Bools, bool | float | str]:
        """Return the column [T], where it has a value [T], and what it is compared with: both as truth values, numbers or words."""
        text = str(self.value).strip().lower()
        if text in ("true", "false"):
            with suppress(Unreadable):
                true, without = truths(column)
                return true, ~without, text == "true"
        if self.number is not None:
            try:
                values = numbers(column).to_numpy()
            except Unreadable as problem:
                if not isinstance(self.value, str):
                    raise UserError(
                        f"a column that is compared with a number must hold numbers; {self.name!r} holds {problem.value!r}. "
                        f"Compare texts with == or !=, as in {quoted(self.name)} == {problem.value!r}"
                    ) from None
            else:
                return values, ~np.isnan(values), self.number
        return words(column).to_numpy(), column.notna().to_numpy(dtype=bool), text


@dataclass(frozen=True)
class Condition:
    """A parsed condition. It holds where all comparisons of one of its alternatives hold."""

    text: str
    alternatives: tuple[tuple[Comparison, ...], ...]  # joined by "or"; the comparisons within each by "and"

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """All of its comparisons, in the order of the text."""
        return tuple(comparison for part in self.alternatives for comparison in part)

    def holds(self, frame: pd.DataFrame, *, judged: Callable[[Comparison], Bools] | None = None) -> Bools:
        """[T]: the rows of a frame in which it holds. `judged` gives the rows [T] in which a comparison counts; in others it does not hold."""
        found = np.zeros(len(frame), dtype=bool)
        for part in self.alternatives:
            found |= np.all([each.holds(frame) & (judged(each) if judged else True) for each in part], axis=0)
        return found


def parse(text: str, known: Collection[str]) -> Condition:
    """Return the condition that a text states. `known` names the columns. Raises UserError for a mistake and for an unknown name."""
    tokens, at = [], 0
    for match in _TOKEN.finditer(text):
        if match.start() != at:
            break
        tokens.append(match.group(1))
        at = match.end()
    if text[at:].strip() or not tokens:
        raise _mistake(text, f"{text[at:].strip()!r} cannot be read" if tokens else "it is empty")
    alternatives: list[list[Comparison]] = [[]]
    while True:
        comparison, tokens = _comparison(text, tokens, known)
        alternatives[-1].append(comparison)
        if not tokens:
            return Condition(text, tuple(map(tuple, alternatives)))
        joint, tokens = tokens[0].lower(), tokens[1:]
        if joint == "or":
            alternatives.append([])
        elif joint != "and":
            raise _mistake(text, f"'and' or 'or' must stand before {joint!r}")


def _comparison(text: str, tokens: list[str], known: Collection[str]) -> tuple[Comparison, list[str]]:
    """Return the comparison that the tokens begin with, and the tokens after it."""
    if len(tokens) < 3:
        raise _mistake(text, f"a comparison has three parts; got {' '.join(tokens) or 'none'}")
    name = tokens[0].strip("`\"'")
    if name not in known:
        raise UserError(
            f"a condition must use known names; {text!r} names {name!r}; {nearest(name, known)}there are {sorted(map(str, known))}"
        )
    following = [token.lower() for token in tokens[1:4]]
    for question in ("is missing", "is not missing"):
        if following[: len(question.split())] == question.split():
            return Comparison(name, question), tokens[1 + len(question.split()) :]
    sign, value = tokens[1], tokens[2]
    if sign not in _OPERATORS:
        raise _mistake(text, f"{sign!r} is not among {list(_OPERATORS)} and 'is missing'")
    try:
        number = float(value)
    except ValueError:
        if sign not in ("==", "!="):
            raise _mistake(text, f"{sign} needs a number; got {value!r}") from None
        return Comparison(name, sign, value.strip("\"'")), tokens[3:]
    if np.isnan(number):
        raise _mistake(text, f"write '{name} is missing' instead of comparing with {value}")
    return Comparison(name, sign, number), tokens[3:]


def _mistake(text: str, problem: str) -> UserError:
    return UserError(f"a condition must read like {_FORMS}; got {text!r}: {problem}")
