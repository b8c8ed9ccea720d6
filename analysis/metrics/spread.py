"""Variance within modes. It detects modes that have shrunk, which coverage cannot."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.metrics.arrays import Floats, as_points
from analysis.metrics.modes import as_decisions
from ganstudy import UserError

_LEAST = 5  # samples in a mode: with fewer, the variance is mostly chance


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Ratio of the variance of generated samples in a mode to that of real ones: 1 for real data, 0 for a single point.

    `median`, `smallest` and `largest` are over the `modes` modes in which the ratio can be estimated.
    """

    median: float
    smallest: float
    largest: float
    modes: int


def mode_traces(points: ArrayLike, decisions: ArrayLike, *, modes: int) -> Floats:
    """Return the trace [K] of the covariance (normalised by n - 1) of the `points` [N, D] in each mode; 0 for fewer than two points.

    `decisions` [N] is the mode of each point, 0 to modes - 1. For a mixture of Gaussians the expected trace is D std^2.
    """
    traces = np.zeros(modes)
    for mode, part in _by_mode(points, decisions, modes=modes):
        if len(part) > 1:
            # subtracting the first point makes the variance of equal points exactly 0
            traces[mode] = np.var(part - part[0], axis=0, ddof=1).sum()
    return traces


def mode_spread(points: ArrayLike, decisions: ArrayLike, real_traces: ArrayLike) -> Spread:
    """Return trace(S_fake) / trace(S_real) of the covariances within modes. Samples scaled by s within their modes score s^2.

    `points` [N, D] are generated samples, `decisions` [N] their modes, `real_traces` [K] the result of `mode_traces` for real data. Only modes
    with at least 5 samples count; if there are none, those with the most samples, at least two. Modes with a real trace of 0 are skipped.
    If no mode remains, all values are 0, so that a generator gets no credit for variance that was not observed.

    A perfect generator scores about 1 - 2/(3 D (n_k - 1)) with n_k samples in a mode: the median of a chi-squared variable over its mean,
    where D counts the directions with variance. Values above 1 are not better: samples between modes are assigned to one of them too.
    """
    real = np.asarray(real_traces, dtype=np.float64)
    if real.ndim != 1 or not len(real) or not (np.isfinite(real) & (real >= 0)).all():
        raise UserError(f"real_traces must be finite numbers [K] of at least 0; given are {real}")
    counts = np.bincount(as_decisions(decisions, modes=len(real)), minlength=len(real)) * (real > 0)
    counted = counts >= max(2, min(_LEAST, counts.max()))
    if not counted.any():
        return Spread(median=0.0, smallest=0.0, largest=0.0, modes=0)
    ratios = mode_traces(points, decisions, modes=len(real))[counted] / real[counted]
    return Spread(median=float(np.median(ratios)), smallest=float(ratios.min()), largest=float(ratios.max()), modes=len(ratios))


def _by_mode(points: ArrayLike, decisions: ArrayLike, *, modes: int) -> Iterator[tuple[int, Floats]]:
    """Yield (mode, its points [n, D]) for each mode with points."""
    x, found = as_points("points", points, least=1), as_decisions(decisions, modes=modes)
    if len(x) != len(found):
        raise UserError(f"points and decisions must be equally many; given are {len(x)} and {len(found)}")
    order = np.argsort(found, kind="stable")
    present, starts = np.unique(found[order], return_index=True)
    return ((int(mode), x[rows]) for mode, rows in zip(present, np.split(order, starts[1:]), strict=True))
