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
    found = np.asarray(decisions)
    if found.ndim != 1 or not len(found) or not np.issubdtype(found.dtype, np.integer):
        raise ValueError(f"decisions must be a list [N] of whole numbers, N at least 1; given are {found.dtype} {list(found.shape)}")
    if found.min() < 0 or found.max() >= modes:
        raise ValueError(f"decisions must lie between 0 and {modes - 1}; given are {found.min()} to {found.max()}")
    return np.bincount(found, minlength=modes) / len(found)


def modes_captured(shares: ArrayLike) -> int:
    """Number of modes with at least 1/(5K) of the samples, a fifth of an even share.

    "At least one sample" (VEEGAN, PacGAN) counts more modes the more samples are drawn; a share does not.
    """
    found = _as_shares("shares", shares)
    return int((found >= 1 / (5 * len(found))).sum())


def kl(fake_shares: ArrayLike, real_shares: ArrayLike) -> float:
    """KL(fake || real) in nats, over shares [K] of the modes. The "reverse KL" of Lin et al. 2018 (PacGAN).

    A perfect generator scores about (K - 1)/(2N) with N samples. Raises ValueError where fake samples sit in a mode with no real
    ones: the value is not finite there.
    """
    fake, real = _as_shares("fake_shares", fake_shares), _as_shares("real_shares", real_shares)
    same_dimension("fake_shares", fake, "real_shares", real)
    live = fake > 0
    if (real[live] == 0).any():
        raise ValueError(
            f"real_shares must be greater than 0 where fake_shares are; they are 0 in mode {int((live & (real == 0)).argmax())}"
        )
    return max(0.0, float(np.sum(fake[live] * np.log(fake[live] / real[live]))))


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
