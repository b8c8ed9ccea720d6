"""Precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020), from balls around the points.

A point's ball reaches to its k-th nearest neighbour in its own set, itself not counted.
precision: share of fake points in any real ball.    density: number of real balls around a fake point, over k; mean. Not bounded by 1.
recall: share of real points in any fake ball.       coverage: share of real balls that hold any fake point.

Balls are open (`<`), as in the authors' package `prdc`, with one exception: a ball always holds points that equal its centre. It matters
only where a point has k copies of itself, so that its radius is 0: there the package scores identical sets 0 throughout.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.metrics.arrays import Floats, as_points, same_dimension
from analysis.metrics.distances import Singles, blocks

TIE = 1e-9  # squared distances closer than this share of themselves are equal: a tie is outside, however it was rounded
BLOCK = 2_000_000  # numbers in a block of distances: 8 MB in float32


@dataclass(frozen=True, eq=False)
class Balls:
    """`points` [N, D] and the squared distance `reach` [N] of each to its `k`-th nearest neighbour, below which a point is in its ball.

    Points given as float32 are kept so, which halves the memory; all their values are those of float64.
    """

    points: Floats | Singles
    reach: Floats
    k: int


def balls(points: ArrayLike, *, k: int = 5, name: str = "points") -> Balls:
    """The balls of `points` [N, D], N > k >= 1. Prepare the real side once and hand it to `prdc`. `name` is what messages call them."""
    if k < 1:
        raise ValueError(f"k, the number of neighbours, must be at least 1; given is {k}")
    checked = as_points(name, points, least=k + 1)
    centres = points if isinstance(points, np.ndarray) and points.dtype == np.float32 else checked
    del checked  # twice the memory of points of float32
    squared = np.empty(len(centres))
    for block in blocks(centres, centres, size=BLOCK):
        squared[block.rows] = block.smallest(k)  # the 0-th is the point itself
    # the smallest normal number instead of 0: then `< reach` holds for equal points only
    return Balls(centres, np.maximum(squared * (1 - TIE), np.finfo(np.float64).tiny), k)


def prdc(real: ArrayLike | Balls, fake: ArrayLike, *, k: int = 5) -> dict[str, float]:
    """{"precision", "recall", "density", "coverage"} of `fake` [M, D] against `real` [N, D] or its prepared balls; M, N > k.

    Holds the N x M distances block by block (8 MB each) and one float32 copy of a side.
    """
    real_balls = real if isinstance(real, Balls) else balls(real, k=k, name="real")
    if real_balls.k != k:
        raise ValueError(f"real must be prepared with the same k; it was prepared with {real_balls.k}, given is {k}")
    fake_balls = balls(fake, k=k, name="fake")
    same_dimension("real", real_balls.points[0].astype(np.float64), "fake", fake_balls.points[0].astype(np.float64))

    around_fake = np.zeros(len(fake_balls.points))  # number of real balls around each fake point
    covered, recalled = np.zeros((2, len(real_balls.points)), dtype=bool)
    for block in blocks(real_balls.points, fake_balls.points, size=BLOCK):
        in_real_ball = block.less(real_balls.reach[block.rows, None])
        around_fake += in_real_ball.sum(axis=0)
        covered[block.rows] = in_real_ball.any(axis=1)
        recalled[block.rows] = block.less(fake_balls.reach[None]).any(axis=1)
    return {
        "precision": float((around_fake > 0).mean()),
        "recall": float(recalled.mean()),
        "density": float(around_fake.mean() / k),
        "coverage": float(covered.mean()),
    }


@dataclass(frozen=True, eq=False)
class Nearest:
    """Of each of N points: the `squared` distance [N] to the nearest of another set, and how many of that set are as near (`ties` [N])."""

    squared: Floats
    ties: NDArray[np.int64]


def nearest(x: ArrayLike, y: ArrayLike) -> Nearest:
    """The nearest of `y` [M, D] to each of `x` [N, D]; N, M >= 1."""
    points, others = as_points("x", x, least=1), as_points("y", y, least=1)
    same_dimension("x", points, "y", others)
    squared, ties = np.empty(len(points)), np.empty(len(points), dtype=np.int64)
    for block in blocks(points, others, size=BLOCK):
        squared[block.rows] = least = block.smallest(0)
        ties[block.rows] = block.less(least[:, None] * (1 + TIE) + np.finfo(np.float64).tiny).sum(axis=1)
    return Nearest(squared, ties)
