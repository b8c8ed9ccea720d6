from math import gamma, pi, sqrt
from typing import Any

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from analysis.metrics import transport
from analysis.metrics.transport import sliced_wasserstein
from ganstudy import UserError


def normal(n: int, d: int, seed: int) -> np.ndarray:
    return np.random.RandomState(seed).normal(size=(n, d))


def by_scipy(x: np.ndarray, y: np.ndarray, *, projections: int, seed: int) -> float:
    directions = np.random.default_rng(seed).normal(size=(projections, x.shape[1]))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return float(np.mean([wasserstein_distance(x @ u, y @ u) for u in directions]))


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (normal(200, 8, 0), normal(200, 8, 1)),
        (normal(150, 3, 0) + 5, 2 * normal(260, 3, 1)),
        (normal(7, 64, 0), normal(5, 64, 1)),
        (np.repeat(normal(1, 8, 0), 100, axis=0), normal(130, 8, 1)),
        (np.repeat(normal(2, 8, 0), 50, axis=0), normal(100, 8, 1)),
        (normal(1, 8, 0), normal(100, 8, 1)),
        (normal(100, 8, 0) * (np.arange(8) % 2), normal(60, 8, 1)),
    ],
    ids=["equal n", "unequal n", "n < d", "all equal", "two points", "one point", "constant channels"],
)
def test_equals_scipy_per_direction(x: np.ndarray, y: np.ndarray) -> None:
    assert sliced_wasserstein(x, y, projections=50, seed=3) == pytest.approx(by_scipy(x, y, projections=50, seed=3), rel=1e-10)


def test_in_one_dimension_it_is_the_earth_movers_distance() -> None:
    x, y = normal(100, 1, 0), 2 * normal(37, 1, 1) + 1
    assert sliced_wasserstein(x, y, projections=3) == pytest.approx(wasserstein_distance(x[:, 0], y[:, 0]))
    assert sliced_wasserstein([[0.0], [2.0]], [[1.0]]) == pytest.approx(1)
    assert sliced_wasserstein([[0.0], [0.0], [3.0]], [[0.0], [3.0]]) == pytest.approx(3 / 6)  # a sixth of the mass moves by 3


@pytest.mark.parametrize("d", [2, 8, 64])
def test_a_shift_scores_its_mean_length_along_a_direction(d: int) -> None:
    """E|u_1| = Gamma(d/2) / (sqrt(pi) Gamma((d + 1)/2)) over unit directions u."""
    x, shift = normal(50, d, 0), normal(1, d, 1)
    expected = np.linalg.norm(shift) * gamma(d / 2) / (sqrt(pi) * gamma((d + 1) / 2))
    assert sliced_wasserstein(x, x + shift, projections=20_000) == pytest.approx(expected, rel=0.02)


def test_identities() -> None:
    x, y = normal(100, 8, 0), normal(130, 8, 1)
    value = sliced_wasserstein(x, y)
    assert sliced_wasserstein(x, x) == 0
    assert sliced_wasserstein(x, x[::-1]) == pytest.approx(0, abs=1e-15)
    assert sliced_wasserstein(x, np.repeat(x, 3, axis=0)) == pytest.approx(0, abs=1e-15)  # the same distribution
    assert sliced_wasserstein(y, x) == pytest.approx(value)
    assert sliced_wasserstein(-5 * x + 2, -5 * y + 2) == pytest.approx(5 * value)


def test_scores_of_a_perfect_and_a_collapsed_generator() -> None:
    n, s = 400, 3.0
    perfect = np.mean([sliced_wasserstein(s * normal(n, 4, seed), s * normal(n, 4, 100 + seed), projections=50) for seed in range(40)])
    assert perfect == pytest.approx(1.8 * s / sqrt(n), rel=0.05)
    assert sliced_wasserstein(s * normal(5000, 4, 0), np.zeros((9, 4)), projections=200) == pytest.approx(s * sqrt(2 / pi), rel=0.02)


def test_the_distance_falls_with_each_mode_added() -> None:
    rng = np.random.RandomState(0)
    centres = 5 * rng.normal(size=(10, 8))
    real = centres[np.arange(500) % 10] + rng.normal(size=(500, 8))
    values = [sliced_wasserstein(real, centres[np.arange(500) % kept] + rng.normal(size=(500, 8))) for kept in (1, 2, 5, 10)]
    assert values == sorted(values, reverse=True)


def test_the_value_depends_on_the_seed_and_not_on_the_block_size(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = normal(100, 8, 0), normal(70, 8, 1)
    value = sliced_wasserstein(x, y, projections=20)
    assert sliced_wasserstein(x, y, projections=20) == value
    assert sliced_wasserstein(x, y, projections=20, seed=1) != value
    for block in (1, 500):
        monkeypatch.setattr(transport, "_BLOCK", block)
        assert sliced_wasserstein(x, y, projections=20) == pytest.approx(value)


@pytest.mark.parametrize("block", [1, 500, 1_000_000])
def test_a_set_that_was_projected_before_gives_the_same(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_BLOCK", block)
    x, y = normal(100, 8, 0), normal(70, 8, 1)
    value = sliced_wasserstein(x, y, projections=20, seed=2)
    assert sliced_wasserstein(x, y, projections=20, seed=2, sorted_y=transport.projected(y, projections=20, seed=2)) == pytest.approx(value)


@pytest.mark.parametrize(
    ("x", "options", "message"),
    [
        (np.ones((4, 2)), {}, "x and y must have the same dimension D; given are 2 and 3"),
        (np.ones((0, 3)), {}, "x must hold at least 1 points; given are 0"),
        (np.full((4, 3), np.inf), {}, "x must hold finite values only; 4 of 4"),
        (np.ones((4, 3)), {"projections": 0}, "projections must be at least 1; given is 0"),
    ],
)
def test_rejects(x: np.ndarray, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        sliced_wasserstein(x, np.eye(3), **options)
