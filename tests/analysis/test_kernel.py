from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch_fidelity.metric_kid import kid_features_to_metric

from analysis.metrics import kernel
from analysis.metrics.kernel import kid
from ganstudy import UserError


def normal(n: int, d: int, seed: int) -> np.ndarray:
    return np.random.RandomState(seed).normal(size=(n, d))


def fidelity(x: np.ndarray, y: np.ndarray, *, subsets: int, subset_size: int, seed: int = 2020) -> list[float]:
    found = kid_features_to_metric(
        torch.from_numpy(x), torch.from_numpy(y), kid_subsets=subsets, kid_subset_size=subset_size, rng_seed=seed, verbose=False
    )
    return [found["kernel_inception_distance_mean"], found["kernel_inception_distance_std"]]


def full(x: np.ndarray, y: np.ndarray) -> float:
    """The unbiased estimate from all points, by its formula."""
    k_xx, k_yy, k_xy = ((a @ b.T / x.shape[1] + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
    n, m = len(x), len(y)
    return float((k_xx.sum() - k_xx.trace()) / (n * (n - 1)) + (k_yy.sum() - k_yy.trace()) / (m * (m - 1)) - 2 * k_xy.mean())


def magnitude(x: np.ndarray, y: np.ndarray) -> float:
    return max(1, float((np.sum(x**2, axis=1) / x.shape[1] + 1).max() ** 3), float((np.sum(y**2, axis=1) / y.shape[1] + 1).max() ** 3))


COLLAPSED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "one point": lambda x: np.repeat(x[:1], len(x), axis=0),
    "two points": lambda x: np.repeat(x[:2], len(x) // 2, axis=0),
    "constant channels": lambda x: x * (np.arange(x.shape[1]) % 2),
    "zeros": np.zeros_like,
    "fewer points than dimensions": lambda x: x[:10],
}


@pytest.mark.parametrize("subsets", [100, 3], ids=["one kernel for all subsets", "one kernel per subset"])
@pytest.mark.parametrize(
    ("x", "y"),
    [
        (normal(300, 64, 0), normal(300, 64, 1)),
        (3 * normal(200, 8, 0) + 1, normal(320, 8, 1)),
        (normal(300, 16, 0) + 1000, 0.1 * normal(250, 16, 1) + 1000),
        (1e-6 * normal(300, 16, 0), 2e-6 * normal(300, 16, 1)),
        *((collapse(normal(300, 64, 0)), normal(300, 64, 1)) for collapse in COLLAPSED.values()),
    ],
    ids=["equal", "unequal n", "far from 0", "tiny", *COLLAPSED],
)
def test_equals_torch_fidelity(x: np.ndarray, y: np.ndarray, subsets: int) -> None:
    size = min(len(x), len(y), 100)
    found = kid(x, y, subsets=subsets, subset_size=size)
    assert [found.mean, found.std] == pytest.approx(fidelity(x, y, subsets=subsets, subset_size=size), abs=1e-7 * magnitude(x, y))
    assert (found.subsets, found.subset_size, found.error) == (subsets, size, found.std / subsets**0.5)


# from torch-fidelity: RandomState(0) and RandomState(1), 5000 x 64, 100 subsets of 1000
@pytest.mark.parametrize(
    ("scale", "shift", "mean", "std"),
    [(1, 0, 9.025e-05, 1.0416e-03), (1, 0.1, 0.031227, 0.003580), (0.9, 0, 0.0017551, 0.0009394)],
)
def test_known_values(scale: float, shift: float, mean: float, std: float) -> None:
    found = kid(normal(5000, 64, 0), scale * normal(5000, 64, 1) + shift)
    assert (found.mean, found.std) == (pytest.approx(mean, rel=1e-4), pytest.approx(std, rel=2e-4))  # type: ignore[comparison-overlap]
    assert (found.subsets, found.subset_size, found.error) == (100, 1000, found.std / 10)


@pytest.mark.parametrize(("scale", "shift", "value"), [(1, 0, -2.62e-06), (1, 0.1, 0.0311067), (0.9, 0, 0.0016842)])
def test_one_subset_of_all_points(scale: float, shift: float, value: float) -> None:
    found = kid(normal(5000, 64, 0), scale * normal(5000, 64, 1) + shift, subsets=1, subset_size=5000)
    assert found.mean == pytest.approx(value, rel=1e-4, abs=5e-9)
    assert found.std == 0


def test_the_mean_of_subsets_is_the_estimate_from_all_points() -> None:
    x, y = 1.2 * normal(400, 8, 0), normal(300, 8, 1)
    found = kid(x, y, subsets=2000, subset_size=50)
    assert found.mean == pytest.approx(full(x, y), abs=4 * found.error)


def test_closed_form_of_single_points() -> None:
    """k(a, a) + k(b, b) - 2 k(a, b) if each set is one point."""
    a, b = np.array([1.0, 2.0]), np.array([0.0, -4.0])
    expected = (5 / 2 + 1) ** 3 + (16 / 2 + 1) ** 3 - 2 * (-8 / 2 + 1) ** 3
    assert kid(np.tile(a, (20, 1)), np.tile(b, (30, 1)), subsets=2).mean == pytest.approx(expected, rel=1e-6)
    assert kid(np.tile(a, (20, 1)), np.tile(a, (30, 1)), subsets=2).mean == pytest.approx(0, abs=1e-12)


def test_a_perfect_generator_scores_0_on_average_and_is_often_negative() -> None:
    values = [kid(normal(100, 4, seed), normal(100, 4, 1000 + seed), subsets=1).mean for seed in range(300)]
    assert np.mean(values) == pytest.approx(0, abs=4 * np.std(values) / 300**0.5)
    assert 0.4 < np.mean(np.array(values) < 0) < 0.8


@pytest.mark.parametrize("offset", [0, 30])
def test_staged_collapse(offset: float) -> None:
    """The distance grows with each lost mode, also for modes far from 0."""
    rng = np.random.RandomState(0)
    centres = offset + rng.normal(size=(10, 8))
    real = centres[np.arange(500) % 10] + 0.1 * rng.normal(size=(500, 8))
    values = [kid(real, centres[np.arange(500) % kept] + 0.1 * rng.normal(size=(500, 8))).mean for kept in (10, 5, 2, 1)]
    assert values == sorted(values)
    assert values[1] > 10 * abs(values[0])


@pytest.mark.parametrize("subsets", [100, 3])
def test_the_value_depends_on_the_seed_and_not_on_the_block_size(monkeypatch: pytest.MonkeyPatch, subsets: int) -> None:
    x, y = normal(120, 8, 0), 2 * normal(150, 8, 1)
    whole = kid(x, y, subsets=subsets, subset_size=60)
    assert kid(x, y, subsets=subsets, subset_size=60) == whole
    assert kid(x, y, subsets=subsets, subset_size=60, seed=0) != whole
    for block in (1, 1000):
        monkeypatch.setattr(kernel, "_BLOCK", block)
        assert kid(x, y, subsets=subsets, subset_size=60).mean == pytest.approx(whole.mean, rel=1e-6)


def test_huge_points_give_finite_values() -> None:
    """torch-fidelity overflows: on float32 features its mean is NaN, on float64 ones its std is infinite."""
    x, y = normal(100, 4, 0), normal(100, 4, 1)
    with np.errstate(all="ignore"):
        assert np.isnan(fidelity(x.astype(np.float32), 1e30 * y.astype(np.float32), subsets=2, subset_size=50)[0])
        mean, std = fidelity(x, 1e30 * y, subsets=2, subset_size=50)
    found = kid(x, 1e30 * y, subsets=2, subset_size=50)
    assert found.mean == pytest.approx(mean, rel=1e-6)
    assert (std, np.isfinite(found.std)) == (np.inf, True)


@pytest.mark.parametrize(
    ("x", "options", "message"),
    [
        (np.ones((4, 2)), {}, "x and y must have the same dimension D; given are 2 and 3"),
        (np.ones((1, 3)), {}, "x must hold at least 2 points; given are 1"),
        (np.full((4, 3), np.nan), {}, "x must hold finite values only; 4 of 4"),
        (np.ones((4, 3)), {"subset_size": 4}, "subset_size must lie between 2 and the number of points of the smaller set, 3; given is 4"),
        (np.ones((4, 3)), {"subset_size": 1}, "subset_size must lie between 2 .* given is 1"),
        (np.ones((4, 3)), {"subsets": 0}, "subsets must be at least 1; given is 0"),
    ],
)
def test_rejects(x: np.ndarray, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        kid(x, np.eye(3), **options)
