import tracemalloc
from math import prod

import numpy as np
import pytest
from prdc import compute_prdc
from scipy.spatial.distance import cdist
from sklearn.neighbors import NearestNeighbors

from analysis.metrics import balls, distances, neighbours, prdc
from analysis.metrics.neighbours import nearest
from ganstudy import UserError

NAMES = ("precision", "recall", "density", "coverage")


def normal(n: int, d: int, seed: int) -> np.ndarray:
    return np.random.RandomState(seed).normal(size=(n, d))


def numbers(scores: dict[str, float]) -> list[float]:
    assert list(scores) == list(NAMES)
    return list(scores.values())


def package(real: np.ndarray, fake: np.ndarray, k: int) -> list[float]:
    return [compute_prdc(real, fake, nearest_k=k)[name] for name in NAMES]


@pytest.mark.slow
@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize(
    ("real", "fake"),
    [
        (normal(300, 8, 0), normal(300, 8, 1)),
        (normal(300, 64, 0) + 100, 0.7 * normal(200, 64, 1) + 100),
        (normal(150, 2, 0), normal(400, 2, 1) + 0.5),
        (normal(300, 8, 0), np.concatenate([normal(100, 8, 0)[:50], normal(250, 8, 1)])),
        (
            np.random.RandomState(0).randint(0, 100, (300, 3)).astype(float),
            np.random.RandomState(1).randint(0, 100, (200, 3)).astype(float),
        ),
        (normal(300, 8, 0), normal(300, 8, 0)),
    ],
    ids=["equal", "far from 0", "unequal n", "copies of real", "ties on a lattice", "identical"],
)
def test_equals_the_package(real: np.ndarray, fake: np.ndarray, k: int) -> None:
    assert numbers(prdc(real, fake, k=k)) == pytest.approx(package(real, fake, k), abs=1e-12)


# from the package: RandomState(0), real then fake
@pytest.mark.parametrize(
    ("n", "d", "k", "shift", "expected"),
    [
        (1000, 64, 5, 0, [0.704, 0.738, 0.947, 0.971]),
        (2000, 64, 5, 0, [0.7095, 0.7175, 0.947, 0.9705]),
        (2000, 64, 3, 0, [0.6035, 0.617, 0.927, 0.8555]),
        (2000, 64, 5, 0.5, [0.301, 0.3075, 0.1652, 0.353]),
    ],
)
def test_known_values(n: int, d: int, k: int, shift: float, expected: list[float]) -> None:
    rng = np.random.RandomState(0)
    real, fake = rng.normal(size=(n, d)), rng.normal(size=(n, d)) + shift
    assert numbers(prdc(real, fake, k=k)) == pytest.approx(expected, abs=6e-4)


def test_expected_density_and_coverage() -> None:
    n, k = 400, 5
    scores = [prdc(normal(n, 4, seed), normal(n, 4, 100 + seed), k=k) for seed in range(20)]
    assert np.mean([s["density"] for s in scores]) == pytest.approx(1, abs=0.02)
    # Naeem et al. 2020
    assert np.mean([s["coverage"] for s in scores]) == pytest.approx(1 - prod((n - i) / (2 * n - i) for i in range(1, k + 1)), abs=0.01)


def test_copies_of_real_points() -> None:
    """With more than k copies of each point every radius is 0, and the package scores identical sets 0."""
    copies = np.repeat(np.random.RandomState(0).randint(0, 100, (50, 8)).astype(float), 20, axis=0)  # integers: no rounding
    assert package(copies, copies, 5) == [0, 0, 0, 0]
    scores = prdc(copies, copies)
    assert (scores["precision"], scores["recall"], scores["coverage"]) == (1, 1, 1)
    assert scores["density"] == 20 / 5
    assert numbers(prdc(copies, copies + 1)) == [0, 0, 0, 0]


def test_staged_collapse() -> None:
    real = normal(400, 8, 0)
    one_point = prdc(real, np.repeat(real[:1], 300, axis=0))
    assert one_point["precision"] == 1
    assert one_point["recall"] == 1 / 400  # only the point itself
    assert one_point["coverage"] < 0.1
    far = prdc(real, np.full((300, 8), 50.0))
    assert numbers(far) == [0, 0, 0, 0]


def test_coverage_falls_with_each_lost_mode() -> None:
    rng = np.random.RandomState(0)
    centres = 20 * rng.normal(size=(10, 8))
    real = centres[np.arange(1000) % 10] + rng.normal(size=(1000, 8))
    coverage = [prdc(real, centres[np.arange(1000) % kept] + rng.normal(size=(1000, 8)))["coverage"] for kept in (10, 9, 8, 5, 1)]
    assert coverage == pytest.approx([0.97, 0.87, 0.79, 0.49, 0.10], abs=0.03)


def test_narrow_and_wide_generators() -> None:
    real, fake = normal(1000, 16, 0), normal(1000, 16, 1)
    narrow, wide = prdc(3 * real, 0.1 * fake), prdc(0.1 * real, 3 * fake)
    assert narrow["precision"] > 0.8 > 0.3 > narrow["recall"]
    assert wide["recall"] > 0.8 > 0.3 > wide["precision"]


