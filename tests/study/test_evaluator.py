import math
import pickle
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import nn

import study.evaluation.classifiers
import study.evaluation.evaluator
from analysis.metrics import METRICS
from analysis.metrics.features import Classifier, Pixels, Points, RandomConv, train_classifier, weights_hash
from analysis.metrics.measures import OF_CLASSES, Metric
from ganstudy import UserError
from study.evaluation.classifiers import SHIPPED, accuracy, classifier_of
from study.evaluation.evaluator import Evaluator, Networks, as_bytes
from study.evaluation.features import choose
from study.evaluation.protocol import EvaluationProtocol
from study.spec.features import FEATURES, known_features
from trainables.data import Source, load
from trainables.loop import Diverged
from trainables.sections import DataConfig

ALWAYS = [name for name, metric in METRICS.items() if metric.needs in ("features", "train")]


class Replay:
    """A fake generator that returns rows of stored data, drawn with the seed."""

    def __init__(self, rows: np.ndarray):
        self.rows = torch.from_numpy(rows)
        self.calls: list[tuple[int, int]] = []

    def sample(self, n: int, *, seed: int) -> torch.Tensor:
        self.calls.append((n, seed))
        rows = self.rows[torch.randint(len(self.rows), (n,), generator=torch.Generator().manual_seed(seed))]
        return rows / 127.5 - 1 if rows.dtype == torch.uint8 else rows


