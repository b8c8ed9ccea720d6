"""Sliced Wasserstein distance: the earth mover's distance along random lines. Rabin et al. 2011; Bonneel et al. 2015, section 3."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analysis.metrics.arrays import as_points, library, same_dimension
from ganstudy import UserError

_BLOCK = 1_000_000  # projected points of one set at a time: 8 MB


def sliced_wasserstein(x: ArrayLike, y: ArrayLike, *, projections: int = 1000, seed: int = 0) -> float:
    """Return the mean over random directions of the one-dimensional earth mover's distance W1 between `x` [N, D] and `y` [M, D]; N, M >= 1.

    It is at least 0, in the units of the points; lower is better. As a metric for GANs: Karras et al. 2018, section 5. Along a direction, W1
    is the area between the two quantile functions, computed exactly also for unequal N and M. A perfect generator does not score 0: for
    N = M samples of a Gaussian with standard deviation s in each direction it scores about 1.8 s / sqrt(N), so compare only equal N and M.
    A collapse to the mean of the data scores the mean absolute deviation along a direction, 0.8 s for a Gaussian.
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
        directions = rng.normal(size=(min(step, projections - start), a.shape[1]))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        along_a, along_b = (xp.sort(xp.asarray(directions, **like_a) @ points.T, axis=1) for points in (a, b))
        total += float((abs(along_a[:, of_a] - along_b[:, of_b]) @ widths).sum())
    return total / projections
