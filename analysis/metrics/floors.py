"""What samples of the true data would score: the value beside which every other is read. Zero is not it, and neither is one."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.metrics.arrays import as_points
from analysis.metrics.comparison import Comparison, Reference, Samples
from analysis.metrics.measures import METRICS, measure

DRAWS = 20


@dataclass(frozen=True, kw_only=True)
class Floor:
    """`value`: what samples of the true data score on average. `low`, `high`: the least and the greatest of the `draws`; None where a formula says it."""

    value: float
    low: float | None = None
    high: float | None = None
    draws: int = 0


def floor(name: str, real: ArrayLike, n: int, *, draws: int = DRAWS, seed: int = 0) -> Floor:
    """What `n` samples of the true data score in the metric `name`, judged against the others of `real` [N, D], N - n > 5.

    By a formula where there is one, else by `draws` random partings of `real`. For a metric that is best when high this is a ceiling. The
    metric must need features alone: modes and classes are not known from points.
    """
    points = as_points("real", real)
    if name not in METRICS:
        raise ValueError(f"name must be one of {list(METRICS)}; given is {name!r}")
    if METRICS[name].needs != "features":
        raise ValueError(f"name must be a metric of features alone; {name} needs {METRICS[name].needs} too: `floors` takes them")
    if not 2 <= n < len(points) - 5:
        raise ValueError(f"n must be at least 2 and leave more than 5 of the {len(points)} real points; given is {n}")
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(draws):
        rows = rng.permutation(len(points))
        reference = Reference.of(Samples(features=points[rows[n:]]), n=len(points) - n, seed=seed)
        if formula := METRICS[name].floor:
            return Floor(value=formula(reference, n))
        found.append(METRICS[name].of(Comparison(real=reference, fake=Samples(features=points[rows[:n]]))))
    return _of(found)


def floors(real: Reference, pool: Samples, n: int, *, draws: int = DRAWS, seed: int = 0) -> dict[str, Floor]:
    """For each metric that can be computed: what `n` samples of the true data score, drawn from the `pool`.

    The pool is none of what `real` was made of. They are drawn without repeats as far as the pool has enough.
    """
    rng = np.random.default_rng(seed)
    drawn = [measure(Comparison(real=real, fake=pool.take(np.resize(rng.permutation(len(pool.features)), n)))) for _ in range(draws)]
    found = {name: _of(values[name] for values in drawn) for name in drawn[0]}
    return {name: Floor(value=formula(real, n)) if (formula := METRICS[name].floor) else resampled for name, resampled in found.items()}


def _of(values: Iterable[float]) -> Floor:
    drawn = np.array(list(values))
    return Floor(value=float(drawn.mean()), low=float(drawn.min()), high=float(drawn.max()), draws=len(drawn))
