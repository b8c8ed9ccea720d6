"""Conditions on trials: what they mean. They are parsed and never run as code.

A condition is made of

    coverage > 0.8              comparisons with <, <=, >, >=, == and !=, also 0.1 < coverage < 0.9
    arch == 'mlp'               texts, with == and != only; quotes may be left out around a word that occurs in the column
    seed in [1, 2]              or: not in
    g.slope is missing          or: is not missing
    r1                          a switch that is on
    d.lr / g.lr > 2             arithmetic with + - * / // % **
    and, or, not, ( )           & | ~ mean the same as and, or, not

Names stand as they are, with dots, slashes and the signs of a known name, or in backticks. A sign between two names computes, unless both
together are a name. Texts are equal in any case of their letters. A text in quotes that is compared with numbers or switches is read as one.

A missing value makes a comparison neither true nor false, as in SQL: where g.slope does not apply, neither `g.slope < 0.2` nor
`not g.slope < 0.2` selects a trial, but `g.slope < 0.2 or g.slope is missing` does. The result of a division by zero is missing.
"""

import ast
import operator
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.arrays import BooleanArray

from analysis.conditions.operands import Bools, Operand, Source, constant, folded, known, nowhere
from analysis.conditions.parsed import Parsed, Place
from ganstudy.registry import nearest

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
_KINDS: Mapping[str, str] = {
    "number": "a number",
    "truth": "a truth value",
    "text": "a text",
    "mixed": "not of one kind in all trials",
    "nothing": "missing",
}
_INFINITE = ("inf", "infinity")
_NO_VALUE = ("nan", "none", "null", "na", "n/a", "missing")
_SHOWN = 8  # values of a column in a message


class Condition:
    """A condition that has been read."""

    def __init__(self, text: str, known: Collection[str], place: Place):
        """known: the names that it may use. Raises UserError for a text that cannot be read; names are checked when it is evaluated."""
        self.parsed = Parsed(text, known, place)

    @property
    def names(self) -> list[str]:
        """The known names in it, in its order."""
        return [name for name in self.parsed.names if name in self.parsed.known]

    @property
    def unknown(self) -> list[str]:
        """The words in it that are no known names: texts without quotes, or mistakes."""
        return [name for name in self.parsed.names if name not in self.parsed.known]

    def holds(self, source: Source) -> Bools:
        """[T]: where it is true. Raises UserError for anything that is no condition on this source, and for an unknown name."""
        try:
            found = _Evaluated(self.parsed, source).truth(self.parsed.tree)
        except RecursionError:
            raise self.parsed.too_deep() from None
        if not self.parsed.has_a_known_name(self.parsed.tree):
            raise self.parsed.wrong("it names no value of a trial")
        return found.to_numpy(bool, na_value=False)


