"""Schedules: how a strength or a rate changes over training. One function of t, the share of the budget that is spent, serves all that fades."""

from math import cos, pi
from typing import Literal

Fading = Literal["constant", "linear", "cosine"]


def fade(t: float, until: float, shape: Fading) -> float:
    """From 1 at t = 0 to 0 at `until` and after: along a line, along half a wave of the cosine, or all at once at the end."""
    if t >= until:
        return 0.0
    return {"constant": 1.0, "linear": 1 - t / until, "cosine": (1 + cos(pi * t / until)) / 2}[shape]


def rise(t: float, over: float) -> float:
    """From 0 at t = 0 along a line to 1 at `over` and after."""
    return 1.0 if t >= over else t / over


def between(start: float, end: float, left: float) -> float:
    """`start` where `left` is 1, `end` where it is 0, a mixture between."""
    return end + (start - end) * left
