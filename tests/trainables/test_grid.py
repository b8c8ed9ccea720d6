"""Pictures of points: two coordinates as a density, one as a histogram."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from trainables.grid import extent, grid_png, real_png, side_by_side


def ink(png: bytes) -> np.ndarray:
    """Return how dark each pixel is: [256, 256]."""
    picture = Image.open(io.BytesIO(png)).convert("L")
    assert picture.size == (256, 256)
    return 255 - np.asarray(picture, dtype=np.int64)


def test_one_coordinate_is_a_histogram() -> None:
    columns = ink(grid_png(torch.tensor([[-0.5]] * 3 + [[0.5]]), extent=1.0)).sum(0)
    assert set(np.flatnonzero(columns)) == {64, 65, 192, 193}  # at a quarter and three quarters of the width
    assert (columns[64], columns[192]) == (255 * 256, 255 * 86)  # the whole height, and a third of its 128 parts


def test_two_coordinates_are_a_density() -> None:
    dark = ink(grid_png(torch.tensor([[-0.5, 0.5]]), extent=1.0))
    assert set(zip(*np.nonzero(dark), strict=True)) == {(62, 64), (62, 65), (63, 64), (63, 65)}  # up is positive


def test_real_points_of_one_coordinate_can_be_plotted() -> None:
    points = np.linspace(-3, 3, 50, dtype=np.float32)[:, None]
    assert extent(points) == 1.2 * 3
    assert ink(real_png(points)).any()


@pytest.mark.parametrize(("n", "channels"), [(2, 1), (8, 3), (11, 3), (64, 1)])
def test_images_are_arranged_as_torchvision_does(n: int, channels: int) -> None:
    from torchvision.utils import make_grid  # here: its import takes seconds

    images = np.random.default_rng(0).integers(0, 256, (n, channels, 5, 7), dtype=np.uint8)
    expected = make_grid(torch.from_numpy(images), nrow=8, padding=1).permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(side_by_side(images), expected)
