"""How wide the modes are: what a generator that has shrunk within each mode loses, and what coverage cannot see."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from analysis.metrics.arrays import Floats, as_points
from analysis.metrics.modes import as_decisions

LEAST = 5  # samples of a mode: with fewer its variance is mostly chance


@dataclass(frozen=True, kw_only=True)
class Spread:
    """The variance of the generated samples of a mode over that of the real ones: 1 for real data, 0 for a single point.

    Its `median` over the modes, the `smallest` and the `largest`; `modes`: how many modes it could be taken of.
    """

    median: float
    smallest: float
    largest: float
    modes: int


def mode_traces(points: ArrayLike, decisions: ArrayLike, *, modes: int) -> Floats:
    """Trace [K] of the covariance (divided by n - 1) of the `points` [N, D] of each mode; 0 where a mode has fewer than two.

    `decisions` [N]: the mode of each point, 0 to modes - 1. Of a mixture of Gaussians it is known: D std^2.
    """
    traces = np.zeros(modes)
    for mode, part in _by_mode(points, decisions, modes=modes):
        if len(part) > 1:
            # less the first point: of equal points exactly 0 is left
            traces[mode] = np.var(part - part[0], axis=0, ddof=1).sum()
    return traces


def mode_spread(points: ArrayLike, decisions: ArrayLike, real_traces: ArrayLike) -> Spread:
    """trace(S_fake) / trace(S_real) of the covariances within the modes. Samples that are scaled by s within their modes score s^2.

    `points` [N, D] are generated, `decisions` [N] their modes, `real_traces` [K] the real side from `mode_traces`. Only modes with at least
    5 samples count; where none has as many, those with the most, but at least two. Modes with a real trace of 0 are left out: nothing is
    known of them. Where no mode is left all is 0: a generator gets no credit for a spread that is not seen.

    A perfect generator scores about 1 - 2/(3 D (n_k - 1)) with n_k samples in a mode, the median of a chi-squared variable over its mean
    (D: of the directions in which the mode is wide). A wider spread than 1 is no merit: samples between the modes belong to one, too.
    """
    real = np.asarray(real_traces, dtype=np.float64)
    if real.ndim != 1 or not len(real) or not (np.isfinite(real) & (real >= 0)).all():
        raise ValueError(f"real_traces must be finite numbers [K] of at least 0; given are {real}")
    counts = np.bincount(as_decisions(decisions, modes=len(real)), minlength=len(real)) * (real > 0)
    counted = counts >= max(2, min(LEAST, counts.max()))
    if not counted.any():
        return Spread(median=0.0, smallest=0.0, largest=0.0, modes=0)
    ratios = mode_traces(points, decisions, modes=len(real))[counted] / real[counted]
    return Spread(median=float(np.median(ratios)), smallest=float(ratios.min()), largest=float(ratios.max()), modes=len(ratios))


def _by_mode(points: ArrayLike, decisions: ArrayLike, *, modes: int) -> Iterator[tuple[int, Floats]]:
    """(mode, its points [n, D]) of each mode that has any."""
    x, found = as_points("points", points, least=1), as_decisions(decisions, modes=modes)
    if len(x) != len(found):
        raise ValueError(f"points and decisions must be equally many; given are {len(x)} and {len(found)}")
    order = np.argsort(found, kind="stable")
    present, starts = np.unique(found[order], return_index=True)
    return ((int(mode), x[rows]) for mode, rows in zip(present, np.split(order, starts[1:]), strict=True))
