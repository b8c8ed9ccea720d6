"""What every metric asks of its arrays, in one place."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def as_points(name: str, x: ArrayLike, *, least: int = 2) -> Floats:
    """`x` as float64 [N, D] with N >= `least` and all values finite. Raises ValueError that names the array and what is wrong."""
    points = np.asarray(x, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] < 1:
        raise ValueError(f"{name} must be an array [N, D] with D of at least 1; given is the shape {list(points.shape)}")
    if len(points) < least:
        raise ValueError(f"{name} must hold at least {least} points; given are {len(points)}")
    if not np.isfinite(points).all():
        bad = int((~np.isfinite(points)).any(axis=1).sum())
        raise ValueError(f"{name} must hold finite values only; {bad} of {len(points)} points hold NaN or infinity")
    return points


def same_dimension(name_x: str, x: Floats, name_y: str, y: Floats) -> None:
    """Raises ValueError unless the last axes of both arrays are equally long."""
    if x.shape[-1] != y.shape[-1]:
        raise ValueError(f"{name_x} and {name_y} must have the same dimension D; given are {x.shape[-1]} and {y.shape[-1]}")