def test_prepared_balls_and_the_block_size_do_not_change_the_values(monkeypatch: pytest.MonkeyPatch) -> None:
    real, fake = normal(300, 8, 0), normal(200, 8, 1)
    whole = prdc(real, fake, k=3)
    assert prdc(balls(real, k=3), fake, k=3) == whole
    monkeypatch.setattr(neighbours, "_BLOCK", 1)  # row by row
    assert prdc(real, fake, k=3) == pytest.approx(whole)


def exactly(real: np.ndarray, fake: np.ndarray, k: int) -> list[float]:
    """The definitions, computed from differences in float64."""
    radii_real, radii_fake = (np.sort(cdist(x, x, "sqeuclidean"), axis=1)[:, k, None] for x in (real, fake))
    between = cdist(real, fake, "sqeuclidean")
    in_real, in_fake = between < radii_real, between < radii_fake.T
    return [in_real.any(axis=0).mean(), in_fake.any(axis=1).mean(), in_real.sum(axis=0).mean() / k, in_real.any(axis=1).mean()]


CENTRES = 1e3 * normal(5, 600, 9)


@pytest.mark.parametrize(
    ("real", "fake"),
    [
        (normal(150, 600, 0), normal(150, 600, 1)),
        (CENTRES[np.arange(150) % 5] + normal(150, 600, 0), CENTRES[np.arange(120) % 5] + normal(120, 600, 1)),
        (normal(150, 600, 0), np.concatenate([normal(119, 600, 1), 1e6 * normal(1, 600, 2)])),
        (normal(150, 600, 0) ** 5, normal(120, 600, 1) ** 5),
        (1e30 * normal(150, 600, 0), 1e30 * normal(120, 600, 1)),
        (1e-30 * normal(150, 600, 0), 1e-30 * normal(120, 600, 1)),
    ],
    ids=["normal", "clusters narrower than float32 resolves", "one distant sample", "heavy tails", "huge", "tiny"],
)
@pytest.mark.parametrize("many", [0.0, 0.01, 1.0], ids=["all by products", "both", "all by pairs"])
def test_values_are_exact_to_float64(real: np.ndarray, fake: np.ndarray, many: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distances, "_MANY", many)
    assert numbers(prdc(real, fake, k=3)) == pytest.approx(exactly(real, fake, 3), abs=1e-12)


def test_float32_points_stay_float32_and_score_as_float64() -> None:
    real, fake = normal(200, 64, 0).astype(np.float32), normal(150, 64, 1).astype(np.float32)
    prepared = balls(real, k=3)
    assert prepared.points.dtype == np.float32
    assert prepared.squared_radius == pytest.approx(balls(real.astype(float), k=3).squared_radius, rel=1e-12)
    assert prdc(prepared, fake, k=3) == prdc(real.astype(float), fake.astype(float), k=3)


def test_memory_does_not_grow_with_n_times_m(monkeypatch: pytest.MonkeyPatch) -> None:
    """N x M distances would take 8 MB here."""
    monkeypatch.setattr(neighbours, "_BLOCK", 10_000)
    real, fake = normal(1000, 4, 0), normal(1000, 4, 1)
    tracemalloc.start()
    try:
        prdc(real, fake)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1e6


def test_nearest_equals_sklearn() -> None:
    x, y = normal(200, 64, 0), normal(300, 64, 1)
    found = nearest(x, y)
    assert np.sqrt(found.squared) == pytest.approx(NearestNeighbors(n_neighbors=1).fit(y).kneighbors(x)[0][:, 0])
    assert (found.ties == 1).all()
    assert nearest(x, np.concatenate([y, y, y])).ties.tolist() == [3] * 200
    assert nearest(y[:3], np.repeat(y, 2, axis=0)).squared.tolist() == [0, 0, 0]


@pytest.mark.parametrize("shift", [0, 1e4])
def test_invariance_to_shift_and_scale(shift: float) -> None:
    real, fake = normal(300, 8, 0), normal(300, 8, 1)
    assert prdc(1e-3 * real + shift, 1e-3 * fake + shift) == pytest.approx(prdc(real, fake))


@pytest.mark.parametrize(
    ("real", "fake", "k", "message"),
    [
        (np.eye(3), np.eye(3), 3, "real must hold at least 4 points; given are 3"),
        (np.eye(4), np.eye(3)[:, :3], 3, "fake must hold at least 4 points; given are 3"),
        (np.eye(4), np.eye(4), 0, "k, the number of neighbours, must be at least 1; given is 0"),
        (np.eye(4), np.eye(5), 2, "same dimension D; given are 4 and 5"),
        (np.eye(4), np.full((4, 4), np.nan), 2, "fake must hold finite values only; 4 of 4"),
        (balls(np.eye(4), k=1), np.eye(4), 2, "real must be prepared with the same k; it was prepared with 1, given is 2"),
    ],
)
def test_rejects(real: np.ndarray, fake: np.ndarray, k: int, message: str) -> None:
    with pytest.raises(UserError, match=message):
        prdc(real, fake, k=k)
