"""Comparisons of squared distances between many points: which are smaller than a limit, and which is k-th smallest. Exact to float64.

Nearly all of the time goes into matrix products, and on a CPU float32 takes half as long as float64. There, distances are first computed in
float32 together with an error bound, and again in float64 wherever a comparison is closer than that bound. On a GPU all are computed in float64.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.metrics.arrays import Floats, library

Singles = NDArray[np.float32]

# Squared distances from products in float64, |x|^2 + |y|^2 - 2xy, have a rounding error of about D * 1e-16 of the squared lengths.
_SAME = 1e-12  # a squared distance below this share of the squared lengths counts as 0
_MANY = 0.01  # above this share of close comparisons, float64 for the whole block is faster than pair by pair


@dataclass(frozen=True, eq=False)
class Block:
    """Squared distances from the points `x` [n, D], which are `rows` of their set, to all of `y` [M, D].

    They differ from `quick` [n, M] times `unit` by at most `error` times `unit`.
    """

    rows: slice
    size: int
    x: Floats | Singles
    y: Floats | Singles
    centre: Floats
    quick: Singles
    unit: float
    error: float

    def smallest(self, k: int) -> Floats:
        """Return the k-th smallest squared distance [n] of each point, k counted from 0."""
        kth: Floats
        least = np.partition(self.quick, k, axis=1)[:, : k + 1]
        low, high = least[:, k:] - 2 * self.error, least[:, k:] + 2 * self.error
        close = np.flatnonzero((self.quick >= low) & (self.quick <= high))  # all others compare the same way in float64
        if len(close) > _MANY * self.quick.size:
            kth = np.partition(self._products(), k, axis=1)[:, k]
            return kth
        i, j = np.divmod(close, len(self.y))
        exact = self._pairs(i, j)
        first = np.searchsorted(i, np.arange(len(least)))  # first close distance of each point
        nearer = (least < low).sum(axis=1)
        kth = exact[np.lexsort((exact, i))][first + k - nearer]
        return kth

    def less(self, limits: Floats) -> NDArray[np.bool_]:
        """Return where [n, M] the squared distances are less than `limits` [n, 1] or [1, M]."""
        about = (limits / self.unit).astype(np.float32)
        less = self.quick < about - self.error
        close = np.flatnonzero(less ^ (self.quick < about + self.error))
        if len(close) > _MANY * less.size:
            return self._products() < limits
        i, j = np.divmod(close, len(self.y))
        less[i, j] = self._pairs(i, j) < np.broadcast_to(limits, less.shape)[i, j]
        return less

    def _pairs(self, i: NDArray[np.intp], j: NDArray[np.intp]) -> Floats:
        """Return the squared distances from x[i] to y[j], computed from differences."""
        step = max(1, self.size // (8 * self.y.shape[1]))
        parts = [np.empty(0)]
        for s in range(0, len(i), step):
            difference = np.subtract(self.x[i[s : s + step]], self.y[j[s : s + step]], dtype=np.float64)
            parts.append(_squares(difference))
        return np.concatenate(parts)

    def _products(self) -> Floats:
        """Return all squared distances [n, M], computed from products in float64."""
        distances = np.empty(self.quick.shape)
        x = self.x - self.centre
        for columns in _slices(len(self.y), self.y.shape[1], self.size):
            distances[:, columns] = _by_products(x, self.y[columns] - self.centre)
        return distances


@dataclass(frozen=True, eq=False)
class TensorBlock:
    """Squared distances float64 [n, M] from the points `rows` of their set to all of another, on a device."""

    rows: slice
    squared: Any

    def smallest(self, k: int) -> Any:
        """Return the k-th smallest squared distance [n] of each point, k counted from 0."""
        return self.squared.topk(k + 1, dim=1, largest=False).values[:, k]

    def less(self, limits: Any) -> Any:
        """Return where [n, M] the squared distances are less than `limits` [n, 1] or [1, M]."""
        return self.squared < limits


def blocks(x: Any, y: Any, *, size: int) -> Iterator[Block | TensorBlock]:
    """Yield the squared distances from all of `x` [N, D] to all of `y` [M, D], in blocks of at most `size` numbers.

    x and y are float32 or float64, both arrays or both tensors on one device.
    """
    return _array_blocks(x, y, size) if isinstance(x, np.ndarray) else _tensor_blocks(x, y, size)


def _tensor_blocks(x: Any, y: Any, size: int) -> Iterator[TensorBlock]:
    centre = x.double().mean(dim=0)
    others = y.double() - centre
    for rows in _slices(len(x), max(y.shape), size):
        yield TensorBlock(rows, _by_products(x[rows].double() - centre, others))


def _by_products(x: Any, y: Any) -> Any:
    """Return the squared distances [N, M] of float64 points, computed from products. Those that are only rounding errors are 0."""
    lengths = _squares(x)[:, None] + _squares(y)
    squared = lengths - 2 * (x @ y.T)
    squared[squared <= _SAME * lengths] = 0
    return squared


def _array_blocks(x: Floats | Singles, y: Floats | Singles, size: int) -> Iterator[Block]:
    d = y.shape[1]
    centre = x.mean(axis=0, dtype=np.float64)  # a large common offset would cost precision
    longest = max(float(_squares(z[rows] - centre).max()) for z in ([x] if x is y else [x, y]) for rows in _slices(len(z), d, size))
    unit = max(longest, float(np.finfo(np.float64).tiny))  # scales the longest vector to 1, so that nothing overflows in float32
    # |x|^2 + |y|^2 - 2xy as one product, of (-2x, |x|^2, 1) and (y, 1, |y|^2)
    right = np.ones((len(y), d + 2), dtype=np.float32)
    for rows in _slices(len(y), d, size):
        part = (y[rows] - centre) / np.sqrt(unit)
        right[rows, :d], right[rows, d + 1] = part, _squares(part)
    # Higham 2002, 3.1: the error of a sum of n products is at most n u / (1 - n u) times the sum of their sizes, here at most 4;
    # n is a little larger than D + 2, because factors and limits are rounded as well
    rounding = (d + 8) * 2.0**-24
    error = 4 * rounding / (1 - rounding)
    for rows in _slices(len(x), max(len(y), d), size):
        part = (x[rows] - centre) / np.sqrt(unit)
        left = np.ones((len(part), d + 2), dtype=np.float32)
        left[:, :d], left[:, d] = -2 * part, _squares(part)
        yield Block(rows, size, x[rows], y, centre, left @ right.T, unit, error)


def _squares(x: Any) -> Any:
    """Return the squared lengths [N] of vectors [N, D]."""
    return library(x).einsum("nd,nd->n", x, x)


def _slices(n: int, width: int, size: int) -> Iterator[slice]:
    """Return slices over n rows of `width` numbers; each has at least one row and otherwise at most `size` numbers."""
    step = max(1, size // width)
    return (slice(start, start + step) for start in range(0, n, step))
