"""Checks that all metrics apply to their arrays."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ganstudy import UserError

Floats = NDArray[np.float64]


def as_points(name: str, x: ArrayLike, *, least: int = 2) -> Floats:
    """Return `x` as finite float64 [N, D] with N >= `least`. Raises UserError with the array's name and the problem."""
    points = np.asarray(x, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] < 1:
        raise UserError(f"{name} must be an array [N, D] with D of at least 1; given is the shape {list(points.shape)}")
    if len(points) < least:
        raise UserError(f"{name} must hold at least {least} points; given are {len(points)}")
    if not np.isfinite(points).all():
        bad = int((~np.isfinite(points)).any(axis=1).sum())
        raise UserError(f"{name} must hold finite values only; {bad} of {len(points)} points hold NaN or infinity")
    return points


def same_dimension(name_x: str, x: Floats, name_y: str, y: Floats) -> None:
    """Raise UserError unless the last axes of both arrays have the same length."""
    if x.shape[-1] != y.shape[-1]:
        raise UserError(f"{name_x} and {name_y} must have the same dimension D; given are {x.shape[-1]} and {y.shape[-1]}")
