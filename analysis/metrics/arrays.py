"""Checks that all metrics apply to their arrays, and what lets the costly ones compute on a GPU.

A costly metric works in the array library of its arguments: NumPy, or PyTorch for tensors, which stay on their device.
"""

from typing import Any

import numpy as np
from array_api_compat import array_namespace, is_torch_array
from numpy.typing import ArrayLike, NDArray

from ganstudy import UserError

Floats = NDArray[np.float64]


def library(x: Any) -> Any:
    """Return the functions for an array: numpy's, or torch's under the same names (https://data-apis.org/array-api)."""
    return array_namespace(x)


def on_host(x: Any) -> NDArray[Any]:
    """Return an array, or a tensor of any device, as a NumPy array."""
    return x.cpu().numpy() if is_torch_array(x) else np.asarray(x)


def as_points(name: str, x: ArrayLike, *, least: int = 2) -> Floats:
    """Return `x` as finite float64 [N, D] with N >= `least`; a tensor stays one. Raises UserError with the array's name and the problem."""
    points: Any = x.double() if is_torch_array(x) else np.asarray(x, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] < 1:
        raise UserError(f"{name} must be an array [N, D] with D of at least 1; given is the shape {list(points.shape)}")
    if len(points) < least:
        raise UserError(f"{name} must hold at least {least} points; given are {len(points)}")
    finite = library(points).isfinite(points)
    if not finite.all():
        bad = int((~finite).any(axis=1).sum())
        raise UserError(f"{name} must hold finite values only; {bad} of {len(points)} points hold NaN or infinity")
    return points  # type: ignore[no-any-return]


def same_dimension(name_x: str, x: Any, name_y: str, y: Any) -> None:
    """Raise UserError unless the last axes of both arrays have the same length."""
    if x.shape[-1] != y.shape[-1]:
        raise UserError(f"{name_x} and {name_y} must have the same dimension D; given are {x.shape[-1]} and {y.shape[-1]}")
