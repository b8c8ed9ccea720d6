"""Squared distances between many points, for comparisons: with what is smaller, or k-th smallest. The results are those of float64.

Nearly all of the time goes into products of matrices, and float32 takes half as long as float64. So distances are first taken in float32,
with a bound of their error, and taken again in float64 wherever a comparison is closer than that bound.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.metrics.arrays import Floats

Singles = NDArray[np.float32]

# Squared distances from products in float64, |x|^2 + |y|^2 - 2xy, have a rounding error of about D * 1e-16 of the squared lengths.
SAME = 1e-12  # a squared distance below this share of the squared lengths is 0
MANY = 0.01  # from this share of close comparisons on, float64 for a whole block is quicker than pair by pair


@dataclass(frozen=True, eq=False)
class Block:
    """Squared distances of the points `x` [n, D], which are `rows` of their set, to all of `y` [M, D].

    `quick` [n, M] times `unit` is at most `error` times `unit` away from them.
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
        """The k-th smallest (from 0) squared distance [n] of each point."""
        kth: Floats
        least = np.partition(self.quick, k, axis=1)[:, : k + 1]
        low, high = least[:, k:] - 2 * self.error, least[:, k:] + 2 * self.error
        close = np.flatnonzero((self.quick >= low) & (self.quick <= high))  # all others are on the same side of it in float64
        if len(close) > MANY * self.quick.size:
            kth = np.partition(self._products(), k, axis=1)[:, k]
            return kth
        i, j = np.divmod(close, len(self.y))
        exact = self._pairs(i, j)
        first = np.searchsorted(i, np.arange(len(least)))  # of each point's among the close ones
        nearer = (least < low).sum(axis=1)
        kth = exact[np.lexsort((exact, i))][first + k - nearer]
        return kth

    def less(self, limits: Floats) -> NDArray[np.bool_]:
        """Where [n, M] the squared distances are less than `limits` [n, 1] or [1, M]."""
        about = (limits / self.unit).astype(np.float32)
        less = self.quick < about - self.error
        close = np.flatnonzero(less ^ (self.quick < about + self.error))
        if len(close) > MANY * less.size:
            return self._products() < limits
        i, j = np.divmod(close, len(self.y))
        less[i, j] = self._pairs(i, j) < np.broadcast_to(limits, less.shape)[i, j]
        return less

    def _pairs(self, i: NDArray[np.intp], j: NDArray[np.intp]) -> Floats:
        """Squared distances of x[i] to y[j], from their differences."""
        step = max(1, self.size // (8 * self.y.shape[1]))
        parts = [np.empty(0)]
        for s in range(0, len(i), step):
            difference = np.subtract(self.x[i[s : s + step]], self.y[j[s : s + step]], dtype=np.float64)
            parts.append(_squares(difference))
        return np.concatenate(parts)

    def _products(self) -> Floats:
        """All squared distances [n, M], from products in float64."""
        distances = np.empty(self.quick.shape)
        x = self.x - self.centre
        x_squared = _squares(x)[:, None]
        for columns in _slices(len(self.y), self.y.shape[1], self.size):
            y = self.y[columns] - self.centre
            lengths = x_squared + _squares(y)
            some = lengths - 2 * (x @ y.T)
            some[some <= SAME * lengths] = 0
            distances[:, columns] = some
        return distances


def blocks(x: Floats | Singles, y: Floats | Singles, *, size: int) -> Iterator[Block]:
    """The squared distances of all of `x` [N, D] to all of `y` [M, D], block by block of at most `size` numbers."""
    d = y.shape[1]
    centre = x.mean(axis=0, dtype=np.float64)  # a large common offset would cost the distances their digits
    longest = max(float(_squares(z[rows] - centre).max()) for z in ([x] if x is y else [x, y]) for rows in _slices(len(z), d, size))
    unit = max(longest, float(np.finfo(np.float64).tiny))  # no vector is longer than 1 then, and nothing overflows in float32
    # |x|^2 + |y|^2 - 2xy as one product, of (-2x, |x|^2, 1) and (y, 1, |y|^2)
    right = np.ones((len(y), d + 2), dtype=np.float32)
    for rows in _slices(len(y), d, size):
        part = (y[rows] - centre) / np.sqrt(unit)
        right[rows, :d], right[rows, d + 1] = part, _squares(part)
    # Higham 2002, 3.1: a sum of n products is off by at most n u / (1 - n u) of the sum of their sizes, here at most 4;
    # n is a little larger than D + 2, since factors and limits are rounded as well
    rounding = (d + 8) * 2.0**-24
    error = 4 * rounding / (1 - rounding)
    for rows in _slices(len(x), max(len(y), d), size):
        part = (x[rows] - centre) / np.sqrt(unit)
        left = np.ones((len(part), d + 2), dtype=np.float32)
        left[:, :d], left[:, d] = -2 * part, _squares(part)
        yield Block(rows, size, x[rows], y, centre, left @ right.T, unit, error)


def _squares(x: Floats) -> Floats:
    """Squared lengths [N] of vectors [N, D]."""
    squares: Floats = np.einsum("nd,nd->n", x, x)
    return squares


def _slices(n: int, width: int, size: int) -> Iterator[slice]:
    """Slices of n rows of `width` numbers each, none with more than `size` numbers (but at least one row)."""
    step = max(1, size // width)
    return (slice(start, start + step) for start in range(0, n, step))
