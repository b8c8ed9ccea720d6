"""Fréchet distance between two sets of features. Dowson & Landau 1982; as a score for GANs: Heusel et al. 2017, eq. 6.

The value is biased upwards by about (D(D + 1)/2 + 2D)/N for N = M samples of equal Gaussians: never compare values of different N or D.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import eigvalsh, qr
from scipy.linalg.lapack import dsygst

from analysis.metrics.arrays import Floats, as_points, same_dimension


@dataclass(frozen=True, eq=False)
class FrechetStatistics:
    """A Gaussian fitted to points: their `mean` [D] and `covariance` [D, D] (divided by n - 1)."""

    mean: Floats
    covariance: Floats

    @classmethod
    def from_npz(cls, stored: Mapping[str, ArrayLike], *, name: str = "x") -> "FrechetStatistics":
        """Of {"mu": [D], "sigma": [D, D]}: what np.load(path) gives of a file that pytorch-fid or TTUR wrote."""
        if not {"mu", "sigma"} <= set(stored):
            raise ValueError(f"{name} must hold mu and sigma, as the files of pytorch-fid do; it holds {sorted(stored)}")
        mean, covariance = (np.asarray(stored[key], dtype=np.float64) for key in ("mu", "sigma"))
        if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)):
            raise ValueError(
                f"{name} must hold mu [D] and sigma [D, D]; given are the shapes {list(mean.shape)} and {list(covariance.shape)}"
            )
        if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
            raise ValueError(f"{name} must hold finite values only; its mu or sigma holds NaN or infinity")
        return cls(mean, covariance)

    def as_npz(self) -> dict[str, Floats]:
        """np.savez(path, **statistics.as_npz()) writes the layout of pytorch-fid."""
        return {"mu": self.mean, "sigma": self.covariance}

    @cached_property
    def factor(self) -> Floats:
        """The lower triangular L with L L^T = covariance, [D, D], for singular ones too. Computed once, and kept when pickled."""
        values, vectors = np.linalg.eigh(self.covariance)
        (upper,) = qr((vectors * _roots(values)) @ vectors.T, mode="r")
        factor: Floats = np.asfortranarray(upper.T)
        return factor


def frechet_statistics(x: ArrayLike, *, name: str = "x") -> FrechetStatistics:
    """Mean and covariance of the points `x` [N, D], N >= 2. `name` is what messages call them."""
    points = as_points(name, x)
    mean = points.mean(axis=0)
    centred = points - mean
    return FrechetStatistics(mean, centred.T @ centred / (len(points) - 1))


Side = ArrayLike | FrechetStatistics | Mapping[str, ArrayLike]


def frechet_distance(x: Side, y: Side) -> float:
    """|m_x - m_y|^2 + tr(S_x + S_y - 2 (S_x S_y)^(1/2)), at least 0.

    Each side is points [N, D], prepared statistics, or what np.load gives of a file with mu and sigma.

    The trace of (S_x S_y)^(1/2) is taken from the eigenvalues of L^T S_x L with L L^T = S_y, which is symmetric: so the distance is a
    finite real number for collapsed points too, where a square root of the product itself turns complex or NaN. The factor is that of
    `y`: where one side stays the same (the real data), prepare it and hand it in as `y`.
    """
    a, b = _statistics("x", x), _statistics("y", y)
    same_dimension("x", a.mean, "y", b.mean)
    product, _ = dsygst(a.covariance, b.factor, itype=2, lower=1)  # half the work of two products of matrices, as both are symmetric
    eigenvalues = eigvalsh(product, lower=True, driver="evr", overwrite_a=True, check_finite=False).astype(np.float64)
    trace_of_root = _roots(eigenvalues).sum()
    distance = np.sum((a.mean - b.mean) ** 2) + np.trace(a.covariance) + np.trace(b.covariance) - 2 * trace_of_root
    return max(0.0, float(distance))


def _statistics(name: str, side: Side) -> FrechetStatistics:
    if isinstance(side, FrechetStatistics):
        return side
    return FrechetStatistics.from_npz(side, name=name) if isinstance(side, Mapping) else frechet_statistics(side, name=name)


def _roots(eigenvalues: Floats) -> Floats:
    """Square roots of the eigenvalues [D] of a symmetric matrix without negative ones; what rounding made of zeros is 0 again.

    Where points have no spread, rounding leaves about +-1e-16 of the largest eigenvalue. Its root would be 1e-8 of the largest root for
    each of up to D dimensions, which moves the distance of collapsed points by 1e-6.
    """
    noise = len(eigenvalues) * np.finfo(np.float64).eps * eigenvalues.max()
    roots: Floats = np.sqrt(np.where(eigenvalues > noise, eigenvalues, 0.0))
    return roots
