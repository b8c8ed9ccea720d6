"""How well a generator that was asked for classes made them. K classes; the labels [N] are whole numbers from 0 to K - 1."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import qr

from analysis.metrics.arrays import Floats, as_points, same_dimension

LEAST = 2  # points of a class on each side: fewer have no covariance


def class_frechet_distance(x: ArrayLike, x_labels: ArrayLike, y: ArrayLike, y_labels: ArrayLike) -> float:
    """The Fréchet distance within each class, its mean over the classes: the intra-FID of Miyato & Koyama 2018, section 4.1, in any features.

    `x` [N, D] with the classes asked for, `y` [M, D] with their own. Each class counts the same, however many points it has; one with fewer
    than 2 on a side is left out. The bias of the distance grows as the points of a class get fewer: never compare values of different N, M
    or K. Raises ValueError where no class has 2 points on both sides.
    """
    return float(np.mean(list(class_frechet_distances(x, x_labels, y, y_labels).values())))


def class_frechet_distances(x: ArrayLike, x_labels: ArrayLike, y: ArrayLike, y_labels: ArrayLike) -> dict[int, float]:
    """The same, class by class: class -> distance, of those that have 2 points on both sides."""
    a, b = as_points("x", x), as_points("y", y)
    same_dimension("x", a, "y", b)
    of_a, of_b = _labels("x_labels", x_labels, len(a)), _labels("y_labels", y_labels, len(b))
    shared = [k for k in np.intersect1d(of_a, of_b) if min((of_a == k).sum(), (of_b == k).sum()) >= LEAST]
    if not shared:
        raise ValueError(f"a class must have {LEAST} points on both sides; none of those in x_labels and y_labels has")
    return {int(k): _distance(a[of_a == k], b[of_b == k]) for k in shared}


def class_agreement(decisions: ArrayLike, labels: ArrayLike) -> float:
    """Share of the samples that are of the class that was asked for: `decisions` [N] by whoever tells classes, `labels` [N].

    As the accuracy by which Odena et al. 2017, section 4.3, find how many classes a generator can make. At most what real data of known class score;
    a generator that does not listen scores the chance that two draws agree, 1/K for even classes.
    """
    found = np.asarray(decisions)
    return float((found == _labels("labels", labels, len(found))).mean())


def class_agreements(decisions: ArrayLike, labels: ArrayLike) -> dict[int, float]:
    """The same, class by class: class that was asked for -> share of its samples that are of it."""
    found = np.asarray(decisions)
    asked = _labels("labels", labels, len(found))
    return {int(k): float((found[asked == k] == k).mean()) for k in np.unique(asked)}


def _labels(name: str, labels: ArrayLike, n: int) -> NDArray[np.int64]:
    found = np.asarray(labels)
    if found.shape != (n,) or not np.issubdtype(found.dtype, np.integer):
        raise ValueError(f"{name} must be {n} whole numbers, the class of each point; given are {found.dtype} {list(found.shape)}")
    return found.astype(np.int64)


def _distance(a: Floats, b: Floats) -> float:
    """As `frechet_distance`, from the points themselves: the trace of (S_a S_b)^(1/2) is the sum of the singular values of A B^T, where
    A^T A = S_a. So a class of few points in many dimensions costs as little as its points.
    """
    root_a, root_b = _root(a), _root(b)
    trace_of_root = np.linalg.svd(root_a @ root_b.T, compute_uv=False).sum()
    means = np.sum((a.mean(axis=0) - b.mean(axis=0)) ** 2)
    return max(0.0, float(means + np.sum(root_a**2) + np.sum(root_b**2) - 2 * trace_of_root))


def _root(x: Floats) -> Floats:
    """A [min(N, D), D] with A^T A the covariance of the points."""
    (upper,) = qr((x - x.mean(axis=0)) / np.sqrt(len(x) - 1), mode="r")
    root: Floats = upper[: x.shape[1]]
    return root
