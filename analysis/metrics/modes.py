"""How many of the known modes a generator reaches, and how evenly. K modes; shares [K] add up to 1."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.metrics.arrays import Floats, as_points, same_dimension


def nearest_centre(points: ArrayLike, centres: ArrayLike) -> NDArray[np.int64]:
    """Index [N] of the centre nearest to each point; `points` [N, D], `centres` [K, D]."""
    nearest: NDArray[np.int64] = _distances(points, centres).argmin(axis=1)
    return nearest


def high_quality(points: ArrayLike, centres: ArrayLike, *, std: float, within: float = 3.0) -> float:
    """Share of `points` [N, D] less than `within` standard deviations from their nearest centre. Srivastava et al. 2017 (VEEGAN).

    A perfect generator of a mixture in the plane scores 1 - exp(-within^2 / 2), 0.98889 for 3, not 1: more means too narrow modes.
    """
    if not std > 0:
        raise ValueError(f"std, the standard deviation of a mode, must be greater than 0; given is {std}")
    return float((_distances(points, centres).min(axis=1) < within * std).mean())


def shares(decisions: ArrayLike, *, modes: int) -> Floats:
    """Share [K] of each of `modes` modes among the `decisions` [N], N >= 1: whole numbers from 0 to modes - 1."""
    found = as_decisions(decisions, modes=modes)
    return np.bincount(found, minlength=modes) / len(found)


def as_decisions(decisions: ArrayLike, *, modes: int) -> NDArray[np.int64]:
    """`decisions` as an array [N], N >= 1. Raises ValueError unless all are whole numbers from 0 to modes - 1."""
    found = np.asarray(decisions)
    if found.ndim != 1 or not len(found) or not np.issubdtype(found.dtype, np.integer):
        raise ValueError(f"decisions must be a list [N] of whole numbers, N at least 1; given are {found.dtype} {list(found.shape)}")
    if found.min() < 0 or found.max() >= modes:
        raise ValueError(f"decisions must lie between 0 and {modes - 1}; given are {found.min()} to {found.max()}")
    return found.astype(np.int64)


def modes_captured(shares: ArrayLike) -> int:
    """Number of modes with at least 1/(5K) of the samples, a fifth of an even share.

    "At least one sample" (VEEGAN, PacGAN) counts more modes the more samples are drawn; a share does not.
    """
    found = _as_shares("shares", shares)
    return int((found >= 1 / (5 * len(found))).sum())


def modes_seen(shares: ArrayLike) -> int:
    """Number of modes with at least one sample, at most K. Srivastava et al. 2017 (VEEGAN), Lin et al. 2018 (PacGAN).

    It grows with the number of samples, so publish that beside it. N samples of K even modes reach K (1 - (1 - 1/K)^N) of them on average.
    """
    return int((_as_shares("shares", shares) > 0).sum())


def kl(fake_shares: ArrayLike, real_shares: ArrayLike) -> float:
    """KL(fake || real) in nats, over shares [K] of the modes. The "reverse KL" of Lin et al. 2018 (PacGAN).

    A perfect generator scores about `kl_floor`. Raises ValueError where fake samples sit in a mode with no real ones: the value is not
    finite there.
    """
    fake, real = _both(fake_shares, real_shares)
    live = fake > 0
    if (real[live] == 0).any():
        raise ValueError(
            f"real_shares must be greater than 0 where fake_shares are; they are 0 in mode {int((live & (real == 0)).argmax())}"
        )
    return _divergence(fake, real)


def kl_floor(modes: int, *, n: int) -> float:
    """(K - 1)/(2N): what `kl` scores on average with `n` samples of the true shares, since 2N KL is chi-squared there. Wilks 1938."""
    if modes < 1 or n < 1:
        raise ValueError(f"modes and n, the number of samples, must be at least 1; given are {modes} and {n}")
    return (modes - 1) / (2 * n)


def excess_kl(fake_shares: ArrayLike, real_shares: ArrayLike, *, n: int) -> float:
    """`kl` of `n` samples less `kl_floor`, nats: 0 on average for a perfect generator, so by chance also a little less than 0."""
    return kl(fake_shares, real_shares) - kl_floor(np.size(fake_shares), n=n)


def forward_kl(fake_shares: ArrayLike, real_shares: ArrayLike, *, n: int) -> float:
    """KL(real || fake) in nats, over shares [K] of the modes; `n` generated samples. Kullback & Leibler 1951.

    It weighs lost modes heavily, where `kl` weighs what is made too often. It would be infinite for the first lost mode, so half a sample is
    added to each generated mode (Jeffreys' prior). A perfect generator scores about `kl_floor`, one that makes 1 of K even modes about
    (1 - 1/K) ln(2N + K) - ln K.
    """
    fake, real = _both(fake_shares, real_shares)
    if n < 1:
        raise ValueError(f"n, the number of generated samples, must be at least 1; given is {n}")
    return _divergence(real, (n * fake + 0.5) / (n + len(fake) / 2))


def class_imbalance(fake_shares: ArrayLike, real_shares: ArrayLike) -> float:
    """Total variation distance of the shares [K]: half the sum of |fake - real|, from 0 (even) to 1. Levin & Peres 2017, prop. 4.2.

    It is the share of the generated samples that would have to move to other modes. A perfect generator scores `class_imbalance_floor`.
    """
    fake, real = _both(fake_shares, real_shares)
    return min(1.0, float(np.abs(fake - real).sum() / 2))


def class_imbalance_floor(real_shares: ArrayLike, *, n: int) -> float:
    """What `class_imbalance` scores on average with `n` samples of the true shares [K]: the sum of sqrt(p (1 - p) / (2 pi n)).

    Each count is nearly normal, so E|count/n - p| = sqrt(2 p (1 - p) / (pi n)); good where n p is at least about 2.
    """
    real = _as_shares("real_shares", real_shares)
    if n < 1:
        raise ValueError(f"n, the number of generated samples, must be at least 1; given is {n}")
    return float(np.sqrt(real * (1 - real) / (2 * np.pi * n)).sum())


def _divergence(p: Floats, q: Floats) -> float:
    """KL(p || q), nats; q is greater than 0 where p is."""
    live = p > 0
    return max(0.0, float(np.sum(p[live] * np.log(p[live] / q[live]))))


def _distances(points: ArrayLike, centres: ArrayLike) -> Floats:
    x, c = as_points("points", points, least=1), as_points("centres", centres, least=1)
    same_dimension("points", x, "centres", c)
    # one centre at a time: never N x K x D numbers
    return np.stack([np.linalg.norm(x - centre, axis=1) for centre in c], axis=1)


def _as_shares(name: str, x: ArrayLike) -> Floats:
    found = np.asarray(x, dtype=np.float64)
    if found.ndim != 1 or not len(found) or not (found >= 0).all() or not np.isclose(found.sum(), 1):
        raise ValueError(f"{name} must be numbers [K] of at least 0 that add up to 1; given are {found}")
    return found


def _both(fake_shares: ArrayLike, real_shares: ArrayLike) -> tuple[Floats, Floats]:
    fake, real = _as_shares("fake_shares", fake_shares), _as_shares("real_shares", real_shares)
    same_dimension("fake_shares", fake, "real_shares", real)
    return fake, real
