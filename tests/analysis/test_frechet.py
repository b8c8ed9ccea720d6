from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
from torch_fidelity.metric_fid import fid_statistics_to_metric

from analysis.metrics import frechet_distance, frechet_statistics
from ganstudy import UserError


def pair(n: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.RandomState(0)
    return rng.normal(size=(n, d)), rng.normal(size=(n, d))


def fidelity(x: np.ndarray, y: np.ndarray) -> float:
    one, two = ({"mu": a.mean(axis=0), "sigma": np.cov(a, rowvar=False)} for a in (x, y))
    return float(fid_statistics_to_metric(one, two, False)["frechet_inception_distance"])


def by_singular_values(x: np.ndarray, y: np.ndarray) -> float:
    """The distance with the trace as the sum of the singular values of (centred x) S_y^(1/2), which takes no root of rounding errors."""
    centred = (x - x.mean(axis=0)) / np.sqrt(len(x) - 1)
    covariance = np.cov(y, rowvar=False)
    trace = np.linalg.svd(centred @ scipy.linalg.sqrtm(covariance).real, compute_uv=False).sum()
    return float(np.sum((x.mean(axis=0) - y.mean(axis=0)) ** 2) + np.sum(centred**2) + np.trace(covariance) - 2 * trace)


# from torch-fidelity, SciPy and eigh, which agree
KNOWN = {
    (5000, 64): 0.439615,
    (1000, 64): 2.193457,
    (100, 64): 21.452445,
    (64, 64): 34.220103,
    (50, 64): 43.535947,
    (2000, 256): 16.697545,
}


@pytest.mark.parametrize(("n", "d"), KNOWN)
def test_known_values(n: int, d: int) -> None:
    x, y = pair(n, d)
    assert frechet_distance(x, y) == pytest.approx(KNOWN[n, d], abs=1e-6)
    assert frechet_distance(x, y) == pytest.approx(fidelity(x, y), abs=1e-6)


def test_equals_the_matrix_square_root() -> None:
    x, y = pair(500, 16)
    x = 3 * x @ np.random.RandomState(1).normal(size=(16, 16)) + 1
    a, b = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    expected = np.sum((x.mean(axis=0) - y.mean(axis=0)) ** 2) + np.trace(a + b - 2 * scipy.linalg.sqrtm(a @ b).real)
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-6)


def test_value_of_compare_gan() -> None:
    real, fake = np.ones((100, 2)), 9 * np.ones((100, 2))
    real[:50, 0] = 2
    fake[50:, 0] = 2
    assert frechet_distance(fake, real) == pytest.approx(89.091, abs=1e-3)


@pytest.mark.parametrize(
    "collapse",
    [
        lambda x: np.repeat(x[:1], len(x), axis=0),
        lambda x: x * (np.arange(x.shape[1]) % 2),
        lambda x: x[:10],
        lambda x: np.zeros_like(x),
        lambda x: x[:, :1] * np.ones(x.shape[1]),
    ],
    ids=["one point", "constant channels", "fewer points than dimensions", "zeros", "one direction"],
)
def test_collapsed_points(collapse: Callable[[np.ndarray], np.ndarray]) -> None:
    x, y = pair(2000, 64)
    fake = collapse(x)
    assert frechet_distance(fake, fake) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(fake, y) == pytest.approx(by_singular_values(fake, y), abs=1e-9)
    assert frechet_distance(y, fake) == pytest.approx(by_singular_values(fake, y), abs=1e-9)
    # torch-fidelity adds roots of rounding errors: its value is 1.6e-6 too small for fewer points than dimensions
    assert frechet_distance(fake, y) == pytest.approx(fidelity(fake, y), abs=2e-6)


def test_one_point_against_a_gaussian() -> None:
    _, y = pair(2000, 64)
    point = np.full((2000, 64), 0.5)
    expected = np.sum((0.5 - y.mean(axis=0)) ** 2) + np.trace(np.cov(y, rowvar=False))
    assert frechet_distance(point, y) == pytest.approx(expected)


def test_closed_forms() -> None:
    x, _ = pair(500, 8)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(x, x + 2) == pytest.approx(4 * 8)  # the squared distance of the means
    assert frechet_distance(3 * (x - x.mean(axis=0)), x - x.mean(axis=0)) == pytest.approx(4 * np.trace(np.cov(x, rowvar=False)))


def test_symmetry_and_prepared_statistics() -> None:
    x, y = pair(300, 16)
    a, b = frechet_statistics(2 * x), frechet_statistics(y)
    assert (b.mean.shape, b.covariance.shape) == ((16,), (16, 16))
    assert np.allclose(b.covariance, np.cov(y, rowvar=False))
    assert frechet_distance(2 * x, y) == frechet_distance(a, b) == frechet_distance(a, y) == frechet_distance(2 * x, b)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.ones(5), r"x must be an array \[N, D\].*given is the shape \[5\]"),
        (np.ones((1, 3)), "x must hold at least 2 points; given are 1"),
        (np.array([[0, 1, 2], [0, np.nan, 1]]), "x must hold finite values only; 1 of 2"),
        (np.array([[0, 1, 2], [0, np.inf, 1]]), "x must hold finite values only; 1 of 2"),
        (np.ones((4, 2)), "x and y must have the same dimension D; given are 2 and 3"),
    ],
)
def test_rejects(x: np.ndarray, message: str) -> None:
    with pytest.raises(UserError, match=message):
        frechet_distance(x, np.eye(3))


def test_files_of_pytorch_fid(tmp_path: Path) -> None:
    x, y = pair(300, 16)
    np.savez(tmp_path / "real.npz", **frechet_statistics(y).as_npz())  # type: ignore[arg-type]
    with np.load(tmp_path / "real.npz") as stored:
        assert sorted(stored) == ["mu", "sigma"]
        assert frechet_distance(x, stored) == frechet_distance(x, y)
        assert frechet_distance(stored, x) == frechet_distance(y, x)
    mu, sigma = np.zeros(256), np.eye(256)  # a test of pytorch-fid, with fewer dimensions: a shift of 1 in each
    assert frechet_distance({"mu": mu, "sigma": sigma}, {"mu": mu + 1, "sigma": sigma}) == pytest.approx(256)


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        ({"mu": np.zeros(2)}, r"y must hold mu and sigma, .* it holds \['mu'\]"),
        ({"mu": np.zeros(2), "sigma": np.eye(3)}, r"given are the shapes \[2\] and \[3, 3\]"),
        ({"mu": np.zeros(2), "sigma": np.full((2, 2), np.nan)}, "mu or sigma holds NaN"),
    ],
)
def test_rejects_other_files(stored: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(UserError, match=message):
        frechet_distance(np.eye(2), stored)