def stripes(n: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noisy 8 x 8 images of three classes: horizontal stripes, vertical stripes, none."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=n)
    pattern = np.zeros((3, 1, 8, 8))
    pattern[0, :, ::2] = pattern[1, :, :, ::2] = 1
    return (pattern[labels] * 155 + rng.uniform(0, 100, (n, 1, 8, 8))).astype(np.uint8), labels


@pytest.fixture
def labelled() -> Source:
    (train, train_labels), (heldout, heldout_labels) = stripes(300), stripes(150, seed=1)
    return Source(
        name="stripes",
        train=train,
        heldout=heldout,
        train_labels=train_labels,
        heldout_labels=heldout_labels,
        classes=("horizontal", "vertical", "none"),
    )


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """An empty cache and a fast classifier training. The list holds the number of images of each training."""
    trained: list[int] = []

    def quick(images: np.ndarray, labels: np.ndarray, *, classes: int, seed: int) -> Classifier:
        trained.append(len(images))
        return train_classifier(images, labels, classes=classes, seed=seed, steps=30)

    for module in (study.evaluation.classifiers, study.evaluation.evaluator):
        monkeypatch.setattr(module, "user_cache_dir", lambda app: str(tmp_path / app))
    monkeypatch.setattr(study.evaluation.classifiers, "train_classifier", quick)
    return trained


@pytest.fixture(scope="module")
def digits() -> Source:
    return load(DataConfig(name="digits"))


@pytest.fixture(scope="module")
def evaluator(digits: Source) -> Evaluator:
    return Evaluator.build(digits)


@pytest.fixture(scope="module")
def grid() -> Source:
    return load(DataConfig(name="grid25"))


@pytest.fixture(scope="module")
def grid_evaluator(grid: Source) -> Evaluator:
    return Evaluator.build(grid)


def test_evaluation_protocol_of_digits(evaluator: Evaluator, digits: Source) -> None:
    assert (
        evaluator.protocol.data,
        evaluator.protocol.features,
        evaluator.protocol.n_real,
        evaluator.protocol.n_fake,
        evaluator.protocol.k,
    ) == (
        "digits",
        "classifier",
        500,
        1000,
        5,
    )
    assert evaluator.protocol.split == digits.fingerprint
    assert evaluator.protocol.weights == weights_hash(evaluator.networks.extractor)
    assert (evaluator.n_modes, evaluator.accuracy > 0.97) == (10, True)  # type: ignore[operator]
    assert evaluator.protocol.axis("fd") == "fd_classifier_1k"
    assert replace(evaluator.protocol, n_fake=2500, features="points").axis("modes") == "modes_points_2500"


def test_every_field_changes_the_protocol_hash() -> None:
    protocol = EvaluationProtocol(data="a", split="b", features="c", weights="d", n_real=1, n_fake=2, k=3)
    others = [
        replace(protocol, **dict[str, Any]([(name, "x" if isinstance(value, str) else 9)])) for name, value in protocol.as_dict().items()
    ]
    assert len({protocol.hash, *(other.hash for other in others)}) == 9
    assert EvaluationProtocol(**protocol.as_dict()) == protocol
    assert len(protocol.hash) == 10


def test_real_data_reach_the_baselines(evaluator: Evaluator, digits: Source) -> None:
    """Here they are drawn with replacement, which loses some diversity."""
    heldout, real = evaluator(Replay(digits.heldout)), evaluator(Replay(digits.train))
    baselines = {name: baseline.value for name, baseline in evaluator.baselines.items()}
    assert list(real) == list(baselines) == [name for name, metric in METRICS.items() if metric.needs not in ("mixture", *OF_CLASSES)]
    assert 0.5 * baselines["fd"] < heldout["fd"] < 2 * baselines["fd"]
    assert baselines["fd"] < real["fd"] < 3 * baselines["fd"]
    assert real["coverage"] == pytest.approx(baselines["coverage"], abs=0.05)
    assert real["modes"] == baselines["modes"] == 10
    assert real["kl"] < 0.01
    assert baselines["precision"] > 0.9
    assert baselines["recall"] > 0.9
    assert baselines["density"] == 1
    assert real["density"] == pytest.approx(1, abs=0.1)
    assert real["memorisation"] == 1
    assert abs(heldout["memorisation"] - baselines["memorisation"]) < 4.5  # at least -p/(1 - p): each is its own nearest neighbour
    assert real["mode_spread"] == pytest.approx(1, abs=0.2)
    assert evaluator.baselines["fd"].low < baselines["fd"] < evaluator.baselines["fd"].high  # type: ignore[operator]


def test_staged_collapse_of_digits(evaluator: Evaluator, digits: Source) -> None:
    kept = [evaluator(Replay(digits.train[digits.train_labels < n])) for n in (10, 8, 5, 1)]  # type: ignore[operator]
    assert [k["modes"] for k in kept] == [10, 8, 5, 1]
    assert [k["modes_lost"] for k in kept] == [0, 2, 5, 9]
    assert [k["kl"] for k in kept] == pytest.approx([np.log(10 / n) for n in (10, 8, 5, 1)], abs=0.1)
    for metric in ("fd", "kl"):
        assert sorted(kept, key=lambda k: k[metric]) == kept
    for metric in ("recall", "coverage"):
        assert sorted(kept, key=lambda k: -k[metric]) == kept


@pytest.mark.parametrize("value", [-1.0, 0.0, 1.0, 1e30])
def test_metrics_of_constant_samples_are_finite(evaluator: Evaluator, value: float) -> None:
    class Constant:
        def sample(self, n: int, *, seed: int) -> torch.Tensor:
            return torch.full((n, 1, 8, 8), value)

    found = evaluator(Constant())
    assert all(np.isfinite(list(found.values())))
    assert (found["modes"], found["coverage"] < 0.1, found["fd"] > 10 * evaluator.baselines["fd"].value) == (1, True, True)


def test_samples_are_drawn_in_blocks_with_fixed_seeds(evaluator: Evaluator, digits: Source) -> None:
    replay = Replay(digits.train)
    first, second = evaluator(replay), evaluator(replay)
    assert first == second
    assert replay.calls[:2] == replay.calls[2:]
    assert [n for n, _ in replay.calls] == [500] * 4
    assert len({seed for _, seed in replay.calls}) == 2


def test_global_random_state_does_not_change(labelled: Source, cache: list[int]) -> None:
    state, numpy_state = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index]
    Evaluator.build(labelled)(Replay(labelled.train))
    assert (torch.random.get_rng_state() == state).all()
    assert (np.random.get_state()[1] == numpy_state).all()  # type: ignore[index]


