"""The table of metrics and their real-data baselines."""

from collections.abc import Callable
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
import pytest

from analysis import Direction
from analysis.metrics import METRICS, Comparison, Metric, Mixture, Reference, Samples, baseline, baselines, measure
from ganstudy import UserError

CENTRES = np.array([[np.cos(a), np.sin(a)] for a in 2 * np.pi * np.arange(8) / 8])
STD = 0.05
MIXTURE = Mixture(centres=CENTRES, std=STD)


def ring(n: int, *, modes: int = 8, seed: int = 0, shift: float = 0.0) -> Samples:
    """Points of a mixture. With fewer `modes`, several requested classes give the same mode."""
    rng = np.random.default_rng(seed)
    asked = rng.integers(8, size=n)
    points = CENTRES[asked % modes] + STD * rng.normal(size=(n, 2)) + shift
    return Samples(features=points, data=points, labels=asked)


def pictures(n: int, *, modes: int = 8, seed: int = 0, shift: float = 0.0) -> Samples:
    """Noisy images of eight brightness levels with class probabilities; with fewer `modes`, images lack variety too."""
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
def test_each_metric_has_the_right_direction(kind: str, name: str, references: dict[str, Reference]) -> None:
    """A perfect generator scores better than a shifted collapse to one mode, or than copies of the training data for memorisation."""
    reference, metric = references[kind], METRICS[name]
    good, bad = MAKE[kind](1000), MAKE[kind](1000, modes=1, shift=1)
    if name == "memorisation":
        assert reference.train is not None
        bad = Samples(features=reference.train)
    if metric.needs not in Comparison(real=reference, fake=good).known:
        assert metric.needs in {"ring": ("classes", "images"), "pictures": ("mixture",)}[kind]
        return
    of_good, of_bad = (metric.of(Comparison(real=reference, fake=samples)) for samples in (good, bad))
    if metric.direction is None:
        assert metric.baseline
        assert abs(of_good - metric.baseline(reference, 1000)) < 0.2
    else:
        assert metric.direction.sign * of_good < metric.direction.sign * of_bad
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
def test_collapsed_samples_have_finite_scores(kind: str, data: str, references: dict[str, Reference]) -> None:
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


def test_doubtful_samples_do_not_bring_a_mode_back() -> None:
    """A classifier gives bad samples some class. Only clearly recognised ones count for `modes_lost`, generated and real."""
    classes = np.arange(400) % 4

    def samples(sure: dict[int, float]) -> Samples:
        probabilities = np.full((400, 4), 0.1 / 3)
        probabilities[np.arange(400), classes] = 0.9
        for k, p in sure.items():
            probabilities[classes == k] = (1 - p) / 3
            probabilities[classes == k, k] = p
        return Samples(features=np.random.default_rng(0).normal(size=(400, 3)), probabilities=probabilities)

    for real, fake, lost in (({}, {}, 0), ({}, {3: 0.89}, 1), ({}, {2: 0.5, 3: 0.6}, 2), ({3: 0.89}, {3: 0.89}, 0)):
        comparison = Comparison(real=Reference.of(samples(real), n=400), fake=samples(fake))
        assert METRICS["modes_lost"].of(comparison) == lost
        assert METRICS["modes"].of(comparison) == 4


def test_only_metrics_whose_needs_are_met_are_computed() -> None:
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
def test_baselines_are_what_real_data_score(data: str, references: dict[str, Reference]) -> None:
    """Fresh real samples score close to the baseline: against fresh real data for a formula, against the same data for resampling."""
    found = baselines(references[data], MAKE[data](2000, seed=3), 1000, draws=10)
    values = []
    for seed in range(10, 20):
        fake, other = MAKE[data](1000, seed=seed), MAKE[data](1000, seed=100 + seed)
        fresh = Reference.of(other, n=1000, train=MAKE[data](1000, seed=200 + seed).features, mixture=MIXTURE if data == "ring" else None)
        same, renewed = (measure(Comparison(real=real, fake=fake)) for real in (references[data], fresh))
        values.append({name: same[name] if found[name].draws else renewed[name] for name in found})
    for name, each in found.items():
        drawn = np.array([value[name] for value in values])
        width = 0.0 if each.high is None or each.low is None else each.high - each.low
        error = max(drawn.std(), width / 3, 1e-3)
        if name != "memorisation":  # its baseline uses half of the held-out data
            assert abs(drawn.mean() - each.value) < 2.5 * error, name
        assert (each.low is None) == (METRICS[name].baseline is not None) == (each.draws == 0)
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
    in_closed_form = METRICS["coverage"].baseline
    assert in_closed_form
    assert in_closed_form(Reference.of(Samples(features=real), n=1000), n) == pytest.approx(np.mean(found), abs=0.02)


def test_the_baseline_of_points() -> None:
    real = np.random.default_rng(0).normal(size=(2000, 8))
    fd = baseline("fd", real, 1000)
    assert fd.draws == 20
    # (d(d + 1)/2 + 2d)/N for equal Gaussians and N = M
    assert fd.value == pytest.approx((8 * 9 / 2 + 16) / 1000, rel=0.15)
    assert fd.low is not None
    assert fd.high is not None
    assert fd.low < fd.value < fd.high
    assert baseline("fd", real, 1000) == fd
    assert baseline("density", real, 500).value == 1
    assert baseline("fd", real, 200).value > fd.value


@pytest.mark.parametrize(
    ("name", "n", "message"),
    [
        ("fdd", 10, "no metric named 'fdd'; did you mean 'fd'"),
        ("modes", 10, "the metric must need features only; modes also needs modes"),
        ("fd", 1, "n must be at least 2 and leave more than 5 of the 50 real points; given is 1"),
        ("fd", 45, "given is 45"),
    ],
)
def test_rejects(name: str, n: int, message: str) -> None:
    with pytest.raises(UserError, match=message):
        baseline(name, np.random.default_rng(0).normal(size=(50, 2)), n)


def test_a_metric_is_registered_with_one_line() -> None:
    assert METRICS.pick("fd").direction is Direction.MINIMIZE
    try:
        METRICS["spread"] = Metric(of=lambda c: float(c.features.std()), description="spread", direction="maximize", source="a test")  # type: ignore[arg-type]  # as plugins write it
        assert METRICS.pick("spread").direction is Direction.MAXIMIZE
        points = Samples(features=ring(100).features)
        assert measure(Comparison(real=Reference.of(points, n=100), fake=points))["spread"] == points.features.std()
    finally:
        del METRICS["spread"]
    with pytest.raises(UserError, match=r"a direction must be one of .* got 'max'"):
        Metric(of=lambda c: 0.0, description="spread", direction="max", source="a test")  # type: ignore[arg-type]


def test_a_metric_that_returns_text_is_named_with_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    names: dict[str, Any] = {}
    exec(compile("\n\ndef words(comparison):\n    return 'good'\n", "/somewhere/my_metrics.py", "exec"), names)
    monkeypatch.setitem(METRICS, "words", Metric(of=names["words"], description="a text", direction=None, source=""))
    points = Samples(features=ring(100).features)
    with pytest.raises(UserError, match=r"^the metric words \(/somewhere/my_metrics\.py, line 3\) must be one number; given is 'good'"):
        measure(Comparison(real=Reference.of(points, n=100), fake=points))
