"""Vendi score: how many different samples a set holds, effectively. From 1 (all the same) to N (nothing in common). Needs no real data.

Friedman & Dieng 2023, The Vendi Score; the order q: Pasarkar & Dieng 2024, Cousins of the Vendi Score. It is the exponential of the Rényi
entropy of order q of the eigenvalues of K / N, where K [N, N] holds the similarities of the samples, 1 on its diagonal.
q = 1: Shannon's entropy, the score of 2023.    q = 0: the number of non-zero eigenvalues.    q = infinity: 1 / the largest one.
The larger q, the less do rare kinds of sample count.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import entr, logsumexp

from analysis.metrics.arrays import Floats, as_points

AT_CENTRE = 1e-9  # a point nearer to the centre than this share of its length has no direction but that of rounding errors


def vendi_score(x: ArrayLike, *, centre: ArrayLike | None = None, q: float = 1.0) -> float:
    """Vendi score of order `q` >= 0 of points `x` [N, D], their similarity being the cosine of the angle seen from `centre` [D].

    Hand in the mean of the real data as `centre` wherever there are real data. From an origin that is far away all points lie in one
    direction: features after a ReLU score 9.5, less their mean 62.9. From the samples' own mean (`None`) a collapse is invisible: one point
    with a little noise looks as varied as real data, two points look like one. `None` is right for the real data alone, whose score is
    what a generator can hope for; from there, more is better only up to that score: noise scores more than any picture.

    Between 1 and min(N, D + 1). It grows with N: N(0, I_64) scores 60.2, 62.0, 63.0, 63.9 at N = 500, 1,000, 2,000, 20,000, or
    D exp(-D / 2N), so compare equal N only. A collapse to m points scores at most m. All points that equal the centre are of one kind,
    alike and unlike any other, so that a set of equal points scores 1 wherever the centre is.
    """
    points = as_points("x", x, least=1)
    origin = points.mean(axis=0) if centre is None else np.asarray(centre, dtype=np.float64)
    if origin.shape != points.shape[1:] or not np.isfinite(origin).all():
        raise ValueError(f"centre must be one finite point {list(points.shape[1:])}; given is the shape {list(origin.shape)}: {origin}")
    shifted = points - origin
    length = np.linalg.norm(shifted, axis=1)
    no_direction = length <= AT_CENTRE * np.maximum(np.linalg.norm(points, axis=1), np.linalg.norm(origin))
    directions = np.divide(shifted, length[:, None], out=np.zeros_like(shifted), where=~no_direction[:, None])
    unit = np.column_stack([directions, no_direction])  # [N, D + 1]: one more direction, for the points at the centre
    gram = unit @ unit.T if len(unit) < unit.shape[1] else unit.T @ unit  # the same eigenvalues, but for zeros
    return _effective_number(gram / len(unit), q)


def vendi_score_of_kernel(kernel: ArrayLike, *, q: float = 1.0) -> float:
    """Vendi score of order `q` >= 0 of a matrix of similarities `kernel` [N, N]: symmetric, positive semidefinite, 1 on its diagonal."""
    similarities = as_points("kernel", kernel, least=1)
    n, columns = similarities.shape
    if n != columns or not np.allclose(similarities, similarities.T) or not np.allclose(np.diagonal(similarities), 1):
        raise ValueError(
            f"kernel must be a symmetric matrix [N, N] with 1 on its diagonal; given is the shape {[n, columns]}: {similarities}"
        )
    return _effective_number(similarities / n, q)


def _effective_number(matrix: Floats, q: float) -> float:
    """exp of the Rényi entropy of order q of the eigenvalues of a symmetric `matrix` of trace 1."""
    if not q >= 0:
        raise ValueError(f"q, the order, must be at least 0; given is {q}")
    eigenvalues = np.linalg.eigvalsh(matrix)
    largest = eigenvalues[-1]
    if eigenvalues[0] < -1e-8 * largest:
        raise ValueError(f"kernel must be positive semidefinite; its least eigenvalue over N is {eigenvalues[0]:.3g}")
    # what rounding made of zeros would count for small q: a thousand eigenvalues of 1e-17 are a thousand kinds of sample for q = 0
    shares = eigenvalues[eigenvalues > len(eigenvalues) * np.finfo(np.float64).eps * largest]
    if q == 1:
        return float(np.exp(entr(shares).sum()))
    if q == np.inf:
        return float(1 / largest)
    return float(np.exp(logsumexp(q * np.log(shares)) / (1 - q)))
