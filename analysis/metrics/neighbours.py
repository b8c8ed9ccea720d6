"""Precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020), from balls around the points.

A point's ball reaches to its k-th nearest neighbour in its own set, itself not counted.
precision: share of fake points in any real ball.    density: number of real balls around a fake point, over k; mean. Not bounded by 1.
recall: share of real points in any fake ball.       coverage: share of real balls that hold any fake point.

Balls are open (`<`), as in the authors' package `prdc`, with one exception: a ball always holds points that equal its centre. It matters
only where a point has k copies of itself, so that its radius is 0: there the package scores identical sets 0 throughout.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.metrics.arrays import Floats, as_points, same_dimension

# Squared distances come from |x|^2 + |y|^2 - 2xy, whose rounding error is about D * 1e-16 of the squared lengths.
SAME = 1e-12  # a squared distance below this share of the squared lengths is 0
TIE = 1e-9  # squared distances closer than this share of themselves are equal: a tie is outside, however it was rounded
BLOCK = 2_000_000  # numbers in a block of distances: 16 MB


@dataclass(frozen=True, eq=False)
class Balls:
    """`points` [N, D] and the squared distance `reach` [N] of each to its `k`-th nearest neighbour, below which a point is in its ball."""

    points: Floats
    reach: Floats
    k: int


def balls(points: ArrayLike, *, k: int = 5, name: str = "points") -> Balls:
    """The balls of `points` [N, D], N > k >= 1. Prepare the real side once and hand it to `prdc`. `name` is what messages call them."""
    if k < 1:
        raise ValueError(f"k, the number of neighbours, must be at least 1; given is {k}")
    centres = as_points(name, points, least=k + 1)
    shifted = centres - centres.mean(axis=0)
    squared = np.empty(len(centres))
    for rows, distances in _squared_distances(shifted, shifted):
        squared[rows] = np.partition(distances, k, axis=1)[:, k]  # the 0-th is the point itself
    # the smallest normal number instead of 0: then `< reach` holds for equal points only
    return Balls(centres, np.maximum(squared * (1 - TIE), np.finfo(np.float64).tiny), k)


def prdc(real: ArrayLike | Balls, fake: ArrayLike, *, k: int = 5) -> dict[str, float]:
    """{"precision", "recall", "density", "coverage"} of `fake` [M, D] against `real` [N, D] or its prepared balls; M, N > k.

    Holds a block of at most 16 MB of the N x M distances at a time.
    """
    real_balls = real if isinstance(real, Balls) else balls(real, k=k, name="real")
    if real_balls.k != k:
        raise ValueError(f"real must be prepared with the same k; it was prepared with {real_balls.k}, given is {k}")
    fake_balls = balls(fake, k=k, name="fake")
    same_dimension("real", real_balls.points, "fake", fake_balls.points)

    around_fake = np.zeros(len(fake_balls.points))  # number of real balls around each fake point
    covered, recalled = np.zeros((2, len(real_balls.points)), dtype=bool)
    centre = real_balls.points.mean(axis=0)  # a large common offset would cost the distances their digits
    for rows, distances in _squared_distances(real_balls.points - centre, fake_balls.points - centre):
        in_real_ball = distances < real_balls.reach[rows, None]
        around_fake += in_real_ball.sum(axis=0)
        covered[rows] = in_real_ball.any(axis=1)
        recalled[rows] = (distances < fake_balls.reach).any(axis=1)
    return {
        "precision": float((around_fake > 0).mean()),
        "recall": float(recalled.mean()),
        "density": float(around_fake.mean() / k),
        "coverage": float(covered.mean()),
    }


def _squared_distances(x: Floats, y: Floats) -> Iterator[tuple[slice, Floats]]:
    """(rows, squared distances [rows, M]) of `x` [N, D] to all of `y` [M, D], block by block."""
    x_squared, y_squared = np.sum(x**2, axis=1), np.sum(y**2, axis=1)
    step = max(1, BLOCK // len(y))
    for start in range(0, len(x), step):
        rows = slice(start, start + step)
        lengths = x_squared[rows, None] + y_squared
        distances = lengths - 2 * (x[rows] @ y.T)
        lengths *= SAME
        distances[distances <= lengths] = 0
        yield rows, distances
