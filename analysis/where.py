"""Which trials a condition selects, such as "d.lr < 1e-3 and coverage > 0.8": parsed here and never run as code.

A condition is made of

    coverage > 0.8              comparisons with <, <=, >, >=, == and !=, also 0.1 < coverage < 0.9
    arch == 'mlp'               texts, with == and != only; quotes may be left out around a word that occurs in the column
    seed in [1, 2]              or: not in
    g.slope is missing          or: is not missing
    r1                          a switch that is on
    d.lr / g.lr > 2             arithmetic with + - * / // % **
    and, or, not, ( )           & | ~ mean the same as and, or, not

Names stand as they are, with dots and slashes, or in backticks. A slash between two names divides, unless both together are a name.

A missing value makes a comparison neither true nor false, as in SQL: where g.slope does not apply, neither `g.slope < 0.2` nor
`not g.slope < 0.2` selects a trial, but `g.slope < 0.2 or g.slope is missing` does. The result of a division by zero is missing.
"""

import ast
import operator
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.arrays import BooleanArray

from analysis.parsed import Parsed

Bools = npt.NDArray[np.bool_]

_ORDER: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_COMPARED: dict[type[ast.AST], Callable[[Any, Any], Any]] = {**_ORDER, ast.Eq: operator.eq, ast.NotEq: operator.ne}
_COMPUTED: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}


@dataclass(frozen=True)
class _Operand:
    """A value of each trial. kind: number, truth, text, mixed (several of these), or nothing (missing in all trials)."""

    kind: str
    values: Any  # [T]: float64 with NaN, BooleanArray, or objects with None
    given: str  # as it stands in the condition

    @property
    def numbers(self) -> npt.NDArray[np.float64]:
        """[T]: its numbers; a truth value is 0 or 1."""
        values = self.values.to_numpy(np.float64, na_value=np.nan) if isinstance(self.values, BooleanArray) else self.values
        return np.asarray(values, dtype=np.float64)

    @property
    def objects(self) -> npt.NDArray[np.object_]:
        """[T]: its values, None where they are missing."""
        values = pd.Series(self.values, dtype=object)
        return values.where(values.notna(), None).to_numpy(object)


def selected(frame: pd.DataFrame, where: str) -> Bools:
    """[T]: the rows of a frame for which a condition on its columns is true.

    Raises UserError for anything that is no condition, and for a name that is no column.
    """
    if not len(frame):
        return np.zeros(0, dtype=bool)
    parsed = Parsed(where, frame.columns)
    try:
        return _Condition(frame, parsed).rows()
    except RecursionError:
        raise parsed.too_deep() from None


def named(where: str, columns: Collection[str]) -> list[str]:
    """Return which columns a condition names. Raises UserError for a text that cannot be read."""
    return [name for name in Parsed(where, columns).names if name in columns]


