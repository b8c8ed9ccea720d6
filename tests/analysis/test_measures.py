"""The table of metrics, and what real data score in each."""

from collections.abc import Callable
from dataclasses import replace
from math import prod

import numpy as np
import pytest

from analysis.metrics import METRICS, Comparison, Mixture, Reference, Samples, floor, floors, measure

CENTRES = np.array([[np.cos(a), np.sin(a)] for a in 2 * np.pi * np.arange(8) / 8])
STD = 0.05
MIXTURE = Mixture(centres=CENTRES, std=STD)


def ring(n: int, *, modes: int = 8, seed: int = 0, shift: float = 0.0) -> Samples:
    """Points of a mixture, of the class that was asked for as far as there are modes."""
    rng = np.random.default_rng(seed)
    asked = rng.integers(8, size=n)
    points = CENTRES[asked % modes] + STD * rng.normal(size=(n, 2)) + shift
    return Samples(features=points, data=points, labels=asked)


def pictures(n: int, *, modes: int = 8, seed: int = 0, shift: float = 0.0) -> Samples:
    """Images of eight brightnesses under noise, and how sure a classifier is of each; without variety where modes are lost."""
    rng = np.random.default_rng(seed)
    asked = rng.integers(8, size=n)
    mode = asked % modes
    images = 20 * mode[:, None, None, None] + rng.integers(100 if modes == 8 else 5, size=(n, 1, 16, 16))
    probabilities = np.full((n, 8), 0.01)
    probabilities[np.arange(n), mode] = 0.93
    features = np.stack([images.mean(axis=(1, 2, 3)), images.std(axis=(1, 2, 3)), images[:, 0, 0, 0]], axis=1) / 20 + shift
    return Samples(features=features, probabilities=probabilities, data=images.astype(np.uint8), labels=asked)


@pytest.fixture(scope="module")
def references() -> dict[str, Reference]:
    return {
        "ring": Reference.of(ring(1000, seed=1), n=1000, train=ring(1000, seed=2).features, mixture=MIXTURE),
        "pictures": Reference.of(pictures(1000, seed=1), n=1000, train=pictures(1000, seed=2).features),
    }


MAKE = {"ring": ring, "pictures": pictures}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in MAKE for name in METRICS])
def test_each_metric_says_which_way_is_better(kind: str, name: str, references: dict[str, Reference]) -> None:
    """A perfect generator against one that has lost all modes but one and lies off it, or copies the training data."""
    reference, metric = references[kind], METRICS[name]
    good, bad = MAKE[kind](1000), MAKE[kind](1000, modes=1, shift=1)
    if name == "memorisation":
        assert reference.train is not None
        bad = Samples(features=reference.train)
    if metric.needs not in Comparison(real=reference, fake=good).known:
        assert metric.needs in {"ring": ("classes", "images"), "pictures": ("mixture",)}[kind]
        return
    better, worse = (metric.of(Comparison(real=reference, fake=samples)) for samples in (good, bad))
    if metric.better is None:
        assert abs(better - metric.floor(reference, 1000)) < 0.2  # type: ignore[misc]
    else:
        assert better < worse if metric.better == "min" else better > worse
    assert metric.description
    assert metric.source


COLLAPSED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "one point": lambda x: np.repeat(x[:1], len(x), axis=0),
    "two points": lambda x: x[np.arange(len(x)) % 2],
    "zeros": np.zeros_like,
    "few": lambda x: x[np.arange(10)],
    "one line": lambda x: x * (np.arange(x.shape[1]) == 0) if x.ndim == 2 else x * 0,
    "far away": lambda x: x * 0 + (1e6 if x.ndim == 2 else 255),
}


