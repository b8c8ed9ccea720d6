"""Numbers that plugins hand over, metrics and signals, and numbers of things that are asked for."""

import math
from numbers import Integral, Real
from typing import Any

from ganstudy.errors import UserError


def number(value: Any, what: str) -> float:
    """Return a number of any library as a float: of Python, of NumPy, or an array or tensor without dimensions.

    Raises UserError for anything else; `what` names the value and whose it is.
    """
    given = value.item() if getattr(value, "ndim", None) == 0 else value
    if not isinstance(given, Real):
        shape = getattr(value, "shape", None)
        told = f"an array of shape {list(shape)}" if shape is not None and len(shape) else f"{value!r:.60} ({type(value).__name__})"
        raise UserError(f"{what} must be one number; given is {told}. Return a float")
    return float(given)


def finite(value: Any, what: str) -> float:
    """`number`, which must also be finite. Raises UserError if it is not."""
    if not math.isfinite(found := number(value, what)):
        raise UserError(f"{what} must be a finite number; given is {found}. Mend what computes it: it is no result of a trial")
    return found


def whole(value: Any, what: str) -> int:
    """Return a whole number from 1 on, of Python or NumPy. Raises UserError for anything else; `what` names it."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise UserError(f"{what} must be a whole number, at least 1; given {value!r}")
    return int(value)
