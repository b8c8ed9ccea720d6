from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy.stats import chi2, entropy

from analysis.metrics import (
    high_quality,
    kl,
    modes_captured,
    nearest_centre,
    shares,
)
from analysis.metrics.modes import class_imbalance, class_imbalance_baseline, excess_kl, forward_kl, kl_baseline, modes_lost, modes_seen
from analysis.metrics.spread import Spread, mode_spread, mode_traces
from ganstudy import UserError

CENTRES = np.array([[np.cos(a), np.sin(a)] for a in 2 * np.pi * np.arange(8) / 8])
STD = 0.05


def ring(n: int, *, modes: int = 8, seed: int = 0, std: float = STD) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return CENTRES[rng.integers(modes, size=n)] + std * rng.normal(size=(n, 2))


def test_nearest_centre_and_shares() -> None:
    assert nearest_centre(CENTRES + 0.1, CENTRES).tolist() == list(range(8))
    assert shares(np.array([0, 0, 2, 0]), modes=4).tolist() == [0.75, 0, 0.25, 0]
    assert shares(nearest_centre(ring(4000), CENTRES), modes=8) == pytest.approx([1 / 8] * 8, abs=0.02)


def test_high_quality_of_a_perfect_generator() -> None:
    assert high_quality(ring(50_000), CENTRES, std=STD) == pytest.approx(1 - np.exp(-4.5), abs=0.0015)
    assert high_quality(ring(50_000), CENTRES, std=STD, within=1) == pytest.approx(1 - np.exp(-0.5), abs=0.007)
    assert high_quality(CENTRES, CENTRES, std=STD) == 1
    assert high_quality(np.zeros((10, 2)), CENTRES, std=STD) == 0


@pytest.mark.parametrize(
    ("counts", "captured"),
    [([1, 1, 1, 1], 4), ([19, 1, 0, 0], 2), ([20, 1, 0, 0], 1), ([1, 0, 0, 0], 1), ([1], 1)],
    ids=["uniform", "at the minimum share of 1/20", "just below it", "collapsed", "one mode"],
)
def test_modes_captured(counts: list[int], captured: int) -> None:
    assert modes_captured(np.array(counts) / sum(counts)) == captured


@pytest.mark.parametrize(
    ("fake", "real", "nats"),
    [
        ([0.25] * 4, [0.25] * 4, 0),
        ([1, 0, 0, 0], [0.25] * 4, np.log(4)),
        ([0.5, 0.5], [0.9, 0.1], 0.5 * np.log(0.5 / 0.9) + 0.5 * np.log(5)),
        ([0.9, 0.1], [0.5, 0.5], 0.9 * np.log(1.8) + 0.1 * np.log(0.2)),
        ([1, 0], [1, 0], 0),
    ],
)
def test_kl(fake: Any, real: Any, nats: float) -> None:
    assert kl(fake, real) == pytest.approx(nats, abs=1e-12)


def test_kl_of_a_perfect_generator() -> None:
    """(K - 1)/(2N): 0.0048 for 25 modes and 2,500 samples."""
    rng = np.random.default_rng(0)
    values = [kl(shares(rng.integers(25, size=2500), modes=25), np.full(25, 1 / 25)) for _ in range(300)]
    assert np.mean(values) == pytest.approx(24 / 5000, rel=0.05)


def test_kl_equals_scipy() -> None:
    rng = np.random.default_rng(0)
    for modes in (2, 10, 100):
        fake, real = rng.dirichlet(np.full(modes, 0.1)), rng.dirichlet(np.ones(modes))
        assert kl(fake, real) == pytest.approx(entropy(fake, real))
        smoothed = (500 * fake + 0.5) / (500 + modes / 2)
        assert forward_kl(fake, real, n=500) == pytest.approx(entropy(real, smoothed))


