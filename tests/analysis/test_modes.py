import numpy as np
import pytest

from analysis.metrics import (
    METRICS,
    Comparison,
    Reference,
    balls,
    frechet_statistics,
    high_quality,
    kl,
    measure,
    modes_captured,
    nearest_centre,
    shares,
)

CENTRES = np.array([[np.cos(a), np.sin(a)] for a in 2 * np.pi * np.arange(8) / 8])
STD = 0.05


def ring(n: int, *, modes: int = 8, seed: int = 0, std: float = STD) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return CENTRES[rng.integers(modes, size=n)] + std * rng.normal(size=(n, 2))


def test_nearest_centre_and_shares():
    assert nearest_centre(CENTRES + 0.1, CENTRES).tolist() == list(range(8))
    assert shares(np.array([0, 0, 2, 0]), modes=4).tolist() == [0.75, 0, 0.25, 0]
    assert shares(nearest_centre(ring(4000), CENTRES), modes=8) == pytest.approx([1 / 8] * 8, abs=0.02)


def test_high_quality_of_a_perfect_generator():
    assert high_quality(ring(50_000), CENTRES, std=STD) == pytest.approx(1 - np.exp(-4.5), abs=0.0015)
    assert high_quality(ring(50_000), CENTRES, std=STD, within=1) == pytest.approx(1 - np.exp(-0.5), abs=0.007)
    assert high_quality(CENTRES, CENTRES, std=STD) == 1
    assert high_quality(np.zeros((10, 2)), CENTRES, std=STD) == 0


@pytest.mark.parametrize(
    ("counts", "captured"),
    [([1, 1, 1, 1], 4), ([19, 1, 0, 0], 2), ([20, 1, 0, 0], 1), ([1, 0, 0, 0], 1), ([1], 1)],
    ids=["even", "at the least share of 1/20", "just below it", "collapsed", "one mode"],
)
def test_modes_captured(counts, captured):
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
def test_kl(fake, real, nats):
    assert kl(fake, real) == pytest.approx(nats, abs=1e-12)


def test_kl_of_a_perfect_generator():
    """(K - 1)/(2N): 0.0048 for 25 modes and 2,500 samples."""
    rng = np.random.default_rng(0)
    values = [kl(shares(rng.integers(25, size=2500), modes=25), np.full(25, 1 / 25)) for _ in range(300)]
    assert np.mean(values) == pytest.approx(24 / 5000, rel=0.05)


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
        (lambda: nearest_centre(np.ones((3, 3)), CENTRES), "points and centres must have the same dimension D; given are 3 and 2"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def compare(points: np.ndarray) -> dict[str, float]:
    real = ring(1000, seed=1)
    reference = Reference(
        statistics=frechet_statistics(real),
        balls=balls(real),
        shares=shares(nearest_centre(real, CENTRES), modes=8),
        centres=CENTRES,
        std=STD,
    )
    return measure(Comparison(real=reference, features=points, shares=shares(nearest_centre(points, CENTRES), modes=8)))


@pytest.mark.parametrize("name", METRICS)
def test_each_metric_says_which_way_is_better(name):
    """A perfect generator against one far off that has lost all modes but one."""
    good, bad = compare(ring(1000))[name], compare(ring(1000, modes=1) + 1)[name]
    assert good < bad if METRICS[name].better == "min" else good > bad
    assert METRICS[name].description
    assert METRICS[name].source


def test_only_what_is_known_is_measured():
    real = ring(100)
    reference = Reference(statistics=frechet_statistics(real), balls=balls(real))
    assert list(measure(Comparison(real=reference, features=real))) == ["fd", "precision", "recall", "density", "coverage"]
