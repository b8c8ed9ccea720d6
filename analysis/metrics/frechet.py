"""Fréchet distance between two sets of features. Dowson & Landau 1982; as a score for GANs: Heusel et al. 2017, eq. 6.

The value has an upward bias of about (D(D + 1)/2 + 2D)/N for N = M samples of equal Gaussians: compare only values of equal N and D.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import eigvalsh, qr
from scipy.linalg.lapack import dsygst

from analysis.metrics.arrays import Floats, as_points, library, on_host, same_dimension
from ganstudy import UserError


@dataclass(frozen=True, eq=False)
class FrechetStatistics:
    """A Gaussian fitted to points: their `mean` [D] and `covariance` [D, D] (normalised by n - 1)."""

    mean: Floats
    covariance: Floats

    @classmethod
    def from_npz(cls, stored: Mapping[str, ArrayLike], *, name: str = "x") -> "FrechetStatistics":
        """Read {"mu": [D], "sigma": [D, D]}, the content of an .npz file of pytorch-fid or TTUR. Raises UserError for any other content."""
        if not {"mu", "sigma"} <= set(stored):
            raise UserError(f"{name} must hold mu and sigma, as the files of pytorch-fid do; it holds {sorted(stored)}")
        mean, covariance = (np.asarray(stored[key], dtype=np.float64) for key in ("mu", "sigma"))
        if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)):
            raise UserError(
                f"{name} must hold mu [D] and sigma [D, D]; given are the shapes {list(mean.shape)} and {list(covariance.shape)}"
            )
        if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
            raise UserError(f"{name} must hold finite values only; its mu or sigma holds NaN or infinity")
        return cls(mean, covariance)

    def as_npz(self) -> dict[str, Floats]:
        """Return arrays such that np.savez(path, **statistics.as_npz()) writes the format of pytorch-fid."""
        return {"mu": self.mean, "sigma": self.covariance}

    def map(self, convert: Callable[[Any], Any]) -> "FrechetStatistics":
        """Return the same with other arrays, for example tensors on a device."""
        found = FrechetStatistics(convert(self.mean), convert(self.covariance))
        found.__dict__["factor"] = convert(self.factor)
        return found

    @cached_property
    def factor(self) -> Floats:
        """Lower triangular L [D, D] with L L^T = covariance, also if that is singular. Cached, and pickled with the object."""
        values, vectors = np.linalg.eigh(self.covariance)
        (upper,) = qr((vectors * _roots(values)) @ vectors.T, mode="r")
        factor: Floats = np.asfortranarray(upper.T)
        return factor


def frechet_statistics(x: ArrayLike, *, name: str = "x") -> FrechetStatistics:
    """Return mean and covariance of the points `x` [N, D], N >= 2. Error messages call them `name`."""
    points = as_points(name, x)
    mean = points.mean(axis=0)
    centred = points - mean
    return FrechetStatistics(mean, centred.T @ centred / (len(points) - 1))


_PointsOrStatistics = ArrayLike | FrechetStatistics | Mapping[str, ArrayLike]


def frechet_distance(x: _PointsOrStatistics, y: _PointsOrStatistics) -> float:
    """Return |m_x - m_y|^2 + tr(S_x + S_y - 2 (S_x S_y)^(1/2)), at least 0.

    Each argument is points [N, D], prepared statistics, or the content of an .npz file with mu and sigma.

    The trace of (S_x S_y)^(1/2) comes from the eigenvalues of the symmetric L^T S_x L with L L^T = S_y. The distance is therefore finite and
    real for collapsed points too, whereas the square root of the product itself becomes complex or NaN. L is cached on `y`: pass
    prepared statistics of the real data as `y` if it is used repeatedly.
    """
    a, b = _statistics("x", x), _statistics("y", y)
    same_dimension("x", a.mean, "y", b.mean)
    trace_of_root = _roots(_eigenvalues(a.covariance, b.factor)).sum()
    traces = float(a.covariance.diagonal().sum()) + float(b.covariance.diagonal().sum())
    return max(0.0, float(((a.mean - b.mean) ** 2).sum()) + traces - 2 * float(trace_of_root))


def _eigenvalues(covariance: Any, factor: Any) -> Floats:
    """Return the eigenvalues [D] of L^T S L."""
    if not isinstance(covariance, np.ndarray):
        return on_host(library(covariance).linalg.eigvalsh(factor.T @ covariance @ factor))
    # half the work of two matrix products, because both matrices are symmetric
    product, _ = dsygst(covariance, factor, itype=2, lower=1)
    return eigvalsh(product, lower=True, driver="evr", overwrite_a=True, check_finite=False).astype(np.float64)


def _statistics(name: str, given: _PointsOrStatistics) -> FrechetStatistics:
    if isinstance(given, FrechetStatistics):
        return given
    return FrechetStatistics.from_npz(given, name=name) if isinstance(given, Mapping) else frechet_statistics(given, name=name)


def _roots(eigenvalues: Floats) -> Floats:
    """Return square roots of the eigenvalues [D] of a positive semidefinite matrix, with rounding errors set to 0.

    In directions without spread, rounding leaves about +-1e-16 of the largest eigenvalue. The root of that is 1e-8 of the largest root in
    each of up to D dimensions, which would change the distance of collapsed points by 1e-6.
    """
    noise = len(eigenvalues) * np.finfo(np.float64).eps * eigenvalues.max()
    roots: Floats = np.sqrt(np.where(eigenvalues > noise, eigenvalues, 0.0))
    return roots
