"""Which arguments a function of a plugin must take."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from ganstudy.errors import UserError


def check_takes(function: Callable[..., Any], arguments: Sequence[str], what: str) -> None:
    """Raise UserError unless a function can be called with so many arguments, by position. what: the function and whose it is."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # what cannot be called; a function in C that tells no arguments
        if callable(function):
            return
        raise UserError(f"{what} must be a function of ({', '.join(arguments)}); given {function!r:.60}") from None
    try:
        signature.bind(*arguments)
    except TypeError:
        raise UserError(f"{what} must be a function of ({', '.join(arguments)}); given one of {signature}") from None
