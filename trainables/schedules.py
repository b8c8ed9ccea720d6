"""Schedules of weights and learning rates over training, as functions of t, the share of the budget that is spent."""

from math import cos, pi
from typing import Literal

Fading = Literal["constant", "linear", "cosine"]


def fade(t: float, until: float, shape: Fading) -> float:
    """Return a factor that falls from 1 at t = 0 to 0 at t >= `until`: linearly, as half a cosine wave, or in one step at `until` (constant)."""
    if t >= until:
        return 0.0
    return {"constant": 1.0, "linear": 1 - t / until, "cosine": (1 + cos(pi * t / until)) / 2}[shape]


def rise(t: float, over: float) -> float:
    """Return a factor that rises linearly from 0 at t = 0 to 1 at t >= `over`."""
    return 1.0 if t >= over else t / over


def between(start: float, end: float, left: float) -> float:
    """Interpolate linearly: `start` at left = 1, `end` at left = 0."""
    return end + (start - end) * left
