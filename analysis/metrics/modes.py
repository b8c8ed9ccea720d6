"""Coverage of known modes: how many a generator reaches, and how evenly. K is the number of modes; shares [K] add up to 1."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom

from analysis.metrics.arrays import Floats, as_points, same_dimension
from ganstudy import UserError

_TOGETHER = 20  # rare modes that are judged together, at least


def nearest_centre(points: ArrayLike, centres: ArrayLike) -> NDArray[np.int64]:
    """Return the index [N] of the centre nearest to each point; `points` [N, D], `centres` [K, D]."""
    nearest: NDArray[np.int64] = _distances(points, centres).argmin(axis=1)
    return nearest


def high_quality(points: ArrayLike, centres: ArrayLike, *, std: float, within: float = 3.0) -> float:
    """Return the share of `points` [N, D] within `within` standard deviations of their nearest centre. Srivastava et al. 2017 (VEEGAN).

    A perfect generator of a mixture in the plane scores 1 - exp(-within^2 / 2), which is 0.98889 for 3. A higher value means that modes are
    too narrow.
    """
    if not std > 0:
        raise UserError(f"std, the standard deviation of a mode, must be greater than 0; given is {std}")
    return float((_distances(points, centres).min(axis=1) < within * std).mean())


def shares(decisions: ArrayLike, *, modes: int) -> Floats:
    """Return the share [K] of each mode among the `decisions` [N], N >= 1, which are integers from 0 to modes - 1."""
    found = as_decisions(decisions, modes=modes)
    return np.bincount(found, minlength=modes) / len(found)


def as_decisions(decisions: ArrayLike, *, modes: int) -> NDArray[np.int64]:
    """Return `decisions` as an array [N], N >= 1. Raises UserError unless all are integers from 0 to modes - 1."""
    found = np.asarray(decisions)
    if found.ndim != 1 or not len(found) or not np.issubdtype(found.dtype, np.integer):
        raise UserError(f"decisions must be a list [N] of integers, N at least 1; given are {found.dtype} {list(found.shape)}")
    if found.min() < 0 or found.max() >= modes:
        raise UserError(f"decisions must lie between 0 and {modes - 1}; given are {found.min()} to {found.max()}")
    return found.astype(np.int64)


def modes_captured(shares: ArrayLike) -> int:
    """Return the number of modes with at least 1/(5K) of the samples, a fifth of a uniform share.

    The criterion "at least one sample" of VEEGAN and PacGAN counts more modes if more samples are drawn; a share does not.
    """
    found = _as_shares("shares", shares)
    return int((found >= 1 / (5 * len(found))).sum())


def modes_seen(shares: ArrayLike) -> int:
    """Return the number of modes with at least one sample. Srivastava et al. 2017 (VEEGAN), Lin et al. 2018 (PacGAN).

    It grows with the number of samples, so report both. N samples of K uniform modes reach K (1 - (1 - 1/K)^N) modes on average.
    """
    return int((_as_shares("shares", shares) > 0).sum())


def modes_lost(counts: ArrayLike, real_counts: ArrayLike, *, level: float = 0.05) -> float:
    """Return the number of real modes that are missing beyond chance, from the `counts` [K] of generated and of real samples per mode.

    A mode is missing if its share is significantly below a fifth of the real share: one-sided conditional test of two Poisson rates
    (Przyborowski & Wilenski 1940), which is binomial given the sum of both counts and so allows for few real samples. `level` holds for
    each mode; where the test can find anything, a mode with its real share is far from significant, so their number needs no correction.
    Modes with so few samples that no count would be significant are judged together, if they are at least 20: if less than three quarters
    of those are seen that as many real samples show, the unseen share of them is missing. Without generated or real samples nothing is known to
    be missing.
    """
    fake, real = (np.asarray(x, dtype=np.float64) for x in (counts, real_counts))
    if fake.ndim != 1 or fake.shape != real.shape or not (fake >= 0).all() or not (real >= 0).all():
        raise UserError(f"counts and real_counts must be numbers [K] of at least 0; given are {fake} and {real}")
    if not real.any():
        return 0.0
    n, there = fake.sum(), real > 0
    fake, real, fifth = fake[there], real[there], n / 5 / (n / 5 + real.sum())
    missing = np.count_nonzero(binom.cdf(fake, fake + real, fifth) <= level)
    rare = np.asarray(binom.cdf(0, real, fifth) > level)
    expected = (1 - (1 - real[rare] / real.sum()) ** n).sum()
    if n and rare.sum() >= _TOGETHER and (seen := (fake[rare] > 0).sum()) < 0.75 * expected:
        missing += round(rare.sum() * (1 - seen / expected))
    return float(missing)


def kl(fake_shares: ArrayLike, real_shares: ArrayLike) -> float:
    """Return KL(fake || real) in nats, over shares [K] of the modes. The "reverse KL" of Lin et al. 2018 (PacGAN).

    A perfect generator scores about `kl_baseline`. Raises UserError if a mode has fake samples but no real ones, because the value is then
    infinite.
    """
    fake, real = _both(fake_shares, real_shares)
    occupied = fake > 0
    if (real[occupied] == 0).any():
        raise UserError(
            f"real_shares must be greater than 0 where fake_shares are; they are 0 in mode {int((occupied & (real == 0)).argmax())}"
        )
    return _divergence(fake, real)


def kl_baseline(modes: int, *, n: int) -> float:
    """Return (K - 1)/(2N), the mean of `kl` for `n` samples of the true shares, where 2N KL is chi-squared. Wilks 1938."""
    if modes < 1 or n < 1:
        raise UserError(f"modes and n, the number of samples, must be at least 1; given are {modes} and {n}")
    return (modes - 1) / (2 * n)


def excess_kl(fake_shares: ArrayLike, real_shares: ArrayLike, *, n: int) -> float:
    """Return `kl` of `n` samples minus `kl_baseline`, in nats. It is 0 on average for a perfect generator, so it can be negative."""
    return kl(fake_shares, real_shares) - kl_baseline(np.size(fake_shares), n=n)


def forward_kl(fake_shares: ArrayLike, real_shares: ArrayLike, *, n: int) -> float:
    """Return KL(real || fake) in nats, over shares [K] of the modes, for `n` generated samples. Kullback & Leibler 1951.

    It penalises lost modes, whereas `kl` penalises overrepresented ones. A single lost mode would make it infinite, so half a sample is
    added to each generated mode (Jeffreys' prior). A perfect generator scores about `kl_baseline`; one that makes 1 of K uniform modes
    scores about (1 - 1/K) ln(2N + K) - ln K.
    """
    fake, real = _both(fake_shares, real_shares)
    if n < 1:
        raise UserError(f"n, the number of generated samples, must be at least 1; given is {n}")
    return _divergence(real, (n * fake + 0.5) / (n + len(fake) / 2))


def class_imbalance(fake_shares: ArrayLike, real_shares: ArrayLike) -> float:
    """Return the total variation distance of the shares [K]: half the sum of |fake - real|, 0 to 1. Levin & Peres 2017, prop. 4.2.

    It is the share of generated samples that would have to move to other modes. A perfect generator scores `class_imbalance_baseline`.
    """
    fake, real = _both(fake_shares, real_shares)
    return min(1.0, float(np.abs(fake - real).sum() / 2))


def class_imbalance_baseline(real_shares: ArrayLike, *, n: int) -> float:
    """Return the mean of `class_imbalance` for `n` samples of the true shares [K]: the sum of sqrt(p (1 - p) / (2 pi n)).

    Counts are nearly normal, so E|count/n - p| = sqrt(2 p (1 - p) / (pi n)). The approximation holds if n p is at least about 2.
    """
    real = _as_shares("real_shares", real_shares)
    if n < 1:
        raise UserError(f"n, the number of generated samples, must be at least 1; given is {n}")
    return float(np.sqrt(real * (1 - real) / (2 * np.pi * n)).sum())


def _divergence(p: Floats, q: Floats) -> float:
    """Return KL(p || q) in nats; q must be greater than 0 where p is."""
    positive = p > 0
    return max(0.0, float(np.sum(p[positive] * np.log(p[positive] / q[positive]))))


def _distances(points: ArrayLike, centres: ArrayLike) -> Floats:
    x, c = as_points("points", points, least=1), as_points("centres", centres, least=1)
    same_dimension("points", x, "centres", c)
    # one centre at a time, to avoid an array of N x K x D numbers
    return np.stack([np.linalg.norm(x - centre, axis=1) for centre in c], axis=1)


def _as_shares(name: str, x: ArrayLike) -> Floats:
    found = np.asarray(x, dtype=np.float64)
    if found.ndim != 1 or not len(found) or not (found >= 0).all() or not np.isclose(found.sum(), 1):
        raise UserError(f"{name} must be numbers [K] of at least 0 that add up to 1; given are {found}")
    return found


def _both(fake_shares: ArrayLike, real_shares: ArrayLike) -> tuple[Floats, Floats]:
    fake, real = _as_shares("fake_shares", fake_shares), _as_shares("real_shares", real_shares)
    same_dimension("fake_shares", fake, "real_shares", real)
    return fake, real
