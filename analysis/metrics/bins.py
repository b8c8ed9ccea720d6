"""NDB: in how many bins of the real data generated samples are too many or too few. Richardson & Weiss 2018, On GANs and GMMs, section 3.

The bins are the cells of a k-means of the real points. A lost or favoured mode is a bin whose share of the samples differs.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.cluster.vq import vq
from scipy.special import rel_entr

from analysis.metrics.arrays import Floats, as_points, same_dimension


@dataclass(frozen=True, eq=False)
class Bins:
    """Cells of the real data: their `centres` [K, D] and the number of real points in each, `counts` [K], all at least 1."""

    centres: Floats
    counts: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Ndb:
    """How the shares of real and generated points in the bins differ.

    `different` of the `bins` have shares that lie more than `z` standard errors apart; `share` is that part of the bins, 0 at best.
    `divergence` is the Jensen-Shannon divergence of the shares, nats, from 0 to ln 2; less is better.
    """

    different: int
    share: float
    divergence: float
    bins: int
    z: float


def bins_of(real: ArrayLike, *, bins: int = 100, seed: int = 0) -> Bins:
    """k-means of the `real` points [N, D] into `bins` cells. Prepare it once and hand it to `ndb`.

    Fewer cells where `real` holds fewer distinct points. Cells of few points are cut to fit these very points, so that other real points
    differ from them: of N(0, I_256), in 13 of 100 cells with 20 points each (at z = 3), in 0.5 with 100 points each.
    """
    from sklearn.cluster import KMeans  # here, since it costs a second or two: whoever only counts or reads does not need it
    from sklearn.exceptions import ConvergenceWarning

    points = as_points("real", real)
    if bins < 1:
        raise ValueError(f"bins must be at least 1; given is {bins}")
    distinct = len(np.unique(points, axis=0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of cells that stay empty, where points differ by rounding errors only
        clusters = KMeans(min(bins, distinct), random_state=seed).fit(points)
    centres = clusters.cluster_centers_[np.unique(clusters.labels_)]
    return Bins(centres, _counts(points, centres))


def ndb(real: ArrayLike | Bins, fake: ArrayLike, *, bins: int = 100, z: float = 3.0, seed: int = 0) -> Ndb:
    """Number of bins of `real` [N, D] (or prepared ones, to which `bins` and `seed` do not apply) with a different share of `fake` [M, D].

    Each bin has a two-proportion z-test with the pooled standard error, against `z`. For samples of the same distribution 2 to 7 of 100
    bins differ at z = 1.96, which is the paper's 5 %, and about 0.3 at 3, which the authors' README uses. With more samples smaller
    differences are found, so compare equal N and M only. The divergence has no threshold; at best it is about
    (K - 1)(1/N + 1/M) / 8: 0.0025 for K = 100 bins and 10,000 points each.

    A bin that gets no sample differs only where more than z^2 = 9 were expected. With fewer than that in each, even a collapse to one point
    is one different bin, no more: draw well above 9 samples a bin. The divergence sees the collapse in any case.
    """
    cells = real if isinstance(real, Bins) else bins_of(real, bins=bins, seed=seed)
    points = as_points("fake", fake, least=1)
    same_dimension("real", cells.centres, "fake", points)
    if not z > 0:
        raise ValueError(f"z, the number of standard errors, must be greater than 0; given is {z}")
    n, m = int(cells.counts.sum()), len(points)
    fake_counts = _counts(points, cells.centres)
    p, q, pooled = cells.counts / n, fake_counts / m, (cells.counts + fake_counts) / (n + m)
    error = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    different = int((np.abs(p - q) > z * error).sum())  # no quotient: all points in one bin have an error of 0, and no difference
    middle = (p + q) / 2
    divergence = float((rel_entr(p, middle) + rel_entr(q, middle)).sum() / 2)
    return Ndb(different=different, share=different / len(p), divergence=max(0.0, divergence), bins=len(p), z=z)


def _counts(points: Floats, centres: Floats) -> NDArray[np.int64]:
    """Number [K] of the `points` [N, D] nearest to each of the `centres` [K, D]."""
    offset = centres.mean(axis=0)  # a large common offset would cost the distances their digits
    return np.bincount(vq(points - offset, centres - offset, check_finite=False)[0], minlength=len(centres))