@pytest.mark.parametrize("data", MAKE)
@pytest.mark.parametrize("kind", COLLAPSED)
def test_collapsed_samples_are_measured_like_others(kind: str, data: str, references: dict[str, Reference]) -> None:
    whole, collapse = MAKE[data](600), COLLAPSED[kind]
    features = collapse(whole.features)
    broken = Samples(
        features=features,
        data=features if data == "ring" else collapse(whole.data),  # type: ignore[arg-type]
        probabilities=None if whole.probabilities is None else whole.probabilities[: len(features)],
        labels=whole.labels[: len(features)],  # type: ignore[index]
    )
    found, real = (measure(Comparison(real=references[data], fake=samples)) for samples in (broken, whole))
    assert list(found) == list(real)
    assert all(np.isfinite(list(found.values()))), found
    assert found["coverage"] < 0.3
    assert found["fd"] > 2 * real["fd"]


def test_only_what_is_known_is_measured() -> None:
    points = Samples(features=ring(100).features)
    needs = {METRICS[name].needs for name in measure(Comparison(real=Reference.of(points, n=100), fake=points))}
    assert needs == {"features"}
    images = pictures(100)
    needs = {METRICS[name].needs for name in measure(Comparison(real=Reference.of(images, n=100), fake=images))}
    assert needs == {"features", "modes", "classes", "images", "labels", "labelled modes"}
    unlabelled = replace(images, labels=None)
    for real, fake in ((images, unlabelled), (unlabelled, images)):
        needs = {METRICS[name].needs for name in measure(Comparison(real=Reference.of(real, n=100), fake=fake))}
        assert needs == {"features", "modes", "classes", "images"}


@pytest.mark.parametrize("data", MAKE)
def test_floors_are_what_real_data_score(data: str, references: dict[str, Reference]) -> None:
    """Fresh samples of the truth lie around them: beside fresh real data for a formula, beside the same ones for resampling."""
    found = floors(references[data], MAKE[data](2000, seed=3), 1000, draws=10)
    values = []
    for seed in range(10, 20):
        fake, other = MAKE[data](1000, seed=seed), MAKE[data](1000, seed=100 + seed)
        fresh = Reference.of(other, n=1000, train=MAKE[data](1000, seed=200 + seed).features, mixture=MIXTURE if data == "ring" else None)
        same, anew = (measure(Comparison(real=real, fake=fake)) for real in (references[data], fresh))
        values.append({name: same[name] if found[name].draws else anew[name] for name in found})
    for name, each in found.items():
        drawn = np.array([value[name] for value in values])
        error = max(drawn.std(), (each.high - each.low) / 3 if each.draws else 0, 1e-3)  # type: ignore[operator]
        if name != "memorisation":  # of half as many held-out data
            assert abs(drawn.mean() - each.value) < 2.5 * error, name
        assert (each.low is None) == (METRICS[name].floor is not None) == (each.draws == 0)
    if data == "ring":
        assert found["hq"].value == pytest.approx(1 - np.exp(-4.5))
    assert found["coverage"].value == pytest.approx(1 - prod((1000 - i) / (2000 - i) for i in range(1, 6)))
    assert abs(found["memorisation"].value) < 0.2


@pytest.mark.parametrize("n", [250, 1000, 4000])
def test_coverage_of_unequal_numbers(n: int) -> None:
    real = np.random.default_rng(0).normal(size=(1000, 4))
    found = [
        METRICS["coverage"].of(
            Comparison(
                real=Reference.of(Samples(features=real), n=1000), fake=Samples(features=np.random.default_rng(seed).normal(size=(n, 4)))
            )
        )
        for seed in range(1, 6)
    ]
    assert METRICS["coverage"].floor(Reference.of(Samples(features=real), n=1000), n) == pytest.approx(np.mean(found), abs=0.02)  # type: ignore[misc]


def test_the_floor_of_points() -> None:
    real = np.random.default_rng(0).normal(size=(2000, 8))
    fd = floor("fd", real, 1000)
    assert fd.draws == 20
    # (d(d + 1)/2 + 2d)/N for equal Gaussians, literature's rule for N = M
    assert fd.value == pytest.approx((8 * 9 / 2 + 16) / 1000, rel=0.15)
    assert fd.low < fd.value < fd.high  # type: ignore[operator]
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
def test_refuses(name: str, n: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        floor(name, np.random.default_rng(0).normal(size=(50, 2)), n)
