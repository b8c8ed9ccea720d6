"""Sample grids: many samples of a generator in one PNG."""

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganstudy import UserError
from trainables.generators import Generator

SIDE = 8  # images along each side of a grid
ROWS = 16  # a conditional grid shows the first classes, at most this many
_POINTS = 2000  # points in a grid of a point generator
_BINS = 128  # of a density, along each side
_PIXELS = 256  # minimum of the longer side of a PNG, reached by enlarging


def _grid_size(shape: tuple[int, ...]) -> int:
    """Return the number of samples in a grid."""
    return SIDE * SIDE if len(shape) == 3 else _POINTS


def grid_samples(generator: Generator, shape: tuple[int, ...], *, seed: int = 0, label: int | None = None) -> Tensor:
    """Return the samples of a grid [N, *shape]: of class `label` if given; else one class per row for conditional images; else random ones."""
    n, labels = _grid_size(shape), None
    if label is not None:
        labels = torch.full((n,), label)
    elif generator.shares is not None and len(shape) == 3:
        labels = torch.arange(min(len(generator.shares), ROWS)).repeat_interleave(SIDE)
        n = len(labels)
    return generator.sample(n, seed=seed) if labels is None else generator.sample(n, seed=seed, labels=labels)


def new_grid(generator: Generator, *, seed: int, label: str | None, name: str) -> bytes:
    """Return new samples as a PNG, of the class `label` if given. Raises UserError if samples are not finite; `name` is that of the generator."""
    shape = tuple(generator.sample(1).shape[1:])
    samples = grid_samples(generator, shape, seed=seed, label=None if label is None else generator.label_of(label))
    if not samples.isfinite().all():
        raise UserError(f"samples must be finite; the generator of {name} returns NaN or infinity. Choose another trial")
    return grid_png(samples, extent=1.0 if len(shape) == 3 else 1.2 * float(samples.abs().max()))


def extent(train: np.ndarray) -> float:
    """Return half the side of the square in which points [N, D] are plotted; 1 for images."""
    return 1.2 * float(np.abs(train[:, :2]).max()) if train.ndim == 2 else 1.0


def grid_png(samples: Tensor, *, extent: float) -> bytes:
    """Return a PNG: images [N, C, H, W] in [-1, 1] side by side, or the density of points [N, D] within ±extent.

    The density is that of the first two coordinates, or a histogram if there is only one.
    """
    if samples.ndim == 4:
        pixels = side_by_side(samples.float().cpu().clamp(-1, 1).add(1).div(2).mul(255).round().byte().numpy())
    else:
        points = samples[:, :2].double().cpu().numpy()
        counts, _ = np.histogramdd(points, bins=_BINS, range=[(-extent, extent)] * points.shape[1])
        shares = counts / max(counts.max(), 1)
        shares = np.sqrt(shares.T[::-1]) if shares.ndim == 2 else np.arange(_BINS)[::-1, None] < _BINS * shares
        ink = 255 - 255 * shares
        pixels = np.repeat(ink.astype(np.uint8)[:, :, None], 3, axis=2)
    scale = -(-_PIXELS // max(pixels.shape))
    out = io.BytesIO()
    Image.fromarray(pixels).resize((pixels.shape[1] * scale, pixels.shape[0] * scale), Image.Resampling.NEAREST).save(out, "PNG")
    return out.getvalue()


def side_by_side(images: np.ndarray) -> np.ndarray:
    """Arrange uint8 images [N, C, H, W], of 1 or 3 channels, in rows of SIDE with a black line around each: [height, width, 3].

    torchvision.utils.make_grid does the same, but importing torchvision takes longer than all else that a trial imports after torch.
    """
    n, _, height, width = images.shape
    columns = min(SIDE, n)
    grid = np.zeros((-(-n // columns) * (height + 1) + 1, columns * (width + 1) + 1, 3), dtype=np.uint8)
    for i, image in enumerate(images):
        top, left = 1 + i // columns * (height + 1), 1 + i % columns * (width + 1)
        grid[top : top + height, left : left + width] = image.transpose(1, 2, 0)
    return grid


def real_png(train: np.ndarray) -> bytes:
    """Return the first real rows as a PNG in the format of `grid_png`. train: uint8 [N, C, H, W] or float [N, D]."""
    first = torch.from_numpy(np.array(train[: _grid_size(train.shape[1:])]))
    return grid_png(first.float() / 127.5 - 1 if first.ndim == 4 else first, extent=extent(train))