@pytest.mark.parametrize(("modes", "n"), [(10, 1000), (25, 2500)])
def test_excess_and_forward_kl_of_a_perfect_generator(modes: int, n: int) -> None:
    rng = np.random.default_rng(0)
    real = np.full(modes, 1 / modes)
    fakes = [shares(rng.integers(modes, size=n), modes=modes) for _ in range(300)]
    excess = [excess_kl(fake, real, n=n) for fake in fakes]
    error = kl_baseline(modes, n=n) * np.sqrt(2 / (modes - 1)) / np.sqrt(300)  # 2N KL is chi-squared with K - 1 degrees of freedom
    assert abs(np.mean(excess)) < 4 * error
    assert min(excess) < 0 < max(excess)
    assert np.mean([forward_kl(fake, real, n=n) for fake in fakes]) == pytest.approx(kl_baseline(modes, n=n), rel=0.1)
    assert kl_baseline(modes, n=n) == (modes - 1) / (2 * n)


def test_forward_kl_penalises_a_lost_mode_more_than_kl() -> None:
    """One of 10 modes is lost."""
    lost, uniform = np.array([0, *[1 / 9] * 9]), np.full(10, 0.1)
    assert forward_kl(lost, uniform, n=1000) > 3 * kl(lost, uniform)
    assert forward_kl([1, *[0] * 9], uniform, n=1000) == pytest.approx(0.9 * np.log(2010) - np.log(10), abs=1e-3)
    by_samples = [forward_kl(lost, uniform, n=n) for n in (10**2, 10**3, 10**4)]
    assert all(
        b - a == pytest.approx(0.1 * np.log(10), abs=0.05) for a, b in pairwise(by_samples)
    )  # the added half sample weighs less for more samples


def test_modes_seen() -> None:
    assert modes_seen([0.5, 0.5, 0, 0]) == 2
    assert modes_seen([1]) == 1
    assert (modes_seen([0.999, 0.001]), modes_captured([0.999, 0.001])) == (2, 1)
    rng = np.random.default_rng(0)
    for n in (500, 2000):
        seen = np.mean([modes_seen(shares(rng.integers(1000, size=n), modes=1000)) for _ in range(20)])
        assert seen == pytest.approx(1000 * (1 - (1 - 1 / 1000) ** n), rel=0.01)


@pytest.mark.parametrize(
    ("fake", "real", "distance"),
    [([0.5, 0.5], [0.5, 0.5], 0), ([1, 0], [0, 1], 1), ([1, 0, 0, 0], [0.25] * 4, 0.75), ([0.6, 0.4], [0.5, 0.5], 0.1), ([1], [1], 0)],
)
def test_class_imbalance(fake: Any, real: Any, distance: float) -> None:
    assert class_imbalance(fake, real) == pytest.approx(distance)
    assert class_imbalance(real, fake) == pytest.approx(distance)


@pytest.mark.parametrize(
    "real", [np.full(10, 0.1), np.array([0.5, 0.3, 0.15, 0.05]), np.array([1.0])], ids=["uniform", "uneven", "one mode"]
)
def test_class_imbalance_of_a_perfect_generator(real: Any) -> None:
    rng = np.random.default_rng(0)
    values = [class_imbalance(rng.multinomial(1000, real) / 1000, real) for _ in range(500)]
    assert np.mean(values) == pytest.approx(class_imbalance_baseline(real, n=1000), rel=0.05)


def traces(x: np.ndarray, decisions: np.ndarray, modes: int) -> list[float]:
    return [np.trace(np.atleast_2d(np.cov(x[decisions == k], rowvar=False))) if (decisions == k).sum() > 1 else 0.0 for k in range(modes)]


def test_mode_traces_equal_those_of_numpy() -> None:
    rng = np.random.default_rng(0)
    for d in (1, 2, 16):
        x, decisions = 100 + rng.normal(size=(200, d)), rng.choice([0, 1, 3, 3, 3], size=200)
        decisions[0] = 4  # a mode with a single point
        assert mode_traces(x, decisions, modes=6) == pytest.approx(traces(x, decisions, 6))
    points = ring(20_000)
    assert mode_traces(points, nearest_centre(points, CENTRES), modes=8) == pytest.approx(2 * STD**2, rel=0.1)


