"""Vendi score: the effective number of different samples, from 1 (all the same) to N (all unrelated). It needs no real data.

Friedman & Dieng 2023, The Vendi Score; for the order q: Pasarkar & Dieng 2024, Cousins of the Vendi Score. It is the exponential of the
Rényi entropy of order q of the eigenvalues of K / N, where K [N, N] holds the similarities of the samples, with 1 on its diagonal.
q = 1: Shannon entropy, the score of 2023.    q = 0: number of non-zero eigenvalues.    q = infinity: 1 / largest eigenvalue.
A larger q gives less weight to rare kinds of samples.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import entr, logsumexp

from analysis.metrics.arrays import Floats, as_points, library, on_host
from ganstudy import UserError

_AT_CENTRE = 1e-9  # closer to the centre than this share of its length, the direction of a point is only rounding error


def vendi_score(x: ArrayLike, *, centre: ArrayLike | None = None, q: float = 1.0) -> float:
    """Return the Vendi score of order `q` >= 0 of points `x` [N, D]. The similarity is the cosine of the angle as seen from `centre` [D].

    Pass the mean of the real data as `centre` if there are real data. From a distant origin all points lie in one direction: features
    after a ReLU score 9.5, but 62.9 after subtracting their mean. From the samples' own mean (`None`) a collapse is invisible: one point with
    a little noise looks as varied as real data, and two points look like one. `None` is right for real data themselves; their score is the
    target for a generator. Higher is better only up to that score, because noise scores higher than any image.

    The score lies between 1 and min(N, D + 1). It grows with N: N(0, I_64) scores 60.2, 62.0, 63.0, 63.9 at N = 500, 1,000, 2,000, 20,000,
    about D exp(-D / 2N), so compare only equal N. A collapse to m points scores at most m. All points at the centre count as one kind that is
    unrelated to any other, so a set of equal points scores 1 for any centre.
    """
    points: Any = as_points("x", x, least=1)
    xp = library(points)
    origin = points.mean(axis=0) if centre is None else xp.asarray(centre, dtype=xp.float64)
    if origin.shape != points.shape[1:] or not xp.isfinite(origin).all():
        raise UserError(f"centre must be one finite point {list(points.shape[1:])}; given is the shape {list(origin.shape)}: {origin}")
    shifted = points - origin
    length = xp.linalg.vector_norm(shifted, axis=1)
    no_direction = length <= _AT_CENTRE * xp.clip(xp.linalg.vector_norm(points, axis=1), min=float(xp.linalg.vector_norm(origin)))
    directions = shifted / xp.where(no_direction, xp.inf, length)[:, None]
    unit = xp.concat(
        [directions, xp.astype(no_direction, xp.float64)[:, None]], axis=1
    )  # [N, D + 1]: one extra direction for points at the centre
    gram = unit @ unit.T if len(unit) < unit.shape[1] else unit.T @ unit  # both have the same non-zero eigenvalues
    return _effective_number(gram / len(unit), q)


def vendi_score_of_kernel(kernel: ArrayLike, *, q: float = 1.0) -> float:
    """Return the Vendi score of order `q` >= 0 of similarities `kernel` [N, N]: symmetric, positive semidefinite, 1 on the diagonal."""
    similarities = as_points("kernel", kernel, least=1)
    n, columns = similarities.shape
    if n != columns or not np.allclose(similarities, similarities.T) or not np.allclose(np.diagonal(similarities), 1):
        raise UserError(
            f"kernel must be a symmetric matrix [N, N] with 1 on its diagonal; given is the shape {[n, columns]}: {similarities}"
        )
    return _effective_number(similarities / n, q)


def _effective_number(matrix: Any, q: float) -> float:
    """Return exp of the Rényi entropy of order q of the eigenvalues of a symmetric `matrix` with trace 1."""
    if not q >= 0:
        raise UserError(f"q, the order, must be at least 0; given is {q}")
    eigenvalues: Floats = on_host(library(matrix).linalg.eigvalsh(matrix))
    largest = eigenvalues[-1]
    if eigenvalues[0] < -1e-8 * largest:
        raise UserError(f"kernel must be positive semidefinite; its least eigenvalue over N is {eigenvalues[0]:.3g}")
    # for small q, zeros with rounding errors would count: for q = 0, a thousand eigenvalues of 1e-17 are a thousand kinds of samples
    shares = eigenvalues[eigenvalues > len(eigenvalues) * np.finfo(np.float64).eps * largest]
    if q == 1:
        return float(np.exp(entr(shares).sum()))
    if q == np.inf:
        return float(1 / largest)
    return float(np.exp(logsumexp(q * np.log(shares)) / (1 - q)))