class _Evaluated:
    """The parts of a condition on a source."""

    def __init__(self, parsed: Parsed, source: Source):
        self.parsed, self.source = parsed, source

    def truth(self, node: ast.expr) -> BooleanArray:
        """[T]: a condition, or a switch."""
        match node:
            case ast.BoolOp(op=ast.And()):
                return _joined(operator.and_, [self.truth(each) for each in node.values])
            case ast.BoolOp():
                return _joined(operator.or_, [self.truth(each) for each in node.values])
            case ast.UnaryOp(op=ast.Not()):
                return ~self.truth(node.operand)
            case ast.Compare():
                sides = [node.left, *node.comparators]
                return _joined(operator.and_, [self._compared(*each) for each in zip(node.ops, sides, sides[1:], strict=False)])
        found = self._operand(node)
        if found.kind == "nothing":
            return nowhere(len(self.source))
        if not isinstance(found.values, BooleanArray):
            raise self.parsed.wrong(f"{found.given} is neither true nor false; compare it, as in {_example(found)}")
        return self._where_counted("truth", found.values)

    def _compared(self, sign: ast.cmpop, left: ast.expr, right: ast.expr) -> BooleanArray:
        """[T]: a comparison."""
        if isinstance(sign, ast.Is | ast.IsNot):
            if not (isinstance(right, ast.Constant) and right.value is None):
                raise self.parsed.wrong("after `is` and `is not`, only the word missing may stand")
            missing = pd.isna(self._operand(left).objects)
            return self._where_counted("missing", known(missing if isinstance(sign, ast.Is) else ~missing))
        if isinstance(sign, ast.In | ast.NotIn):
            if not isinstance(right, ast.List | ast.Tuple) or not right.elts:
                raise self.parsed.wrong("after `in`, a list must stand, such as [1, 2]")
            found = _joined(operator.or_, [self._compared(ast.Eq(), left, each) for each in right.elts])
            return found if isinstance(sign, ast.In) else ~found
        a, b = self._side(left, right), self._side(right, left)
        if not (self.parsed.has_a_known_name(left) or self.parsed.has_a_known_name(right)):
            raise self.parsed.wrong(f"{a.given} is compared with {b.given}; one of them must be a name of {self.parsed.place.names}")
        if "nothing" in (a.kind, b.kind):
            return nowhere(len(self.source))
        kinds = {a.kind, b.kind}
        numeric, texts = kinds <= {"number", "truth"}, kinds & {"text", "mixed"}
        if (texts and type(sign) in _ORDER) or (texts == {"text"} and len(kinds) > 1):
            raise self.parsed.wrong(
                f"{_said(a)} and {_said(b)}; texts are compared with texts, by == or !=, and only numbers by <, <=, > or >="
            )
        if kinds == {"number", "truth"} and not all(np.isin(each.numbers[~np.isnan(each.numbers)], (0, 1)).all() for each in (a, b)):
            raise self.parsed.wrong(f"{_said(a)} and {_said(b)}; only 0 and 1 are compared with a truth value")
        x, y = (a.numbers, b.numbers) if numeric else (a.comparable, b.comparable)
        compared = BooleanArray(np.asarray(_COMPARED[type(sign)](x, y), dtype=bool), np.asarray(pd.isna(x) | pd.isna(y)))
        return self._where_counted("number" if kinds == {"number"} else "truth" if "truth" in kinds else "text", compared)

    def _where_counted(self, kind: str, found: BooleanArray) -> BooleanArray:
        """[T]: what was found, missing where the source does not count it."""
        counted = self.source.counted(kind)
        return found if counted is None else BooleanArray(found.to_numpy(bool, na_value=False), np.asarray(found.isna() | ~counted))

    def _side(self, node: ast.expr, other: ast.expr) -> Operand:
        """Return a side of a comparison. Texts and words are read as what the other side holds, if that names a column."""
        word = self.parsed.name(node) if isinstance(node, ast.Name) else ""
        quoted = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if not (quoted or (word and word not in self.parsed.known)) or not self.parsed.has_a_known_name(other):
            return self._operand(node)
        text = str(node.value) if isinstance(node, ast.Constant) else word
        column = self._operand(other)
        if column.kind in ("number", "nothing") and (number := _number(text)) is not None:
            return constant("number", number, self.parsed.given(node), len(self.source))
        if column.kind == "truth" and text.lower() in ("true", "false"):
            return constant("truth", text.lower() == "true", text, len(self.source))
        if text.lower() in _NO_VALUE and (word or column.kind not in ("text", "mixed")):
            raise self.parsed.wrong(f"what has no value equals nothing; write {column.given} is missing")
        if column.kind in ("text", "mixed"):
            if folded(text) in column.comparable or self.source.may_lack(text, quoted=quoted):
                return constant("text", text, repr(text), len(self.source))
            raise self._absent(text, column, quoted=quoted)
        if column.kind == "number" and (setting := f"config.{column.given}") in self.parsed.known:
            raise self.parsed.wrong(f"{column.given} is a metric or signal here; the setting is {setting}")
        if quoted:
            return self._operand(node)
        raise self.parsed.unknown(
            word, f"{column.given} is a switch: write {column.given}, or not {column.given}" if column.kind == "truth" else ""
        )

    def _absent(self, text: str, column: Operand, *, quoted: bool) -> Exception:
        """Return the error for a text that does not occur."""
        held = list(dict.fromkeys(str(value) for value in column.objects if value is not None))
        shown = ", ".join([*map(repr, held[:_SHOWN]), *["…"] * (len(held) > _SHOWN)])
        names = [] if quoted else [name for name in self.parsed.known if self.source.operand(name).kind in ("text", "mixed")]
        near = nearest(text, [*held, *names]) or nearest(text.lower(), [each.lower() for each in held])
        advice = f". A text that need not occur stands in quotes: {text!r}" if self.source.may_lack(text, quoted=True) else ""
        return self.parsed.wrong(f"{column.given} is never {text!r}; {near}it holds {shown or 'no value'}{advice}")

    def _operand(self, node: ast.expr) -> Operand:
        """Return the values of a part of the condition."""
        n = len(self.source)
        match node:
            case ast.Name():
                if (name := self.parsed.name(node)) in self.parsed.known:
                    return self.source.operand(name)
                if name.lower() in _INFINITE:
                    return constant("number", np.inf, name, n)
                raise self.parsed.unknown(name)
            case ast.Constant(value=bool()):
                return constant("truth", node.value, str(node.value), n)
            case ast.Constant(value=str()):
                return constant("text", node.value, repr(node.value), n)
            case ast.Constant(value=int() | float() as number):
                return constant("number", self._finite(number), self.parsed.given(node), n)
            case ast.UnaryOp(op=ast.USub() | ast.UAdd()):
                values = self._numbers(node.operand)
                return Operand("number", -values if isinstance(node.op, ast.USub) else values, self.parsed.given(node))
            case ast.BinOp() if type(node.op) in _COMPUTED:
                x, y = self._numbers(node.left), self._numbers(node.right)
                with np.errstate(all="ignore"):  # what is not finite is missing
                    values = _COMPUTED[type(node.op)](x, y)
                missing = np.isnan(x) | np.isnan(y) | ~np.isfinite(values)  # in NumPy, NaN ** 0 is 1
                return Operand("number", np.where(missing, np.nan, values), self.parsed.given(node))
            case ast.BoolOp() | ast.Compare() | ast.UnaryOp(op=ast.Not()):
                return Operand("truth", self.truth(node), f"({self.parsed.given(node)})")
        raise self.parsed.refused(f"{self.parsed.given(node)} is not allowed")

    def _numbers(self, node: ast.expr) -> npt.NDArray[np.float64]:
        """[T]: a part of a computation."""
        found = self._operand(node)
        if found.kind not in ("number", "nothing"):
            raise self.parsed.wrong(f"only numbers can be computed with; {_said(found)}")
        return found.numbers.astype(np.float64)

    def _finite(self, value: float) -> float:
        try:
            number = float(value)
        except OverflowError:
            number = np.inf
        if not np.isfinite(number):
            raise self.parsed.wrong("it contains a number that is too large")
        return number


def _said(part: Operand) -> str:
    """Return what kind of value a part is, for messages."""
    example = next((value for value in part.objects if isinstance(value, str)), None) if part.kind in ("text", "mixed") else None
    such = "" if example is None or repr(example) == part.given else f" (such as {example!r})"
    return f"{part.given} is {_KINDS[part.kind]}{such}"


def _number(text: str) -> float | None:
    """Return the number that a text states, which may be infinite; None for another text and for NaN."""
    try:
        number = float(text)
    except ValueError:
        return None
    return None if np.isnan(number) else number


def _example(part: Operand) -> str:
    """Return a comparison that would be allowed."""
    return f"{part.given} > 0.5" if part.kind == "number" else f"{part.given} == {next(filter(None, part.objects), '')!r}"


def _joined(how: Callable[[Any, Any], Any], parts: list[BooleanArray]) -> BooleanArray:
    """[T]: parts joined by and, or by or. pandas knows what a missing truth value does to them (Kleene's logic)."""
    found = parts[0]
    for part in parts[1:]:
        found = how(found, part)
    return found
