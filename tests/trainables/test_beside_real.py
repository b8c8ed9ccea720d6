"""Samples beside real data: the nearest training images are those of a sort, and points lie where they are."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from ganstudy import UserError
from trainables.beside_real import NEAREST, beside_real_png, nearest, scatter_png
from trainables.config import TrialConfig
from trainables.data import load
from trainables.generators import Generator
from trainables.run import Run


def generator(**flat: object) -> Generator:
    config = TrialConfig.from_flat({"data": "digits", "arch": "mlp", "g.width": 8, "d.width": 8, **flat})
    return Run(config, load(config.data)).generator()


def test_the_nearest_images_are_those_of_a_sort() -> None:
    rng = np.random.default_rng(0)
    train = rng.integers(0, 256, (1000, 1, 4, 4), dtype=np.uint8)  # more than one block
    samples = torch.from_numpy(train[[700, 3]].astype(np.float32) / 127.5 - 1)
    samples[1] += 0.01
    rows = nearest(samples, train, 3)
    distances = ((samples.numpy()[:, None] - (train / 127.5 - 1)[None]) ** 2).sum((2, 3, 4))
    assert rows.tolist() == np.argsort(distances, axis=1)[:, :3].tolist()
    assert rows[:, 0].tolist() == [700, 3]


def test_points_lie_where_they_are() -> None:
    picture = np.asarray(Image.open(io.BytesIO(scatter_png(np.array([[-0.5, 0.5], [9.0, 0.0]]), np.array([[0.5, -0.5]]), extent=1.0))))
    coloured = {(int(row), int(column)): tuple(map(int, picture[row, column])) for row, column in np.argwhere((picture < 255).any(axis=2))}
    assert set(coloured.values()) == {(170, 170, 170), (0, 114, 178)}
    assert coloured[127, 128] == (170, 170, 170), "left and above the middle"
    assert coloured[383, 384] == (0, 114, 178)
    assert len(coloured) == 18, "a point outside is left out"


def test_the_picture_of_a_generator_of_images() -> None:
    """Four rows: samples, and their neighbours among the rows that the trial was trained on."""
    small = TrialConfig.from_flat({"data": "digits", "data.size": 5, "arch": "mlp"})
    png, text = beside_real_png(generator(), small.data, name="aa-s0")
    assert text == f"Samples of aa-s0 in the first row; below each, its {NEAREST} nearest of 5 training images"
    width, height = Image.open(io.BytesIO(png)).size
    assert width / height == pytest.approx(2, rel=0.05)


def test_the_picture_of_a_generator_of_points() -> None:
    _, text = beside_real_png(generator(data="ring8"), TrialConfig.from_flat({"data": "ring8", "arch": "mlp"}).data, name="aa-s0")
    assert text == "2,000 samples of aa-s0 (blue) over 2,000 real points (grey)"


def test_samples_that_are_not_finite_are_refused() -> None:
    broken = generator()
    with torch.no_grad():
        next(broken.parameters()).fill_(torch.nan)
    with pytest.raises(UserError, match="the generator of aa-s0 returns NaN"):
        beside_real_png(broken, TrialConfig.from_flat({"data": "digits", "arch": "mlp"}).data, name="aa-s0")


def test_training_images_of_a_file_that_is_mapped_read_only_are_no_warning() -> None:
    train = np.zeros((3, 1, 2, 2), dtype=np.uint8)
    train.flags.writeable = False
    assert nearest(torch.zeros(1, 1, 2, 2), train, 2).shape == (1, 2)
