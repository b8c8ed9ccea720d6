"""Sliced Wasserstein distance: the earth mover's distance along random lines. Rabin et al. 2011; Bonneel et al. 2015, section 3."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analysis.metrics.arrays import Floats, as_points, library, same_dimension
from ganstudy import UserError

_BLOCK = 1_000_000  # projected points of one set at a time: 8 MB


def projected(y: ArrayLike, *, projections: int = 1000, seed: int = 0) -> Any:
    """Return `y` [M, D] along random directions, each sorted, as [projections, M]: what `sliced_wasserstein` needs of a set that it meets often."""
    points: Any = as_points("y", y, least=1)
    return _along(points, _directions(np.random.default_rng(seed), projections, points.shape[1]))


def sliced_wasserstein(x: ArrayLike, y: ArrayLike, *, projections: int = 1000, seed: int = 0, sorted_y: Any = None) -> float:
    """Return the mean over random directions of the one-dimensional earth mover's distance W1 between `x` [N, D] and `y` [M, D]; N, M >= 1.

    It is at least 0, in the units of the points; lower is better. As a metric for GANs: Karras et al. 2018, section 5. Along a direction, W1
    is the area between the two quantile functions, computed exactly also for unequal N and M. A perfect generator does not score 0: for
    N = M samples of a Gaussian with standard deviation s in each direction it scores about 1.8 s / sqrt(N), so compare only equal N and M.
    A collapse to the mean of the data scores the mean absolute deviation along a direction, 0.8 s for a Gaussian.
    sorted_y: `projected(y)` with the same projections and seed, which saves most of the time if `y` is large.
    """
    a: Any = as_points("x", x, least=1)
    b: Any = as_points("y", y, least=1)
    same_dimension("x", a, "y", b)
    if projections < 1:
        raise UserError(f"projections must be at least 1; given is {projections}")
    n, m = len(a), len(b)
    # Both quantile functions are constant between the levels i/n and j/m. Levels are integers, multiples of 1/(n m), so equal levels stay equal.
    levels = np.union1d(m * np.arange(1, n + 1), n * np.arange(1, m + 1))
    xp = library(a)
    like_a = {"device": a.device}
    widths = xp.asarray(np.diff(levels, prepend=0) / (n * m), **like_a)
    of_a, of_b = (xp.asarray((levels - 1) // count, **like_a) for count in (m, n))
    rng = np.random.default_rng(seed)
    step = max(1, _BLOCK // (n + m))
    total = 0.0
    for start in range(0, projections, step):
        directions = _directions(rng, min(step, projections - start), a.shape[1])
        along_a = _along(a, directions)
        along_b = _along(b, directions) if sorted_y is None else sorted_y[start : start + len(directions)]
        total += float((abs(along_a[:, of_a] - along_b[:, of_b]) @ widths).sum())
    return total / projections


def _directions(rng: np.random.Generator, n: int, dim: int) -> Floats:
    """Return random unit vectors [n, dim]."""
    drawn = rng.normal(size=(n, dim))
    directions: Floats = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return directions


def _along(points: Any, directions: Floats) -> Any:
    """Return points [N, D] along directions [P, D], sorted: [P, N]."""
    xp = library(points)
    return xp.sort(xp.asarray(directions, device=points.device) @ points.T, axis=1)