def test_a_pickled_evaluator_gives_the_same_metrics(evaluator: Evaluator, digits: Source) -> None:
    stored = pickle.dumps(evaluator)
    assert len(stored) < 2_000_000
    again = pickle.loads(stored)
    assert again(Replay(digits.train)) == evaluator(Replay(digits.train))
    assert again.protocol == evaluator.protocol


@pytest.mark.parametrize(("value", "n"), [(np.nan, 1), (np.inf, 1), (-np.inf, 3)])
def test_non_finite_samples_raise_diverged(evaluator: Evaluator, value: float, n: int) -> None:
    class Broken:
        def sample(self, count: int, *, seed: int) -> torch.Tensor:
            samples = torch.zeros(count, 1, 8, 8)
            samples[:n, 0, 3] = value
            return samples

    with pytest.raises(Diverged, match=f"{n} of 500 samples of the generator are not finite"):
        evaluator(Broken())


@pytest.fixture
def mine() -> Iterator[dict[str, Any]]:
    """A metric of a plugin, `mine`: its value and that of its formula for real data, if it has one."""
    does: dict[str, Any] = {}
    METRICS["mine"] = Metric(of=lambda c: does["value"](c), description="", direction=None, source="none")
    yield does
    del METRICS["mine"]


FAULTS: dict[str, tuple[Any, str]] = {
    "text": ("0.5", r"one number; given is '0\.5' \(str\)"),
    "none": (None, r"one number; given is None \(NoneType\)"),
    "array": (np.zeros(3), r"one number; given is an array of shape \[3\]"),
    "nan": (math.nan, "a finite number; given is nan"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_metric_that_is_no_finite_number_is_refused_by_name_before_any_trial(labelled: Source, mine: dict[str, Any], fault: str) -> None:
    value, told = FAULTS[fault]
    mine["value"] = lambda c: value
    with pytest.raises(UserError, match=rf"^the metric mine \({re.escape(__file__)}, line \d+\) must be {told}"):
        Evaluator.build(labelled, features="pixels", n_fake=40)
    mine["value"] = lambda c: 1.0
    METRICS["mine"] = replace(METRICS["mine"], baseline=lambda real, n: value)
    with pytest.raises(UserError, match=rf"^the real-data baseline of the metric mine must be {told}"):
        Evaluator.build(labelled, features="pixels", n_fake=40)


@pytest.mark.parametrize("make", [np.float32, np.array, torch.tensor], ids=["float32", "0-d array", "tensor"])
def test_a_metric_of_another_library_is_a_float(labelled: Source, mine: dict[str, Any], make: Any) -> None:
    mine["value"] = lambda c: make(0.5)
    evaluator = Evaluator.build(labelled, features="pixels", n_fake=40)
    assert evaluator.baselines["mine"].value == 0.5
    found = evaluator(Replay(labelled.train))["mine"]
    assert type(found) is float
    mine["value"] = lambda c: make(math.inf)
    with pytest.raises(UserError, match=r"^the metric mine \(.*, line \d+\) must be a finite number; given is inf"):
        evaluator(Replay(labelled.train))


def test_features_that_are_not_finite_are_refused_by_name(labelled: Source) -> None:
    class Broken(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.flatten(1).float().log()

    FEATURES.register("broken")(lambda source: Broken())
    try:
        with pytest.raises(UserError, match=r"the features broken must be finite; those of \d+ of \d+ inputs are not"):
            Evaluator.build(labelled, features="broken", n_fake=40)
    finally:
        del FEATURES["broken"]


def test_points_of_any_finite_size_have_finite_metrics() -> None:
    """So a metric that is not finite is a fault of the metric, and not the result of a generator."""
    evaluator = Evaluator.build(load(DataConfig(name="ring8")), n_fake=100)
    for size in (1e10, 1e19, 3e38):
        assert all(map(math.isfinite, evaluator(Replay(np.full((50, 2), size, dtype=np.float32))).values()))
        mixed = np.random.default_rng(0).uniform(-size, size, (50, 2)).astype(np.float32)
        assert all(map(math.isfinite, evaluator(Replay(mixed)).values()))


def test_samples_of_another_shape_are_refused(evaluator: Evaluator) -> None:
    class Wrong:
        def sample(self, n: int, *, seed: int) -> torch.Tensor:
            return torch.zeros(n, 8, 8)

    with pytest.raises(ValueError, match=r"samples must have the shape \[500, 1, 8, 8\] of digits; given \[500, 8, 8\]"):
        evaluator(Wrong())


def test_baselines_of_a_mixture(grid_evaluator: Evaluator, grid: Source) -> None:
    assert isinstance(grid_evaluator.networks.extractor, Points)
    assert (grid_evaluator.n_modes, grid_evaluator.accuracy) == (25, None)
    baselines = {name: baseline.value for name, baseline in grid_evaluator.baselines.items()}
    assert list(baselines) == [name for name, metric in METRICS.items() if metric.needs not in ("classes", "images", *OF_CLASSES)]
    assert baselines["hq"] == pytest.approx(1 - np.exp(-4.5))
    assert baselines["kl"] == pytest.approx(24 / 5000 + 24 / 20_000, abs=0.005)  # sampling noise of both sides
    assert baselines["modes"] == 25
    # Naeem et al. 2020, for equally many real and generated samples
    assert baselines["coverage"] == pytest.approx(1 - 0.5**5, abs=0.001)
    assert grid_evaluator(Replay(grid.train))["coverage"] == pytest.approx(baselines["coverage"], abs=0.02)
    few = grid_evaluator(Replay(grid.train[grid.train_labels < 7]))  # type: ignore[operator]
    assert (few["modes"], few["kl"]) == (7, pytest.approx(np.log(25 / 7), abs=0.05))  # type: ignore[comparison-overlap]
    assert grid_evaluator(Replay(grid.train + np.float32(0.5)))["hq"] == 0


def test_evaluation_of_images_without_labels(digits: Source) -> None:
    source = replace(digits, train_labels=None, heldout_labels=None, classes=())
    found = Evaluator.build(source)
    assert isinstance(found.networks.extractor, RandomConv)
    assert (found.n_modes, found.accuracy) == (None, None)
    assert list(found.baselines) == ALWAYS
    assert found.protocol.axis("coverage") == "coverage_random_conv_1k"
    good, bad = (found(Replay(digits.train[digits.train_labels < n])) for n in (10, 1))  # type: ignore[operator]
    assert good["fd"] < bad["fd"]
    assert good["coverage"] > bad["coverage"]


def test_a_classifier_is_trained_once_per_split(labelled: Source, cache: list[int]) -> None:
    first, second = classifier_of(labelled), classifier_of(labelled)
    assert cache == [300]
    assert weights_hash(first) == weights_hash(second)  # type: ignore[arg-type]
    assert isinstance(second, Classifier)
    assert accuracy(second, labelled) > 0.9
    classifier_of(replace(labelled, train=labelled.train[::-1].copy(), train_labels=labelled.train_labels[::-1].copy()))  # type: ignore[index]
    assert cache == [300, 300]


def test_a_shipped_classifier_is_used_only_for_its_own_split(digits: Source, cache: list[int]) -> None:
    classifier_of(digits)
    assert cache == []
    fewer = replace(digits, train=digits.train[:200].copy(), train_labels=digits.train_labels[:200])  # type: ignore[index]
    classifier_of(fewer)
    assert cache == [200]


@pytest.mark.parametrize(("name", "least"), [("digits", 0.97), ("fashion_mnist", 0.90)])
def test_shipped_classifiers_are_accurate_and_small(name: str, least: float) -> None:
    path = SHIPPED / f"{name}.safetensors"
    with safe_open(path, framework="pt") as file:
        header = file.metadata()
    assert header["data"] == name
    assert float(header["heldout_accuracy"]) >= least
    assert path.stat().st_size < 400_000


def test_the_header_of_the_shipped_digits_classifier_is_correct(evaluator: Evaluator) -> None:
    with safe_open(SHIPPED / "digits.safetensors", framework="pt") as file:
        header = file.metadata()
    assert (header["split"], header["weights"]) == (evaluator.protocol.split, evaluator.protocol.weights)
    assert evaluator.accuracy == pytest.approx(float(header["heldout_accuracy"]), abs=0.003)


def test_too_few_held_out_samples_are_refused(labelled: Source) -> None:
    with pytest.raises(ValueError, match="evaluation needs more than k = 5 held-out samples and generated samples; stripes has 4 and 8"):
        Evaluator.build(replace(labelled, heldout=labelled.heldout[:4], heldout_labels=labelled.heldout_labels[:4]))  # type: ignore[index]


def test_training_samples_repeat_if_there_are_too_few(labelled: Source, cache: list[int]) -> None:
    """300 training images for 700 samples: each is used two or three times."""
    assert Evaluator.build(labelled, n_fake=700).baselines["modes"].value == 3


def test_as_bytes_rounds() -> None:
    images = torch.arange(256, dtype=torch.uint8)
    assert as_bytes(images.float() / 127.5 - 1).equal(images)
    assert as_bytes(torch.tensor([-5, -1, 1, 5, 3e38])).tolist() == [0, 0, 255, 255, 255]


def test_features_are_chosen_by_name(digits: Source) -> None:
    classifier = classifier_of(digits)
    assert choose(digits, classifier=classifier) is classifier
    assert choose(digits, features="classifier", classifier=classifier) is classifier
    assert choose(digits, features="pixels").features(digits.heldout[:2]).shape == (2, 64)
    assert set(FEATURES) <= set(known_features())


@pytest.mark.parametrize(
    ("data", "features", "weights", "message"),
    [
        ("digits", "pixel", None, r"no features named 'pixel'; did you mean 'pixels'\? there are \['auto', "),
        ("digits", "points", None, "evaluation.features must be features of images for digits; given 'points'"),
        ("ring8", "pixels", None, "evaluation.features must be points for ring8; given 'pixels'"),
        ("digits", "pixels", "w.pth", r"evaluation.weights needs evaluation.features to be inception or vgg16; given 'pixels'"),
        ("digits", "inception", "none.pth", r"weights must be a file that torch.load\(path, weights_only=True\) reads; none.pth"),
    ],
)
def test_features_that_do_not_fit_are_refused(data: str, features: str, weights: str | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        choose(load(DataConfig(name=data)), features=features, weights=weights)


def test_images_without_labels_have_no_classifier(digits: Source) -> None:
    with pytest.raises(ValueError, match=r"evaluation\.features: classifier needs labelled images; digits has no labels"):
        choose(replace(digits, train_labels=None, heldout_labels=None, classes=()), features="classifier")


def test_modes_always_come_from_the_classifier(evaluator: Evaluator, digits: Source, cache: list[int]) -> None:
    """With pixel features only distances change; metrics of classes do not."""
    pixels = Evaluator.build(digits, features="pixels")
    found, usual = pixels(Replay(digits.train)), evaluator(Replay(digits.train))
    assert (found["modes"], found["kl"], found["classifier_score"]) == (usual["modes"], usual["kl"], usual["classifier_score"])
    assert found["fd"] != usual["fd"]
    assert (pixels.protocol.features, pixels.protocol.classifier) == ("pixels", evaluator.protocol.classifier)
    assert pixels.protocol.axis("fd") == "fd_pixels_1k"
    assert replace(pixels.protocol, features="inception").axis("fd") == "fid_1k"


def test_pretrained_features_of_real_data_are_cached(
    digits: Source, cache: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study.evaluation.evaluator, "Pretrained", Pixels)  # pretend that pixels are a slow pretrained network
    first = Evaluator.build(digits, features="pixels")
    assert len([*(tmp_path / "ganstudy" / "real").iterdir()]) == 2  # held-out and training data
    monkeypatch.setattr(Networks, "see", lambda self, x: pytest.fail("must use the cache"))
    again = Evaluator.build(digits, features="pixels")
    assert again.baselines == first.baselines


def test_shared_networks_move_to_a_device_together(evaluator: Evaluator) -> None:
    there = evaluator.on(torch.device("cpu"))
    assert there.networks.extractor is there.networks.classifier is not evaluator.networks.extractor
    assert there.protocol == evaluator.protocol
