"""NDB, the number of statistically different bins. Richardson & Weiss 2018, On GANs and GMMs, section 3.

The bins are the k-means clusters of the real points. A lost or overrepresented mode is a bin whose share of the samples differs.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.cluster.vq import vq
from scipy.special import rel_entr

from analysis.metrics.arrays import Floats, as_points, same_dimension
from ganstudy import UserError


@dataclass(frozen=True, eq=False)
class Bins:
    """Bins of the real data: their `centres` [K, D] and the number of real points in each, `counts` [K], all at least 1."""

    centres: Floats
    counts: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Ndb:
    """Differences between the shares of real and generated points in the bins.

    In `different` of the `bins` the shares differ by more than `z` standard errors; `share` is their fraction, 0 at best. `divergence` is
    the Jensen-Shannon divergence of the shares in nats, from 0 to ln 2; less is better.
    """

    different: int
    share: float
    divergence: float
    bins: int
    z: float


def bins_of(real: ArrayLike, *, bins: int = 100, seed: int = 0) -> Bins:
    """Return the k-means clusters of the `real` points [N, D]. Compute them once and pass them to `ndb`.

    There are fewer bins if `real` has fewer distinct points. Bins of few points overfit: fresh points of N(0, I_256) differ in 13 of 100
    bins with 20 points each (at z = 3), but in 0.5 with 100 points each.
    """
    from sklearn.cluster import KMeans  # here, because it takes a second or two and many callers never need it
    from sklearn.exceptions import ConvergenceWarning

    points = as_points("real", real)
    if bins < 1:
        raise UserError(f"bins must be at least 1; given is {bins}")
    distinct = len(np.unique(points, axis=0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # clusters stay empty if points differ only by rounding errors
        clusters = KMeans(min(bins, distinct), random_state=seed).fit(points)
    centres = clusters.cluster_centers_[np.unique(clusters.labels_)]
    return Bins(centres, _counts(points, centres))


def ndb(real: ArrayLike | Bins, fake: ArrayLike, *, bins: int = 100, z: float = 3.0, seed: int = 0) -> Ndb:
    """Count the bins of `real` [N, D] in which the share of `fake` [M, D] differs. Prepared bins ignore `bins` and `seed`.

    Each bin is tested by a two-proportion z-test with the pooled standard error, against `z`. For samples of the same distribution, 2 to 7 of
    100 bins differ at z = 1.96, which is the paper's 5 %, and about 0.3 at z = 3, which the authors' README uses. More samples detect
    smaller differences, so compare only equal N and M. The divergence has no threshold; its expected minimum is about
    (K - 1)(1/N + 1/M) / 8, which is 0.0025 for K = 100 bins and 10,000 points each.

    A bin without samples differs only if more than z^2 = 9 were expected in it. With fewer expected samples per bin, a collapse to one point
    shows in a single bin, so draw well above 9 samples per bin. The divergence detects the collapse in any case.
    """
    real_bins = real if isinstance(real, Bins) else bins_of(real, bins=bins, seed=seed)
    points = as_points("fake", fake, least=1)
    same_dimension("real", real_bins.centres, "fake", points)
    if not z > 0:
        raise UserError(f"z, the number of standard errors, must be greater than 0; given is {z}")
    n, m = int(real_bins.counts.sum()), len(points)
    fake_counts = _counts(points, real_bins.centres)
    p, q, pooled = real_bins.counts / n, fake_counts / m, (real_bins.counts + fake_counts) / (n + m)
    error = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    different = int((np.abs(p - q) > z * error).sum())  # not divided: if all points are in one bin, error and difference are both 0
    middle = (p + q) / 2
    divergence = float((rel_entr(p, middle) + rel_entr(q, middle)).sum() / 2)
    return Ndb(different=different, share=different / len(p), divergence=max(0.0, divergence), bins=len(p), z=z)


def _counts(points: Floats, centres: Floats) -> NDArray[np.int64]:
    """Count [K] the `points` [N, D] nearest to each of the `centres` [K, D]."""
    offset = centres.mean(axis=0)  # a large common offset would cost precision
    return np.bincount(vq(points - offset, centres - offset, check_finite=False)[0], minlength=len(centres))
