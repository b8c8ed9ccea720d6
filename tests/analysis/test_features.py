from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from analysis.metrics import frechet_distance
from analysis.metrics.features import Classifier, Module, Pixels, Points, RandomConv, train_classifier, weights_hash
from ganstudy import UserError


class Mean(torch.nn.Module):
    """A user's network."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.float().mean(dim=(1, 2, 3))[:, None]


EXTRACTORS: dict[str, tuple[Callable[[int, int], Any], int]] = {
    "points": (lambda channels, side: Points(), 5),
    "pixels": (lambda channels, side: Pixels(), 64),
    "mine": (lambda channels, side: Module("mine", Mean()), 1),
    "classifier": (lambda channels, side: Classifier(channels=channels, side=side, classes=3).eval(), 64),
    "random_conv": (lambda channels, side: RandomConv(channels=channels), 128),
}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """On a shared machine more threads slow small networks down."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def images(n: int, *, channels: int = 1, height: int = 8, width: int = 8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(256, size=(n, channels, height, width), dtype=np.uint8)


def stripes(n: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noisy 8 x 8 images of three classes: horizontal stripes, vertical stripes, none."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=n)
    pattern = np.zeros((3, 1, 8, 8))
    pattern[0, :, ::2] = pattern[1, :, :, ::2] = 1
    return (pattern[labels] * 155 + rng.uniform(0, 100, (n, 1, 8, 8))).astype(np.uint8), labels


@pytest.mark.parametrize(("channels", "height", "width"), [(1, 8, 8), (3, 8, 8), (1, 28, 28), (3, 32, 48), (3, 64, 64), (1, 17, 9)])
@pytest.mark.parametrize("name", ["classifier", "random_conv"])
def test_images_of_any_size(name: str, channels: int, height: int, width: int) -> None:
    make, dimension = EXTRACTORS[name]
    found = make(channels, min(height, width)).features(images(3, channels=channels, height=height, width=width))
    assert found.shape == (3, dimension)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()


@pytest.mark.parametrize("name", EXTRACTORS)
def test_block_size_changes_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    extractor = EXTRACTORS[name][0](1, 8)
    x = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32) if name == "points" else images(7)
    whole = extractor.features(x)
    monkeypatch.setattr(extractor, "block", 2)
    assert extractor.features(x) == pytest.approx(whole, abs=1e-5)
    assert extractor.name == name


def test_features_of_points_are_their_coordinates() -> None:
    x = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
    assert (Points().features(x) == x).all()


def test_random_features_depend_on_the_seed_alone() -> None:
    state = torch.random.get_rng_state()
    a, b, c = RandomConv(channels=3), RandomConv(channels=3, seed=0), RandomConv(channels=3, seed=1)
    assert (torch.random.get_rng_state() == state).all()
    assert weights_hash(a) == weights_hash(b) != weights_hash(c)
    assert len(weights_hash(a)) == 16


def test_random_features_keep_their_scale_across_depths() -> None:
    spread = RandomConv(channels=1).features(stripes(200)[0]).reshape(200, 4, 32).std(axis=0).mean(axis=1)
    assert spread.max() < 10 * spread.min()


def test_random_features_rank_generators_by_quality() -> None:
    x, labels = stripes(2000)
    noise = np.random.default_rng(0).integers(-60, 60, x.shape)
    extractor = RandomConv(channels=1)
    real = extractor.features(x[:1000])
    staged = [x[1000:], x[1000:][labels[1000:] < 2], x[1000:][labels[1000:] == 0], np.repeat(x[:1], 100, axis=0)]
    distances = [frechet_distance(extractor.features(s), real) for s in staged]
    assert distances == sorted(distances)
    noisy = np.clip(x[1000:] + noise[1000:], 0, 255).astype(np.uint8)
    assert frechet_distance(extractor.features(noisy), real) > 10 * distances[0]


def test_training_learns_and_is_reproducible() -> None:
    x, labels = stripes(400)
    state = torch.random.get_rng_state()
    a, b, c = (train_classifier(x, labels, classes=3, seed=seed, steps=40) for seed in (0, 0, 1))
    assert (torch.random.get_rng_state() == state).all()
    assert weights_hash(a) == weights_hash(b) != weights_hash(c)
    assert not a.training
    unseen, expected = stripes(200, seed=1)
    assert (a.probabilities(a.features(unseen)).argmax(axis=1) == expected).mean() > 0.95


@pytest.mark.parametrize(
    ("x", "labels", "message"),
    [
        (np.zeros((4, 1, 8, 8)), [0, 1, 2, 0], "images must be uint8 .* given are float64"),
        (images(4, width=7), [0, 1, 2, 0], r"H and W at least 8; given are uint8 \[4, 1, 8, 7\]"),
        (images(4), [0, 1, 2], r"labels must be one of 0 to 2 for each of the 4 images; given are 3 labels from 0 to 2"),
        (images(4), [0, 1, 2, 3], "given are 4 labels from 0 to 3"),
    ],
)
def test_rejects(x: Any, labels: list[int], message: str) -> None:
    with pytest.raises(UserError, match=message):
        train_classifier(x, labels, classes=3, steps=1)


def test_features_of_images_can_be_their_pixels() -> None:
    x = images(3, channels=3)
    assert Pixels().features(x) == pytest.approx(x.reshape(3, -1) / 255)


def test_a_users_network_must_return_features() -> None:
    with pytest.raises(UserError, match=r"the features flat must be a tensor \[3, F\] of the 3 inputs; given is \[3, 1, 8, 8\]"):
        Module("flat", torch.nn.Identity()).features(images(3))


def test_probabilities_add_up_to_one() -> None:
    net = Classifier(channels=1, side=8, classes=3).eval()
    found = net.probabilities(net.features(images(5)))
    assert found.shape == (5, 3)
    assert found.sum(axis=1) == pytest.approx(np.ones(5))
