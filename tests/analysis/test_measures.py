"""The table of metrics, and what real data score in each."""

from math import prod

import numpy as np
import pytest

from analysis.metrics import METRICS, Comparison, Mixture, Reference, Samples, floor, floors, measure

CENTRES = np.array([[np.cos(a), np.sin(a)] for a in 2 * np.pi * np.arange(8) / 8])
STD = 0.05
MIXTURE = Mixture(centres=CENTRES, std=STD)


def ring(n: int, *, modes: int = 8, seed: int = 0, shift: float = 0.0) -> Samples:
    """Points, with an image of each and how sure a classifier is of its mode."""
    rng = np.random.default_rng(seed)
    mode = rng.integers(modes, size=n)
    points = CENTRES[mode] + STD * rng.normal(size=(n, 2)) + shift
    images = rng.integers(256, size=(n, 1, 16, 16)) // (1 if modes == 8 else 50) + 20 * mode[:, None, None, None] // 2
    probabilities = np.full((n, 8), 0.01)
    probabilities[np.arange(n), mode] = 0.93
    return Samples(features=points, probabilities=probabilities, images=images.clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference.of(ring(1000, seed=1), n=1000, train=ring(1000, seed=2).features, mixture=MIXTURE)


@pytest.mark.parametrize("name", METRICS)
def test_each_metric_says_which_way_is_better(name, reference):
    """A perfect generator against one that has lost all modes but one and lies off it, or copies the training data."""
    good, bad = ring(1000), ring(1000, modes=1, shift=1)
    if name == "memorisation":
        bad = Samples(features=reference.train)
    metric = METRICS[name]
    better, worse = (metric.of(Comparison(real=reference, fake=samples)) for samples in (good, bad))
    if metric.better is None:
        least = metric.floor(reference, 1000)
        assert abs(better - least) < 0.2
    else:
        assert better < worse if metric.better == "min" else better > worse
    assert metric.description
    assert metric.source


COLLAPSED = {
    "one point": lambda x: np.repeat(x[:1], len(x), axis=0),
    "two points": lambda x: x[np.arange(len(x)) % 2],
    "zeros": np.zeros_like,
    "few": lambda x: x[np.arange(10)],
    "one line": lambda x: np.stack([x[:, 0], np.zeros(len(x))], axis=1) if x.ndim == 2 else x * 0,
    "far away": lambda x: x * 0 + (1e6 if x.ndim == 2 else 255),
}


@pytest.mark.parametrize("kind", COLLAPSED)
def test_collapsed_samples_are_measured_like_others(kind, reference):
    whole = ring(600)
    broken = Samples(
        features=COLLAPSED[kind](whole.features),
        images=COLLAPSED[kind](whole.images),
        probabilities=whole.probabilities[: len(COLLAPSED[kind](whole.features))],
    )
    found = measure(Comparison(real=reference, fake=broken))
    assert list(found) == list(METRICS)
    assert all(np.isfinite(list(found.values()))), found
    assert found["coverage"] < 0.2
    assert found["fd"] > 5 * measure(Comparison(real=reference, fake=whole))["fd"]


def test_only_what_is_known_is_measured():
    points = Samples(features=ring(100).features)
    needs = {METRICS[name].needs for name in measure(Comparison(real=Reference.of(points, n=100), fake=points))}
    assert needs == {"features"}
    images = ring(100)
    needs = {METRICS[name].needs for name in measure(Comparison(real=Reference.of(images, n=100), fake=images))}
    assert needs == {"features", "modes", "classes", "images"}


def test_floors_are_what_real_data_score(reference):
    """A fresh sample of the truth lies around them, by formula or by resampling."""
    found = floors(reference, ring(2000, seed=3), 1000, draws=10)
    values = [measure(Comparison(real=reference, fake=ring(1000, seed=seed))) for seed in range(10, 20)]
    for name, each in found.items():
        drawn = np.array([value[name] for value in values])
        error = max(drawn.std(), (each.high - each.low) / 3 if each.draws else 0, 1e-3)
        if name != "memorisation":  # of half as many held-out data
            assert abs(drawn.mean() - each.value) < 2.5 * error, name
        assert (each.low is None) == (METRICS[name].floor is not None) == (each.draws == 0)
    assert found["hq"].value == pytest.approx(1 - np.exp(-4.5))
    assert found["coverage"].value == pytest.approx(1 - prod((1000 - i) / (2000 - i) for i in range(1, 6)))
    assert abs(found["memorisation"].value) < 0.2


@pytest.mark.parametrize("n", [250, 1000, 4000])
def test_coverage_of_unequal_numbers(n):
    real = np.random.default_rng(0).normal(size=(1000, 4))
    found = [
        METRICS["coverage"].of(
            Comparison(
                real=Reference.of(Samples(features=real), n=1000), fake=Samples(features=np.random.default_rng(seed).normal(size=(n, 4)))
            )
        )
        for seed in range(1, 6)
    ]
    assert METRICS["coverage"].floor(Reference.of(Samples(features=real), n=1000), n) == pytest.approx(np.mean(found), abs=0.02)


def test_the_floor_of_points():
    real = np.random.default_rng(0).normal(size=(2000, 8))
    fd = floor("fd", real, 1000)
    assert fd.draws == 20
    # (d(d + 1)/2 + 2d)/N for equal Gaussians, literature's rule for N = M
    assert fd.value == pytest.approx((8 * 9 / 2 + 16) / 1000, rel=0.15)
    assert fd.low < fd.value < fd.high
    assert floor("fd", real, 1000) == fd
    assert floor("density", real, 500).value == 1
    assert floor("fd", real, 200).value > fd.value


@pytest.mark.parametrize(
    ("name", "n", "message"),
    [
        ("fdd", 10, "name must be one of .* given is 'fdd'"),
        ("modes", 10, "name must be a metric of features alone; modes needs modes too"),
        ("fd", 1, "n must be at least 2 and leave more than 5 of the 50 real points; given is 1"),
        ("fd", 45, "given is 45"),
    ],
)
def test_refuses(name, n, message):
    with pytest.raises(ValueError, match=message):
        floor(name, np.random.default_rng(0).normal(size=(50, 2)), n)
