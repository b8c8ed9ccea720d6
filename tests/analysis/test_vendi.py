from collections.abc import Callable

import numpy as np
import pytest
from vendi_score import vendi

from analysis.metrics.vendi import vendi_score, vendi_score_of_kernel
from ganstudy import UserError

# the package uses a deprecated name of SciPy
pytestmark = pytest.mark.filterwarnings("ignore:.*scipy.sparse.csr.*:DeprecationWarning")

ORDERS = [0.1, 0.5, 1, 2, 10, np.inf]


def normal(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.RandomState(seed).normal(size=(n, d))


def cosines(x: np.ndarray) -> np.ndarray:
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    return np.asarray(unit @ unit.T)


def order(q: float) -> float | str:
    return "inf" if q == np.inf else q


SETS = {
    "more points than dimensions": normal(200, 16),
    "fewer points than dimensions": normal(20, 64),
    "far from the centre": normal(200, 16) + 5,
    "collapsed to ten points": np.repeat(normal(10, 64), 20, axis=0),
    "collapsed to one point": np.repeat(normal(1, 8), 100, axis=0),
    "one direction": normal(100, 1) * np.ones(8),
}


# The package counts eigenvalues that are only rounding errors, which matters below q = 1.
@pytest.mark.parametrize("q", [1, 2, 10, np.inf])
@pytest.mark.parametrize("points", SETS.values(), ids=SETS)
def test_equals_the_package(points: np.ndarray, q: float) -> None:
    ours = vendi_score(points, centre=np.zeros(points.shape[1]), q=q)
    assert ours == pytest.approx(vendi.score_K(cosines(points), q=order(q)), rel=1e-9)
    assert ours == pytest.approx(vendi.score_dual(points, q=order(q)), rel=1e-9)
    assert ours == pytest.approx(vendi_score_of_kernel(cosines(points), q=q), rel=1e-9)


@pytest.mark.parametrize("q", [0.1, 0.5])
def test_equals_the_package_below_order_one(q: float) -> None:
    full_rank = normal(20, 64)
    assert vendi_score(full_rank, centre=np.zeros(64), q=q) == pytest.approx(vendi.score_K(cosines(full_rank), q=q), rel=1e-9)


@pytest.mark.parametrize("q", [0, 0.1, 0.5])
def test_rounding_errors_do_not_count(q: float) -> None:
    """For one point repeated 100 times the package scores 2.3 at order 0.1, because 99 eigenvalues are 1e-17 and not 0."""
    one_point = np.repeat(normal(1, 8), 100, axis=0)
    assert vendi.score_K(cosines(one_point), q=0.1) > 1.5
    assert vendi_score(one_point, centre=np.zeros(8), q=q) == pytest.approx(1)


def test_score_x_of_the_package_ignores_the_order() -> None:
    points = normal(50, 8)
    assert vendi.score_X(points, q=2) == vendi.score_X(points, q=1) == pytest.approx(vendi_score(points, centre=np.zeros(8)))
    assert vendi_score(points, centre=np.zeros(8), q=2) < 0.99 * vendi.score_X(points, q=2)


def test_known_values() -> None:
    numbers = np.array([0, 0, 10, 10, 20, 20])
    assert vendi_score_of_kernel(np.exp(-np.abs(numbers[:, None] - numbers))) == pytest.approx(
        3, abs=1e-8
    )  # the paper prints the truncated 2.9999
    assert vendi_score_of_kernel([[1.0, 0.9, 0.0], [0.9, 1.0, 0.0], [0.0, 0.0, 1.0]]) == pytest.approx(2.1573, abs=5e-5)


@pytest.mark.parametrize(("n", "score"), [(500, 60.2), (1000, 62.0), (2000, 63.0), (20_000, 63.9)])
def test_grows_with_the_number_of_samples(n: int, score: float) -> None:
    assert vendi_score(normal(n, 64), centre=np.zeros(64)) == pytest.approx(score, abs=0.05)
    assert vendi_score(normal(n, 64), centre=np.zeros(64)) == pytest.approx(64 * np.exp(-64 / (2 * n)), rel=0.005)


@pytest.mark.parametrize("q", [0, *ORDERS])
@pytest.mark.parametrize("kinds", [1, 2, 5])
def test_equal_shares_of_unrelated_samples_count_one_each(kinds: int, q: float) -> None:
    assert vendi_score(np.repeat(np.eye(5)[:kinds], 7, axis=0), centre=np.zeros(5), q=q) == pytest.approx(kinds)


@pytest.mark.parametrize("q", [0.1, 0.5, 2, 10])
def test_entropy_of_unequal_shares(q: float) -> None:
    shares = np.array([0.7, 0.2, 0.1])
    points = np.repeat(np.eye(3), [70, 20, 10], axis=0)
    assert vendi_score(points, centre=np.zeros(3)) == pytest.approx(np.exp(-np.sum(shares * np.log(shares))))
    assert vendi_score(points, centre=np.zeros(3), q=q) == pytest.approx(np.sum(shares**q) ** (1 / (1 - q)))
    assert vendi_score(points, centre=np.zeros(3), q=np.inf) == pytest.approx(1 / 0.7)
    assert vendi_score(points, centre=np.zeros(3), q=0) == pytest.approx(3)


def test_the_score_is_continuous_and_decreasing_in_the_order() -> None:
    points = normal(100, 8) * np.arange(1, 9)
    scores = [vendi_score(points, centre=np.zeros(8), q=q) for q in (0, *ORDERS)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == pytest.approx(8)
    at_one = vendi_score(points, centre=np.zeros(8))
    assert vendi_score(points, centre=np.zeros(8), q=1 - 1e-6) == pytest.approx(at_one, rel=1e-5)
    assert vendi_score(points, centre=np.zeros(8), q=1 + 1e-6) == pytest.approx(at_one, rel=1e-5)
    assert vendi_score(points, centre=np.zeros(8), q=1e6) == pytest.approx(vendi_score(points, centre=np.zeros(8), q=np.inf), rel=1e-4)


def test_the_centre_should_be_the_mean_of_the_real_data() -> None:
    """An offset hides variety, and the samples' own mean hides a collapse."""
    real = normal(1000, 16) + 20
    one_point_with_noise = real[:1] + 1e-3 * normal(1000, 16, 1)
    centre = real.mean(axis=0)
    assert vendi_score(real, centre=centre) == vendi_score(real) > 15.5
    assert vendi_score(real, centre=np.zeros(16)) < 1.1
    assert vendi_score(one_point_with_noise, centre=centre) < 1.01
    assert vendi_score(one_point_with_noise) > 15.5
    two_points = np.repeat(real[:2], 50, axis=0)
    assert vendi_score(two_points) == pytest.approx(1)
    assert vendi_score(two_points, centre=centre) > 1.5


@pytest.mark.parametrize("n", [1, 2, 100, 100_000])
@pytest.mark.parametrize("value", [0, 0.1, 1e6, -3e-200])
def test_equal_samples_count_as_one_for_any_centre(value: float, n: int) -> None:
    """The computed mean of 100,000 times 0.1 is not exactly 0.1; the difference must not count as a direction."""
    points = np.full((n, 3), value)
    for centre in (None, points[0], points[0] + 1, np.zeros(3)):
        assert vendi_score(points, centre=centre) == pytest.approx(1)


def test_points_at_the_centre_count_as_one_kind() -> None:
    points = np.concatenate([np.zeros((50, 4)), np.repeat(np.eye(4)[:1], 50, axis=0)]) + 0.1
    assert vendi_score(points, centre=np.full(4, 0.1)) == pytest.approx(2)


def test_collapse_lowers_the_score() -> None:
    real = normal(500, 32)
    scores = [vendi_score(np.repeat(real[:kept], 500 // kept, axis=0), centre=np.zeros(32)) for kept in (500, 50, 10, 2, 1)]
    assert scores == sorted(scores, reverse=True)
    assert all(score <= kept + 1e-9 for score, kept in zip(scores, (500, 50, 10, 2, 1), strict=True))


def test_invariance_to_shift_rotation_and_scale() -> None:
    points, centre = normal(300, 8) * np.arange(1, 9), np.arange(8) / 8
    rotation = np.linalg.qr(normal(8, 8, 1))[0]
    score = vendi_score(points, centre=centre)
    assert vendi_score(points + 100, centre=centre + 100) == pytest.approx(score)
    assert vendi_score(1e-6 * points @ rotation, centre=1e-6 * centre @ rotation) == pytest.approx(score)
    assert vendi_score(points[::-1], centre=centre) == pytest.approx(score)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: vendi_score(np.ones(3)), r"x must be an array \[N, D\]"),
        (lambda: vendi_score(np.ones((0, 3))), "x must hold at least 1 points; given are 0"),
        (lambda: vendi_score([[0, np.nan]]), "x must hold finite values only"),
        (lambda: vendi_score(np.eye(3), centre=np.zeros(2)), r"centre must be one finite point \[3\]; given is the shape \[2\]"),
        (lambda: vendi_score(np.eye(3), centre=np.eye(3)), r"centre must be one finite point \[3\]; given is the shape \[3, 3\]"),
        (lambda: vendi_score(np.eye(2), centre=[0, np.inf]), "centre must be one finite point"),
        (lambda: vendi_score(np.eye(3), q=-1), "q, the order, must be at least 0; given is -1"),
        (lambda: vendi_score(np.eye(3), q=np.nan), "q, the order, must be at least 0; given is nan"),
        (lambda: vendi_score_of_kernel(np.ones((2, 3))), "kernel must be a symmetric matrix"),
        (lambda: vendi_score_of_kernel(np.array([[1, 0.5], [0, 1]])), "kernel must be a symmetric matrix"),
        (lambda: vendi_score_of_kernel(2 * np.eye(2)), "1 on its diagonal"),
        (lambda: vendi_score_of_kernel([[1, 2], [2, 1]]), "kernel must be positive semidefinite; its least eigenvalue over N is -0.5"),
    ],
)
def test_rejects(call: Callable[[], object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        call()
