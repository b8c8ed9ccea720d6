"""Real-data baselines: the scores of real samples evaluated as if they were generated. All other values are read relative to these.

A baseline is neither 0 nor 1: real samples have a positive Fréchet distance from real data, and their coverage is below 1.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.metrics.arrays import as_points
from analysis.metrics.comparison import Comparison, Reference, Samples
from analysis.metrics.measures import METRICS, measure, named
from ganstudy import UserError
from ganstudy.numbers import finite

_DRAWS = 20


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """The mean score of real samples. `low` and `high` are the extremes over `draws` resamples; None if a formula gives the value."""

    value: float
    low: float | None = None
    high: float | None = None
    draws: int = 0


def baseline(name: str, real: ArrayLike, n: int, *, draws: int = _DRAWS, seed: int = 0) -> Baseline:
    """Return the score of `n` real samples in the metric `name`, compared with the other points of `real` [N, D], N - n > 5.

    By a formula if the metric has one, otherwise over `draws` random splits of `real`. For a maximised metric the baseline is a ceiling. The
    metric must need features only, because points carry no modes or classes. Raises UserError for another metric or an invalid n.
    """
    points = as_points("real", real)
    metric = METRICS.pick(name)
    if metric.needs != "features":
        raise UserError(f"the metric must need features only; {name} also needs {metric.needs}: use `baselines` for it")
    if not 2 <= n < len(points) - 5:
        raise UserError(f"n must be at least 2 and leave more than 5 of the {len(points)} real points; given is {n}")
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(draws):
        rows = rng.permutation(len(points))
        reference = Reference.of(Samples(features=points[rows[n:]]), n=len(points) - n, seed=seed)
        if formula := metric.baseline:
            return _by_formula(name, formula(reference, n))
        found.append(finite(metric.of(Comparison(real=reference, fake=Samples(features=points[rows[:n]]))), named(name, metric)))
    return _resampled(found)


def baselines(real: Reference, pool: Samples, n: int, *, draws: int = _DRAWS, seed: int = 0) -> dict[str, Baseline]:
    """Return the baseline of each metric that can be computed: the score of `n` real samples from the `pool`.

    The pool must not overlap the data of `real`. Samples are drawn without repeats as far as the pool is large enough. Raises UserError if a
    metric or its baseline is not a finite number.
    """
    rng = np.random.default_rng(seed)
    drawn = [measure(Comparison(real=real, fake=pool.take(np.resize(rng.permutation(len(pool.features)), n)))) for _ in range(draws)]
    found = {name: _resampled(values[name] for values in drawn) for name in drawn[0]}
    return {
        name: _by_formula(name, formula(real, n)) if (formula := METRICS[name].baseline) else resampled for name, resampled in found.items()
    }


def _by_formula(name: str, value: float) -> Baseline:
    return Baseline(value=finite(value, f"the real-data baseline of the metric {name}"))


def _resampled(values: Iterable[float]) -> Baseline:
    drawn = np.array(list(values))
    return Baseline(value=float(drawn.mean()), low=float(drawn.min()), high=float(drawn.max()), draws=len(drawn))
