"""Metrics of conditional generators: how well samples match the requested classes. Labels [N] are integers from 0 to K - 1."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import qr

from analysis.metrics.arrays import Floats, as_points, same_dimension
from ganstudy import UserError

_LEAST = 2  # points of a class in each set: fewer have no covariance


def class_frechet_distance(x: ArrayLike, x_labels: ArrayLike, y: ArrayLike, y_labels: ArrayLike) -> float:
    """Return the mean over classes of the Fréchet distance within a class, in any features: intra-FID, Miyato & Koyama 2018, section 4.1.

    `x` [N, D] are samples with their requested classes, `y` [M, D] real points with their own. Classes have equal weight whatever their size;
    a class with fewer than 2 points in either set is skipped. The bias grows as classes get smaller, so compare only values of equal
    N, M and K. Raises UserError if no class has 2 points in both sets.
    """
    return float(np.mean(list(class_frechet_distances(x, x_labels, y, y_labels).values())))


def class_frechet_distances(x: ArrayLike, x_labels: ArrayLike, y: ArrayLike, y_labels: ArrayLike) -> dict[int, float]:
    """Return class -> Fréchet distance within it, for classes with 2 points in both sets."""
    a, b = as_points("x", x), as_points("y", y)
    same_dimension("x", a, "y", b)
    of_a, of_b = _labels("x_labels", x_labels, len(a)), _labels("y_labels", y_labels, len(b))
    shared = [k for k in np.intersect1d(of_a, of_b) if min((of_a == k).sum(), (of_b == k).sum()) >= _LEAST]
    if not shared:
        raise UserError(f"a class must have {_LEAST} points in both sets; none of those in x_labels and y_labels has")
    return {int(k): _distance(a[of_a == k], b[of_b == k]) for k in shared}


def class_agreement(decisions: ArrayLike, labels: ArrayLike) -> float:
    """Return the share of samples whose recognised class (`decisions` [N]) is the requested one (`labels` [N]).

    The accuracy that Odena et al. 2017, section 4.3, use to count the classes that a generator can make. Its upper limit is the score of real
    data of known class. A generator that ignores the class scores the probability that two draws agree, 1/K for balanced classes.
    """
    found = np.asarray(decisions)
    return float((found == _labels("labels", labels, len(found))).mean())


def class_agreements(decisions: ArrayLike, labels: ArrayLike) -> dict[int, float]:
    """Return requested class -> share of its samples that are recognised as it."""
    found = np.asarray(decisions)
    asked = _labels("labels", labels, len(found))
    return {int(k): float((found[asked == k] == k).mean()) for k in np.unique(asked)}


def _labels(name: str, labels: ArrayLike, n: int) -> NDArray[np.int64]:
    found = np.asarray(labels)
    if found.shape != (n,) or not np.issubdtype(found.dtype, np.integer):
        raise UserError(f"{name} must be {n} integers, the class of each point; given are {found.dtype} {list(found.shape)}")
    return found.astype(np.int64)


def _distance(a: Floats, b: Floats) -> float:
    """Return `frechet_distance` computed from the points: the trace of (S_a S_b)^(1/2) is the sum of the singular values of A B^T,
    where A^T A = S_a. The cost grows with the number of points, not dimensions, which suits small classes.
    """
    root_a, root_b = _root(a), _root(b)
    trace_of_root = np.linalg.svd(root_a @ root_b.T, compute_uv=False).sum()
    means = np.sum((a.mean(axis=0) - b.mean(axis=0)) ** 2)
    return max(0.0, float(means + np.sum(root_a**2) + np.sum(root_b**2) - 2 * trace_of_root))


def _root(x: Floats) -> Floats:
    """Return A [min(N, D), D] such that A^T A is the covariance of the points."""
    (upper,) = qr((x - x.mean(axis=0)) / np.sqrt(len(x) - 1), mode="r")
    root: Floats = upper[: x.shape[1]]
    return root
