"""Refuses constraints that no config can keep to, and a definition of failure that is the same for all trials: both by the bounds of metrics."""

import ast
from math import inf

from analysis.conditions.parsed import Parsed
from analysis.metrics import METRICS
from ganstudy import UserError
from study.spec.failure import PLACE, Failure
from study.spec.study_spec import StudySpec
from trainables.signal_names import signal_names


def refuse_out_of_bounds(spec: StudySpec) -> None:
    """Raise UserError for a constraint that no value of its metric meets, and for a `failure` that is never or always true."""
    for limit in spec.limits:
        bounds = METRICS[limit.name].bounds if limit.name in METRICS else (-inf, inf)
        if not any(map(limit.holds, bounds)):
            raise UserError(
                f"constraints must be limits that a config can keep to; given {limit}, and {_said(limit.name)}. Change the limit"
            )
    if spec.failure is None:
        return
    parsed = Failure(spec.failure, signal_names()).parsed
    if (truth := _truth(parsed.tree, parsed)) is not None:
        bounds_of = "; ".join(_said(name) for name in parsed.names if name in METRICS)
        when = "always" if truth else "never"
        raise UserError(f"{PLACE.key} must be true of some trials and false of others; {spec.failure!r} is {when} true, since {bounds_of}")


def _said(name: str) -> str:
    low, high = METRICS[name].bounds
    return f"{name} is " + (f"at least {low:g}" if high == inf else f"at most {high:g}" if low == -inf else f"from {low:g} to {high:g}")


def _truth(node: ast.expr, parsed: Parsed) -> bool | None:
    """Return whether a part of a condition is true of all trials, or of none (False); None if it depends on the trial, or may."""
    match node:
        case ast.BoolOp():
            return _joined([_truth(each, parsed) for each in node.values], decisive=isinstance(node.op, ast.Or))
        case ast.UnaryOp(op=ast.Not()):
            found = _truth(node.operand, parsed)
            return None if found is None else not found
        case ast.Compare():
            sides = [_bounds(each, parsed) for each in (node.left, *node.comparators)]
            return _joined([_compared(*each) for each in zip(node.ops, sides, sides[1:], strict=False)], decisive=False)
    return None


def _joined(parts: list[bool | None], *, decisive: bool) -> bool | None:
    return decisive if decisive in parts else None if None in parts else not decisive


def _compared(sign: ast.cmpop, left: tuple[float, float], right: tuple[float, float]) -> bool | None:
    match sign:
        case ast.Lt():
            return True if left[1] < right[0] else False if left[0] >= right[1] else None
        case ast.Gt():
            return _compared(ast.Lt(), right, left)
        case ast.LtE() | ast.GtE():
            found = _compared(ast.Gt() if isinstance(sign, ast.LtE) else ast.Lt(), left, right)
            return None if found is None else not found
        case ast.Eq() | ast.NotEq() if left[1] < right[0] or right[1] < left[0]:
            return isinstance(sign, ast.NotEq)
    return None


def _bounds(node: ast.expr, parsed: Parsed) -> tuple[float, float]:
    """Return the least and the greatest value of a side of a comparison."""
    match node:
        case ast.Name() if (name := parsed.name(node)) in METRICS:
            return METRICS[name].bounds
        case ast.Constant(value=int() | float() as number):
            return float(number), float(number)
        case ast.UnaryOp(op=ast.USub()):
            low, high = _bounds(node.operand, parsed)
            return -high, -low
    return -inf, inf