class _Condition:
    """A condition on the columns of a frame."""

    def __init__(self, frame: pd.DataFrame, parsed: Parsed):
        self.frame, self.parsed = frame, parsed

    def rows(self) -> Bools:
        """[T]: where it is true."""
        found = self._truth(self.parsed.tree)
        if not self.parsed.has_a_known_name(self.parsed.tree):
            raise self.parsed.wrong("it names no setting, metric or signal")
        return found.to_numpy(bool, na_value=False)

    def _truth(self, node: ast.expr) -> BooleanArray:
        """[T]: a condition, or a switch."""
        match node:
            case ast.BoolOp(op=ast.And()):
                return _joined(operator.and_, [self._truth(each) for each in node.values])
            case ast.BoolOp():
                return _joined(operator.or_, [self._truth(each) for each in node.values])
            case ast.UnaryOp(op=ast.Not()):
                return ~self._truth(node.operand)
            case ast.Compare():
                sides = [node.left, *node.comparators]
                return _joined(operator.and_, [self._compared(*each) for each in zip(node.ops, sides, sides[1:], strict=False)])
        found = self._operand(node)
        if found.kind == "nothing":
            return _nowhere(len(self.frame))
        if not isinstance(found.values, BooleanArray):
            raise self.parsed.wrong(f"{found.given} is neither true nor false; compare it, as in {_example(found)}")
        return found.values

    def _compared(self, sign: ast.cmpop, left: ast.expr, right: ast.expr) -> BooleanArray:
        """[T]: a comparison."""
        if isinstance(sign, ast.Is | ast.IsNot):
            if not (isinstance(right, ast.Name) and self.parsed.name(right) == "missing"):
                raise self.parsed.wrong("after `is` and `is not`, only the word missing may stand")
            missing = pd.isna(self._operand(left).objects)
            return _known(missing if isinstance(sign, ast.Is) else ~missing)
        if isinstance(sign, ast.In | ast.NotIn):
            if not isinstance(right, ast.List | ast.Tuple) or not right.elts:
                raise self.parsed.wrong("after `in`, a list must stand, such as [1, 2]")
            found = _joined(operator.or_, [self._compared(ast.Eq(), left, each) for each in right.elts])
            return found if isinstance(sign, ast.In) else ~found
        a, b = self._side(left, right), self._side(right, left)
        if not (self.parsed.has_a_known_name(left) or self.parsed.has_a_known_name(right)):
            raise self.parsed.wrong(f"{a.given} is compared with {b.given}; one of them must name a setting, metric or signal")
        if "nothing" in (a.kind, b.kind):
            return _nowhere(len(self.frame))
        numeric, texts = {a.kind, b.kind} <= {"number", "truth"}, {a.kind, b.kind} & {"text", "mixed"}
        if (texts and type(sign) in _ORDER) or (texts == {"text"} and a.kind != b.kind):
            kinds = " and ".join(f"{each.given} is {_KINDS[each.kind]}" for each in (a, b))
            raise self.parsed.wrong(f"{kinds}; texts are compared with texts, by == or !=, and only numbers by <, <=, > or >=")
        x, y = (a.numbers, b.numbers) if numeric else (a.objects, b.objects)
        return BooleanArray(np.asarray(_COMPARED[type(sign)](x, y), dtype=bool), np.asarray(pd.isna(x) | pd.isna(y)))

    def _side(self, node: ast.expr, other: ast.expr) -> _Operand:
        """Return a side of a comparison. A word that is no column is a text if it occurs in the column on the other side."""
        if (
            isinstance(node, ast.Name)
            and (word := self.parsed.name(node)) not in self.frame.columns
            and self.parsed.has_a_known_name(other)
        ):
            column = self._operand(other)
            if column.kind in ("text", "mixed") and word in column.objects:
                return self._same("text", word, repr(word))
            switch = f"{column.given} is a switch: write {column.given}, or not {column.given}"
            quotes = f"A text stands in quotes: {word!r}"
            raise self.parsed.unknown(word, {"truth": switch, "text": quotes, "mixed": quotes}.get(column.kind, ""))
        return self._operand(node)

    def _operand(self, node: ast.expr) -> _Operand:
        """Return the values of a part of the condition."""
        match node:
            case ast.Name():
                return self._column(self.parsed.name(node))
            case ast.Constant(value=bool()):
                return self._same("truth", node.value, str(node.value))
            case ast.Constant(value=str()):
                return self._same("text", node.value, repr(node.value))
            case ast.Constant(value=int() | float() as number):
                return self._same("number", self._number(number), self.parsed.given(node))
            case ast.UnaryOp(op=ast.USub() | ast.UAdd()):
                values = self._numbers(node.operand)
                return _Operand("number", -values if isinstance(node.op, ast.USub) else values, self.parsed.given(node))
            case ast.BinOp() if type(node.op) in _COMPUTED:
                x, y = self._numbers(node.left), self._numbers(node.right)
                with np.errstate(all="ignore"):  # what is not finite is missing
                    values = _COMPUTED[type(node.op)](x, y)
                missing = np.isnan(x) | np.isnan(y) | ~np.isfinite(values)  # in NumPy, NaN ** 0 is 1
                return _Operand("number", np.where(missing, np.nan, values), self.parsed.given(node))
            case ast.BoolOp() | ast.Compare() | ast.UnaryOp(op=ast.Not()):
                return _Operand("truth", self._truth(node), f"({self.parsed.given(node)})")
        raise self.parsed.refused(f"{self.parsed.given(node)} is not allowed")

    def _numbers(self, node: ast.expr) -> npt.NDArray[np.float64]:
        """[T]: a part of a computation."""
        found = self._operand(node)
        if found.kind not in ("number", "nothing"):
            raise self.parsed.wrong(f"only numbers can be computed with; {found.given} is {_KINDS[found.kind]}")
        return found.numbers.astype(np.float64)

    def _column(self, name: str) -> _Operand:
        if name not in self.frame.columns:
            raise self.parsed.unknown(name)
        column = self.frame[name]
        kinds = {_kind(value) for value in column.dropna()} or {"nothing"}
        kind = kinds.pop() if len(kinds) == 1 else "mixed"
        if kind == "truth":
            return _Operand(kind, BooleanArray(column.eq(True).to_numpy(bool), column.isna().to_numpy(bool)), name)
        if kind in ("number", "nothing"):
            values = pd.to_numeric(column).to_numpy(np.float64, na_value=np.nan)
            return _Operand(kind, np.where(np.isfinite(values), values, np.nan), name)
        return _Operand(kind, column.to_numpy(object), name)

    def _same(self, kind: str, value: object, given: str) -> _Operand:
        """Return a value that is the same for all trials."""
        values: npt.NDArray[Any] = np.full(len(self.frame), value, dtype={"number": float, "truth": bool, "text": object}[kind])
        return _Operand(kind, _known(values) if kind == "truth" else values, given)

    def _number(self, value: float) -> float:
        try:
            number = float(value)
        except OverflowError:
            number = np.inf
        if not np.isfinite(number):
            raise self.parsed.wrong("it contains a number that is too large")
        return number


_KINDS: Mapping[str, str] = {
    "number": "a number",
    "truth": "a truth value",
    "text": "a text",
    "mixed": "not of one kind in all trials",
}


def _kind(value: object) -> str:
    if isinstance(value, bool | np.bool_):
        return "truth"
    return "text" if isinstance(value, str) else "number" if isinstance(value, int | float | np.number) else "mixed"


def _example(operand: _Operand) -> str:
    """Return a comparison that would be allowed."""
    return f"{operand.given} > 0.5" if operand.kind == "number" else f"{operand.given} == {next(filter(None, operand.objects), '')!r}"


def _joined(how: Callable[[Any, Any], Any], parts: list[BooleanArray]) -> BooleanArray:
    """[T]: parts joined by and, or by or. pandas knows what a missing truth value does to them (Kleene's logic)."""
    found = parts[0]
    for part in parts[1:]:
        found = how(found, part)
    return found


def _known(truths: Bools) -> BooleanArray:
    return BooleanArray(np.asarray(truths, dtype=bool), np.zeros(len(truths), dtype=bool))


def _nowhere(n: int) -> BooleanArray:
    """[n]: missing everywhere."""
    return BooleanArray(np.zeros(n, dtype=bool), np.ones(n, dtype=bool))
