from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import cdist, jensenshannon
from sklearn.cluster import KMeans
from statsmodels.stats.proportion import proportions_ztest

from analysis.metrics.bins import Bins, Ndb, bins_of, ndb
from ganstudy import UserError


def mixture(n: int, *, modes: int = 10, d: int = 8, seed: int = 0) -> np.ndarray:
    """Samples of the first `modes` of ten well separated modes."""
    centres = 20 * np.random.default_rng(99).normal(size=(10, d))
    rng = np.random.default_rng(seed)
    return centres[rng.integers(modes, size=n)] + rng.normal(size=(n, d))


def by_definition(real: np.ndarray, fake: np.ndarray, *, bins: int, z: float, seed: int) -> tuple[int, float]:
    """Richardson & Weiss' two-proportion test of each bin, from statsmodels, and the divergence, from SciPy."""
    centres = KMeans(bins, random_state=seed).fit(real).cluster_centers_
    counts = [np.bincount(cdist(points, centres).argmin(axis=1), minlength=bins) for points in (real, fake)]
    n = np.array([len(real), len(fake)])
    tests = [proportions_ztest(np.array(pair), n)[0] for pair in zip(*counts, strict=True) if 0 < sum(pair) < sum(n)]
    return sum(abs(found) > z for found in tests), jensenshannon(counts[0] / n[0], counts[1] / n[1]) ** 2


CASES = {
    "same distribution": (mixture(1000), mixture(1000, seed=1)),
    "unequal n": (mixture(1000), mixture(300, seed=1)),
    "three modes lost": (mixture(1000), mixture(1000, modes=7, seed=1)),
    "collapsed to one point": (mixture(1000), np.repeat(mixture(1, seed=1), 500, axis=0)),
    "far from the real data": (mixture(1000), mixture(500, seed=1) + 1000),
    "far from 0": (mixture(1000) + 1e4, mixture(500, seed=1) + 1e4),
}


@pytest.mark.parametrize("z", [1.96, 3])
@pytest.mark.parametrize("bins", [1, 10, 40])
@pytest.mark.parametrize(("real", "fake"), CASES.values(), ids=CASES)
def test_equals_the_definition(real: Any, fake: Any, bins: int, z: float) -> None:
    different, divergence = by_definition(real, fake, bins=bins, z=z, seed=3)
    found = ndb(real, fake, bins=bins, z=z, seed=3)
    assert found == Ndb(different=different, share=different / bins, divergence=found.divergence, bins=bins, z=z)
    assert found.divergence == pytest.approx(divergence, abs=1e-9)


def counted(real: list[int], fake: list[int]) -> tuple[Bins, np.ndarray]:
    """Bins with given counts, and samples: bin i contains the point i."""
    centres = np.arange(len(real), dtype=float)[:, None]
    return Bins(centres, np.array(real)), np.repeat(centres, fake, axis=0)


@pytest.mark.parametrize(
    ("real", "fake", "z", "different"),
    [
        ([500, 500], [500, 500], 3, 0),
        ([500, 500], [565, 435], 3, 0),  # z = 2.91
        ([500, 500], [568, 432], 3, 2),  # z = 3.05
        ([500, 500], [568, 432], 4, 0),
        ([990, 10], [1000, 0], 3, 2),  # z = 3.18
        ([995, 5], [1000, 0], 3, 0),  # z = 2.24: too few samples to detect that a small mode is lost
        ([100], [7], 3, 0),
    ],
)
def test_by_hand(real: Any, fake: Any, z: float, different: int) -> None:
    found = ndb(*counted(real, fake), z=z)
    assert (found.different, found.bins, found.z) == (different, len(real), z)
    assert found.share == different / len(real)


@pytest.mark.parametrize(("samples", "different"), [(80, 1), (100, 10)])
def test_detecting_a_collapse_takes_nine_samples_per_bin(samples: int, different: int) -> None:
    found = ndb(*counted([100] * 10, [samples] + [0] * 9))
    assert found.different == different
    assert found.divergence > 0.5  # of at most 0.69


def test_divergence_of_disjoint_and_of_equal_shares() -> None:
    assert ndb(*counted([100, 0], [0, 50])).divergence == pytest.approx(np.log(2))
    assert ndb(*counted([100, 40], [50, 20])).divergence == 0


def test_same_points() -> None:
    real = mixture(1000)
    assert ndb(real, real, bins=50) == Ndb(different=0, share=0, divergence=0, bins=50, z=3)