@pytest.mark.parametrize("scale", [0.1, 0.5, 1, 2])
def test_the_spread_of_samples_scaled_within_their_modes(scale: float) -> None:
    rng = np.random.default_rng(0)
    decisions = rng.integers(10, size=2000)
    centres, inside = 20 * rng.normal(size=(10, 8)), rng.normal(size=(2000, 8))
    real = mode_traces(centres[decisions] + inside, decisions, modes=10)
    spread = mode_spread(centres[decisions] + scale * inside, decisions, real)
    assert [spread.smallest, spread.median, spread.largest] == pytest.approx([scale**2] * 3)
    assert spread.modes == 10


def test_the_spread_of_a_perfect_generator() -> None:
    real = np.full(8, 2 * STD**2)  # D std^2
    for n in (80, 10_000):
        points = [ring(n, seed=seed) for seed in range(60)]
        medians = [mode_spread(x, nearest_centre(x, CENTRES), real).median for x in points]
        assert np.mean(medians) == pytest.approx(chi2.median(2 * (n / 8 - 1)) / (2 * (n / 8 - 1)), abs=0.03)


def test_one_shrunken_mode_lowers_the_smallest_ratio() -> None:
    points, real = ring(8000), np.full(8, 2 * STD**2)
    decisions = nearest_centre(points, CENTRES)
    points[decisions == 3] = CENTRES[3] + 0.1 * (points[decisions == 3] - CENTRES[3])
    spread = mode_spread(points, decisions, real)
    assert spread.smallest == pytest.approx(0.01, rel=0.15)
    assert spread.median == pytest.approx(1, rel=0.1)


NO_SPREAD = Spread(median=0.0, smallest=0.0, largest=0.0, modes=0)


@pytest.mark.parametrize(
    ("decisions", "modes"),
    [(np.zeros(100, dtype=int), 1), (np.arange(100) % 2, 2), (np.arange(100) % 8, 8), (np.arange(100) % 50, 50)],
    ids=["one point", "two points", "a point in each mode", "two samples of each"],
)
def test_the_spread_of_single_points_is_0(decisions: np.ndarray, modes: int) -> None:
    centres = np.random.default_rng(0).normal(size=(modes, 3)) / 3
    assert mode_spread(centres[decisions], decisions, np.ones(modes)) == Spread(median=0.0, smallest=0.0, largest=0.0, modes=modes)


def test_the_spread_of_few_samples() -> None:
    x = np.arange(9.0)[:, None]
    assert mode_spread(x[:6], np.array([0, 0, 0, 0, 0, 1]), [2.5, 1]) == Spread(median=1.0, smallest=1.0, largest=1.0, modes=1)
    assert mode_spread(x[:5], np.array([0, 0, 0, 1, 1]), [1, 1]).modes == 1  # no mode has 5 samples: the largest counts
    assert mode_spread(x[:3], np.array([0, 1, 2]), [1, 1, 1]) == NO_SPREAD  # no mode has two samples
    assert mode_spread(x, np.zeros(9, dtype=int), [0, 1]) == NO_SPREAD  # the real mode has no variance


def drawn(shares_of: np.ndarray, real: np.ndarray, *, n: int, n_real: int, seed: int = 0, draws: int = 200) -> np.ndarray:
    """modes_lost of `n` samples with these shares against `n_real` samples with the real shares, for several draws of both."""
    rng = np.random.default_rng(seed)
    return np.array([modes_lost(rng.multinomial(n, shares_of), rng.multinomial(n_real, real)) for _ in range(draws)])


