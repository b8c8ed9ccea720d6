"""Kernel distance between two sets of features (called KID in Inception's features). Binkowski et al. 2018, section 4.

The unbiased estimate of the squared maximum mean discrepancy (Gretton et al. 2012, eq. 3) for the kernel k(x, y) = (x . y / D + 1)^3:
the mean of k over pairs of distinct x, plus that over pairs of distinct y, minus twice the mean over all pairs of an x and a y.
It compares means, covariances and third moments; lower is better. Equal distributions score 0 on average for any N, so half of the
values of a perfect generator are slightly below 0, and they are valid. Collapse raises the distance.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.metrics.arrays import Floats, as_points, library, on_host, same_dimension
from ganstudy import UserError

_BLOCK = 2_000_000  # numbers in a block of the kernel: 16 MB


@dataclass(frozen=True)
class Kid:
    """Mean and standard deviation, as papers print them, of the estimates over `subsets` pairs of subsets of `subset_size` points each.

    `error` is std / sqrt(subsets): the standard error due to the draw of subsets from the *same* points. It does not include the variation
    of generated samples, real data or training seeds, and it treats overlapping subsets as independent.
    """

    mean: float
    std: float  # normalised by the number of subsets
    error: float
    subsets: int
    subset_size: int


@dataclass(frozen=True, eq=False)
class _Points:
    """Points x [N, D] in the form that the kernel needs: x . y / D + 1 = unit * near_x . near_y + along_x + along_y.

    `near` are the points minus the common mean of both sets, divided by their largest coordinate. On a CPU, only `near` is rounded to float32,
    for products that are twice as fast. The rounding error is then 1e-7 of the spread of the points, not of their distance from 0, and nothing
    overflows.
    """

    near: Any  # float32 [N, D]; float64 on a GPU
    along: Any  # float64 [N]

    def __getitem__(self, rows: NDArray[np.int64]) -> "_Points":
        at = library(self.near).asarray(rows, device=self.near.device)
        return _Points(self.near[at], self.along[at])


def kid(x: ArrayLike, y: ArrayLike, *, subsets: int = 100, subset_size: int | None = None, seed: int = 2020) -> Kid:
    """Return the kernel distance between the points `x` [N, D] and `y` [M, D], over random subsets without repetition; N, M >= 2.

    `subset_size` defaults to 1,000, or to the size of the smaller set if that is less. For a given seed the subsets are those of
    torch-fidelity. Raises UserError for invalid sizes.
    """
    a, b = as_points("x", x), as_points("y", y)
    same_dimension("x", a, "y", b)
    most = min(len(a), len(b))
    size = min(1000, most) if subset_size is None else subset_size
    if not 2 <= size <= most:
        raise UserError(f"subset_size must lie between 2 and the number of points of the smaller set, {most}; given is {size}")
    if subsets < 1:
        raise UserError(f"subsets must be at least 1; given is {subsets}")
    rng = np.random.RandomState(seed)
    draws = [(rng.choice(len(a), size, replace=False), rng.choice(len(b), size, replace=False)) for _ in range(subsets)]
    one, two, unit = _prepared(a, b)
    # One kernel between all points, half of it by symmetry, serves all subsets, unless three kernels per subset are less work.
    if (len(a) + len(b)) ** 2 / 2 < subsets * 3 * size**2:
        of_x, of_y = _members([i for i, _ in draws], len(a)), _members([j for _, j in draws], len(b))
        values = _squared_discrepancies(one, two, of_x, of_y, unit, size)
    else:
        all_rows = np.ones((size, 1))
        values = np.concatenate([_squared_discrepancies(one[i], two[j], all_rows, all_rows, unit, size) for i, j in draws])
    largest = float(np.abs(values).max()) or 1.0
    std = largest * float((values / largest).std())  # squares of large values would overflow
    return Kid(float(values.mean()), std, std / subsets**0.5, subsets, size)


def _prepared(a: Any, b: Any) -> tuple[_Points, _Points, float]:
    """Return both sets as _Points, and their `unit`."""
    xp = library(a)
    near = xp.float32 if isinstance(a, np.ndarray) else xp.float64
    dimension = a.shape[1]
    centre = (a.mean(axis=0) + b.mean(axis=0)) / 2
    near_a, near_b = a - centre, b - centre
    largest = float(max(near_a.max(), -near_a.min(), near_b.max(), -near_b.min())) or 1.0
    near_a /= largest
    near_b /= largest
    constant = (1 - centre @ centre / dimension) / 2
    one = _Points(xp.astype(near_a, near), a @ centre / dimension + constant)
    two = _Points(xp.astype(near_b, near), b @ centre / dimension + constant)
    return one, two, largest**2 / dimension


def _members(chosen: list[NDArray[np.int64]], n: int) -> Floats:
    """Return [n, subsets]: 1 where the point is in the subset, else 0."""
    members = np.zeros((n, len(chosen)))
    for subset, rows in enumerate(chosen):
        members[rows, subset] = 1
    return members


def _squared_discrepancies(x: _Points, y: _Points, of_x: Floats, of_y: Floats, unit: float, size: int) -> Floats:
    """Return the unbiased estimate of each subset, [subsets]."""
    within = _sums(x, x, of_x, of_x, unit) + _sums(y, y, of_y, of_y, unit)
    return within / (size * (size - 1)) - 2 * _sums(x, y, of_x, of_y, unit) / size**2


def _sums(x: _Points, y: _Points, of_x: Floats, of_y: Floats, unit: float) -> Floats:
    """Return the sum of k over the pairs in each subset, [subsets]; if y is x, over pairs of distinct points. Works in blocks of rows."""
    xp = library(x.near)
    members_x, members_y = (xp.asarray(members, device=x.near.device) for members in (of_x, of_y))
    total: Any = 0.0
    step = max(1, _BLOCK // len(y.near))
    for start in range(0, len(x.near), step):
        rows, columns = slice(start, start + step), slice(start if x is y else 0, None)
        kernel = xp.astype(x.near[rows] @ y.near[columns].T, xp.float64)
        kernel *= unit
        kernel += x.along[rows, None]
        kernel += y.along[columns]
        kernel *= kernel * kernel  # a power is slower, for negative numbers 30 times
        if x is y:
            kernel[range(len(kernel)), range(len(kernel))] = 0
            kernel[:, step:] *= 2  # counts the symmetric entries, which are in no block
        total = total + (members_x[rows] * (kernel @ members_y[columns])).sum(axis=0)
    return on_host(total)