def test_floor_of_the_same_distribution() -> None:
    """5 % of the bins at z = 1.96, 0.27 % at 3; the divergence of a sampling error."""
    cells = bins_of(np.random.default_rng(0).normal(size=(10_000, 4)), bins=100)
    fakes = [np.random.default_rng(seed).normal(size=(10_000, 4)) for seed in range(1, 6)]
    assert 2 <= np.mean([ndb(cells, fake, z=1.96).different for fake in fakes]) <= 7
    assert np.mean([ndb(cells, fake).different for fake in fakes]) <= 1
    assert np.mean([ndb(cells, fake).divergence for fake in fakes]) == pytest.approx(99 / 8 * 2 / 10_000, rel=0.25)


def test_each_lost_mode_is_seen() -> None:
    cells = bins_of(mixture(2000), bins=10)
    found = [ndb(cells, mixture(2000, modes=kept, seed=1)) for kept in (10, 9, 7, 4, 1)]
    # a lost mode is one bin; gains of the other modes are detected once they are large
    assert [each.different for each in found] == sorted(each.different for each in found)
    assert found[0].different == 0
    assert found[1].different >= 1
    assert found[-1].different == 10
    divergences = [one.divergence for one in found]
    assert divergences == sorted(divergences)
    assert divergences[-1] < np.log(2)


@pytest.mark.parametrize("scale", [1e-6, 0.1, 1e6])
@pytest.mark.parametrize("offset", [0, 0.1, 1e6])
@pytest.mark.parametrize("distinct", [1, 2, 5])
def test_fewer_distinct_points_than_bins(distinct: int, offset: float, scale: float) -> None:
    points = scale * np.random.default_rng(0).normal(size=(distinct, 6)) + offset
    real = points[np.arange(1000) % distinct]
    cells = bins_of(real)
    assert sorted(cells.counts) == [1000 // distinct] * distinct
    assert np.sort(cells.centres, axis=0) == pytest.approx(np.sort(points, axis=0))
    assert ndb(cells, real) == Ndb(different=0, share=0, divergence=0, bins=distinct, z=3)
    one_point = ndb(cells, np.repeat(points[:1], 500, axis=0))
    assert one_point.different == (distinct if distinct > 1 else 0)


def test_points_that_differ_by_rounding_errors() -> None:
    """50 points that k-means cannot separate, and one elsewhere."""
    real = np.concatenate([1e-20 * np.random.default_rng(0).normal(size=(50, 3)), np.ones((1, 3))])
    found = ndb(real, real)
    assert (found.bins, found.different, found.divergence) == (2, 0, 0)


def test_one_fake_point_and_fewer_points_than_dimensions() -> None:
    real = np.random.default_rng(0).normal(size=(20, 64))
    found = ndb(real, real[:1], bins=100)
    assert (found.bins, found.different) == (20, 1)


def test_prepared_bins_and_seed() -> None:
    real, fake = mixture(500), mixture(400, modes=8, seed=1)
    whole = ndb(real, fake, bins=30, seed=5)
    assert ndb(bins_of(real, bins=30, seed=5), fake) == whole == ndb(real, fake, bins=30, seed=5)
    cells = bins_of(real, bins=30, seed=5)
    assert cells.centres.shape == (30, 8)
    assert cells.counts.sum() == 500
    assert cells.counts.min() >= 1
    assert not np.array_equal(bins_of(real, bins=30, seed=6).centres, cells.centres)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bins_of(np.ones(3)), r"real must be an array \[N, D\]"),
        (lambda: ndb(np.ones((1, 2)), np.ones((3, 2))), "real must hold at least 2 points; given are 1"),
        (lambda: ndb(np.eye(3), np.full((3, 3), np.inf)), "fake must hold finite values only; 3 of 3"),
        (lambda: ndb(np.eye(3), np.ones((0, 3))), "fake must hold at least 1 points; given are 0"),
        (lambda: ndb(np.eye(3), np.eye(4)), "real and fake must have the same dimension D; given are 3 and 4"),
        (lambda: bins_of(np.eye(3), bins=0), "bins must be at least 1; given is 0"),
        (lambda: ndb(np.eye(3), np.eye(3), z=0), "z, the number of standard errors, must be greater than 0; given is 0"),
    ],
)
def test_rejects(call: Callable[[], object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        call()