@pytest.mark.parametrize(
    ("modes", "n", "n_real"), [(3, 100, 60), (10, 1000, 500), (10, 2000, 10_000), (100, 2000, 10_000), (1000, 2000, 10_000)]
)
@pytest.mark.parametrize("even", [True, False])
def test_modes_are_lost_beyond_chance_only(modes: int, n: int, n_real: int, even: bool) -> None:
    """Real shares, and a fifth of them in one mode of some size, which is where the level of 5 % holds."""
    real = np.ones(modes) / modes if even else np.random.default_rng(1).dirichlet(np.full(modes, 0.7))
    few = np.arange(modes) == np.argsort(real)[modes // 2]
    fifth = np.where(few, real / 5, real)
    fifth[~few] *= (1 - fifth[few].sum()) / fifth[~few].sum()
    assert (drawn(real, real, n=n, n_real=n_real) == 0).all()
    assert (drawn(fifth, real, n=n, n_real=n_real) > 0).mean() < 0.05 + 2.6 * np.sqrt(0.05 * 0.95 / 200)


@pytest.mark.parametrize(("kept", "lost"), [(10, 0), (9, 1), (8, 2), (5, 5), (1, 9)])
def test_lost_modes_are_counted(kept: int, lost: int) -> None:
    real = np.ones(10) / 10
    left = np.where(np.arange(10) < kept, 1 / kept, 0)
    assert (drawn(left, real, n=1000, n_real=500) == lost).all()
    assert (drawn(0.99 * left + 0.01 * real, real, n=1000, n_real=500) == lost).mean() > 0.95, (
        "a few stray samples do not bring a mode back"
    )


def test_many_modes_are_lost_together() -> None:
    real = np.ones(1000) / 1000
    left = np.where(np.arange(1000) < 400, 1 / 400, 0)
    assert drawn(left, real, n=2000, n_real=10_000, draws=20).mean() > 500
    assert modes_lost(np.zeros(10), np.ones(10)) == modes_lost(np.ones(10), np.zeros(10)) == 0, "nothing is known without clear samples"
    assert modes_lost([100, 0], [100, 1]) == 0, "too few real samples to tell"
    assert modes_lost([100, 0, 0], [50, 50, 0]) == 1, "a mode without real samples is not missed"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kl([0.5, 0.5], [1, 0]), "real_shares must be greater than 0 where fake_shares are; they are 0 in mode 1"),
        (lambda: kl([0.5, 0.5], [1]), "same dimension D; given are 2 and 1"),
        (lambda: modes_captured([0.5, 0.4]), "shares must be numbers .* add up to 1"),
        (lambda: modes_captured([1.5, -0.5]), "shares must be numbers"),
        (lambda: shares(np.array([0, 3]), modes=3), "decisions must lie between 0 and 2; given are 0 to 3"),
        (lambda: shares(np.array([0.5]), modes=3), "decisions must be a list"),
        (lambda: shares(np.array([], dtype=int), modes=3), "decisions must be a list"),
        (lambda: high_quality(CENTRES, CENTRES, std=0), "std, the standard deviation of a mode, must be greater than 0"),
        (lambda: forward_kl([0.5, 0.5], [1], n=2), "same dimension D; given are 2 and 1"),
        (lambda: forward_kl([1], [1], n=0), "n, the number of generated samples, must be at least 1; given is 0"),
        (lambda: class_imbalance_baseline([1], n=0), "n, the number of generated samples, must be at least 1; given is 0"),
        (lambda: kl_baseline(0, n=5), "modes and n, the number of samples, must be at least 1; given are 0 and 5"),
        (lambda: class_imbalance([0.5, np.nan], [0.5, 0.5]), "fake_shares must be numbers"),
        (lambda: modes_seen([]), "shares must be numbers"),
        (lambda: modes_lost([1, 2], [1]), "counts and real_counts must be numbers"),
        (lambda: modes_lost([1, -2], [1, 1]), "counts and real_counts must be numbers"),
        (lambda: mode_traces(CENTRES, np.zeros(3, dtype=int), modes=1), "points and decisions must be equally many; given are 8 and 3"),
        (lambda: mode_spread(CENTRES, np.zeros(8, dtype=int), [np.nan]), "real_traces must be finite numbers"),
        (lambda: mode_spread(CENTRES, np.ones(8, dtype=int), [1]), "decisions must lie between 0 and 0; given are 1 to 1"),
        (lambda: mode_spread(np.full((8, 2), np.inf), np.zeros(8, dtype=int), [1]), "points must hold finite values only; 8 of 8"),
        (lambda: nearest_centre(np.ones((3, 3)), CENTRES), "points and centres must have the same dimension D; given are 3 and 2"),
    ],
)
def test_rejects(call: Callable[[], object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        call()
