"""Distances and agreement within classes."""

import numpy as np
import pytest

from analysis.metrics import class_agreement, class_agreements, class_frechet_distance, class_frechet_distances, frechet_distance
from ganstudy import UserError


def test_the_distance_within_classes_by_hand() -> None:
    """In one dimension it is (m - m')^2 + (s - s')^2. Class 0: 9 + (1 - 3)^2 = 13, class 1: 0 + 0, with equal weights."""
    x = np.array([[-1.0], [0.0], [1.0], [5.0], [7.0]])
    y = np.array([[7.0], [5.0], [0.0], [3.0], [6.0]])
    assert class_frechet_distance(x, [0, 0, 0, 1, 1], y, [1, 1, 0, 0, 0]) == pytest.approx((13 + 0) / 2)
    assert class_frechet_distances(x, [0, 0, 0, 1, 1], y, [1, 1, 0, 0, 0]) == pytest.approx({0: 13, 1: 0})
    assert class_frechet_distance(x, [1, 1, 1, 0, 0], y, [0, 0, 1, 1, 1]) == pytest.approx((13 + 0) / 2)  # labels are arbitrary


@pytest.mark.parametrize(("n", "d"), [(40, 3), (40, 60), (7, 20), (300, 64)])
def test_it_is_the_mean_over_the_distances_of_classes(n: int, d: int) -> None:
    """Also for classes with fewer points than dimensions."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(3 * n, d)) * rng.uniform(0.5, 2, d), rng.normal(size=(6 * n, d)) + 0.3
    of_x, of_y = np.arange(3 * n) % 3, np.arange(6 * n) % 3
    expected = np.mean([frechet_distance(x[of_x == k], y[of_y == k]) for k in range(3)])
    assert class_frechet_distance(x, of_x, y, of_y) == pytest.approx(expected, rel=1e-6)
    assert class_frechet_distance(x, of_x, x, of_x) == pytest.approx(0, abs=1e-9)
    assert class_frechet_distance(y, of_y, x, of_x) == pytest.approx(expected, rel=1e-6)


def test_it_detects_swapped_classes() -> None:
    """If two classes are swapped, the distance over all samples stays small."""
    rng = np.random.default_rng(0)
    labels = np.arange(2000) % 2
    x, y = (10 * labels[:, None] + rng.normal(size=(2000, 2)) for _ in range(2))
    assert frechet_distance(x, y) < 0.1
    assert class_frechet_distance(x, labels, y, labels) < 0.1
    assert class_frechet_distance(x, 1 - labels, y, labels) == pytest.approx(200, rel=0.05)


def test_a_class_with_one_point_is_skipped() -> None:
    x, y = np.array([[0.0], [2.0], [99.0]]), np.array([[1.0], [3.0], [5.0], [6.0]])
    assert class_frechet_distance(x, [0, 0, 1], y, [0, 0, 1, 1]) == pytest.approx(1)
    assert class_frechet_distance(x[:2], [0, 0], y, [0, 0, 1, 1]) == pytest.approx(1)
    with pytest.raises(UserError, match="a class must have 2 points in both sets; none of those in x_labels and y_labels has"):
        class_frechet_distance(x, [0, 1, 2], y, [0, 0, 1, 1])


def test_collapsed_classes_are_finite() -> None:
    """The distance of a class collapsed to one point: the trace of the real covariance, plus the squared distance to the real mean."""
    y = np.random.default_rng(0).normal(size=(100, 5))
    found = class_frechet_distance(np.zeros((100, 5)), np.arange(100) % 2, y, np.arange(100) % 2)
    halves = [y[::2], y[1::2]]
    assert found == pytest.approx(np.mean([np.trace(np.cov(h.T)) + (h.mean(0) ** 2).sum() for h in halves]))


def test_agreement_is_a_share() -> None:
    assert class_agreement([0, 1, 2, 2], [0, 1, 2, 1]) == 0.75
    assert class_agreements([0, 1, 2, 2], [0, 1, 2, 1]) == {0: 1.0, 1: 0.5, 2: 1.0}
    assert class_agreement([1], [0]) == 0
    rng = np.random.default_rng(0)
    assert class_agreement(rng.integers(10, size=20_000), rng.integers(10, size=20_000)) == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1], r"x_labels must be 3 integers, the class of each point; given are int64 \[2\]"),
        ([[0, 1, 2]], r"x_labels must be 3 integers, the class of each point; given are int64 \[1, 3\]"),
        ([0.0, 1.0, 2.0], r"x_labels must be 3 integers, the class of each point; given are float64 \[3\]"),
    ],
)
def test_rejects(labels: list[int], message: str) -> None:
    with pytest.raises(UserError, match=message):
        class_frechet_distance(np.eye(3), labels, np.eye(3), [0, 1, 2])
