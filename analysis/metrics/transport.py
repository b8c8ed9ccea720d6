"""Sliced Wasserstein distance: how far points must be moved, seen along lines. Rabin et al. 2011; Bonneel et al. 2015, section 3."""

import numpy as np
from numpy.typing import ArrayLike

from analysis.metrics.arrays import as_points, same_dimension

BLOCK = 1_000_000  # projected points of one side at a time: 8 MB


def sliced_wasserstein(x: ArrayLike, y: ArrayLike, *, projections: int = 1000, seed: int = 0) -> float:
    """Mean over random directions of the one-dimensional earth mover's distance W1 between `x` [N, D] and `y` [M, D]; N, M >= 1.

    At least 0, in the units of the points, lower is better. As a score for GANs: Karras et al. 2018, section 5. Along a direction W1 is the
    area between the two quantile functions, exact for unequal N and M too. A perfect generator does not score 0: for N = M samples of a
    Gaussian with standard deviation s in each direction it scores about 1.8 s / sqrt(N), so never compare values of different N or M.
    Points that all sit in the data's mean score the mean absolute deviation along a direction, 0.8 s for a Gaussian.
    """
    a, b = as_points("x", x, least=1), as_points("y", y, least=1)
    same_dimension("x", a, "y", b)
    if projections < 1:
        raise ValueError(f"projections must be at least 1; given is {projections}")
    n, m = len(a), len(b)
    # Both quantile functions are constant between the levels i/n and j/m. In whole numbers, of n * m: no rounding parts equal levels.
    levels = np.union1d(m * np.arange(1, n + 1), n * np.arange(1, m + 1))
    widths = np.diff(levels, prepend=0) / (n * m)
    of_a, of_b = (levels - 1) // m, (levels - 1) // n
    rng = np.random.default_rng(seed)
    step = max(1, BLOCK // (n + m))
    total = 0.0
    for start in range(0, projections, step):
        directions = rng.normal(size=(min(step, projections - start), a.shape[1]))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        along_a, along_b = (np.sort(directions @ points.T, axis=1) for points in (a, b))
        total += float(np.sum(np.abs(along_a[:, of_a] - along_b[:, of_b]) @ widths))
    return total / projections
