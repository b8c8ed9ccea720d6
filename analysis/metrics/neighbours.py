"""Precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020), from balls around the points.

The radius of a point's ball is the distance to its k-th nearest neighbour in its own set, not counting itself.
precision: share of fake points in any real ball.    density: mean number of real balls around a fake point, divided by k; may exceed 1.
recall: share of real points in any fake ball.       coverage: share of real balls that contain any fake point.

Balls are open (`<`), as in the authors' package `prdc`, except that a ball always contains points that equal its centre. The exception matters
only if a point has k copies, so that its radius is 0; the package then scores identical sets 0 in all four metrics.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.metrics.arrays import Floats, as_points, library, on_host, same_dimension
from analysis.metrics.distances import Singles, blocks
from ganstudy import UserError

TIE = 1e-9  # squared distances with a smaller relative difference count as equal, so that rounding does not decide ties
_BLOCK = 2_000_000  # numbers in a block of distances: 8 MB in float32


@dataclass(frozen=True, eq=False)
class Balls:
    """`points` [N, D] and the squared radius `squared_radius` [N] of each ball, from the `k`-th nearest neighbour.

    float32 points are stored as float32, which halves the memory; results are the same as in float64.
    """

    points: Floats | Singles
    squared_radius: Floats
    k: int


def balls(points: ArrayLike, *, k: int = 5, name: str = "points") -> Balls:
    """Return the balls of `points` [N, D], N > k >= 1. Compute those of real data once for `prdc`. Error messages call the points `name`."""
    if k < 1:
        raise UserError(f"k, the number of neighbours, must be at least 1; given is {k}")
    centres: Any = as_points(name, points, least=k + 1)
    xp = library(centres)
    if getattr(points, "dtype", None) == xp.float32:
        centres = points  # frees twice their memory
    squared = xp.concat([block.smallest(k) for block in blocks(centres, centres, size=_BLOCK)])  # the 0-th is the point itself
    # the smallest normal number instead of 0, so that `<` holds for equal points only
    return Balls(centres, xp.clip(squared * (1 - TIE), min=float(np.finfo(np.float64).tiny)), k)


def prdc(real: ArrayLike | Balls, fake: ArrayLike, *, k: int = 5) -> dict[str, float]:
    """Return {"precision", "recall", "density", "coverage"} of `fake` [M, D] against `real` [N, D] or its prepared balls; M, N > k.

    Memory: one block of the N x M distances at a time (8 MB) and a float32 copy of one set.
    """
    real_balls = real if isinstance(real, Balls) else balls(real, k=k, name="real")
    if real_balls.k != k:
        raise UserError(f"real must be prepared with the same k; it was prepared with {real_balls.k}, given is {k}")
    fake_balls = balls(fake, k=k, name="fake")
    same_dimension("real", real_balls.points, "fake", fake_balls.points)

    found = []
    for block in blocks(real_balls.points, fake_balls.points, size=_BLOCK):
        in_real_ball = block.less(real_balls.squared_radius[block.rows, None])
        found.append((in_real_ball.sum(axis=0), in_real_ball.any(axis=1), block.less(fake_balls.squared_radius[None]).any(axis=1)))
    xp = library(fake_balls.points)
    around_fake = on_host(sum(some for some, _, _ in found))  # number of real balls around each fake point
    covered, recalled = (on_host(xp.concat(parts)) for parts in list(zip(*found, strict=True))[1:])
    return {
        "precision": float((around_fake > 0).mean()),
        "recall": float(recalled.mean()),
        "density": float(around_fake.mean() / k),
        "coverage": float(covered.mean()),
    }


@dataclass(frozen=True, eq=False)
class Nearest:
    """For N points: the `squared` distance [N] to the nearest point of another set, and how many of that set are equally near (`ties` [N])."""

    squared: Floats
    ties: NDArray[np.int64]


def nearest(x: ArrayLike, y: ArrayLike) -> Nearest:
    """Return the distances from each of `x` [N, D] to its nearest of `y` [M, D]; N, M >= 1."""
    points, others = as_points("x", x, least=1), as_points("y", y, least=1)
    same_dimension("x", points, "y", others)
    squared, ties = [], []
    for block in blocks(points, others, size=_BLOCK):
        squared.append(least := block.smallest(0))
        ties.append(block.less(least[:, None] * (1 + TIE) + float(np.finfo(np.float64).tiny)).sum(axis=1))
    xp = library(points)
    return Nearest(on_host(xp.concat(squared)), on_host(xp.concat(ties)))
