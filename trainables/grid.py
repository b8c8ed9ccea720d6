"""Sample grids: what a generator makes, as one picture."""

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid

from trainables.generators import Generator

SIDE = 8  # samples along each side of a grid of images
ROWS = 16  # classes in a grid of images of a conditional generator, the first ones
_POINTS = 2000  # points drawn of a generator of points
_PIXELS = 256  # a grid is enlarged to at least this many


def _grid_size(shape: tuple[int, ...]) -> int:
    """How many samples a grid holds."""
    return SIDE * SIDE if len(shape) == 3 else _POINTS


def grid_samples(generator: Generator, shape: tuple[int, ...], *, seed: int = 0, label: int | None = None) -> Tensor:
    """What a grid holds: of a generator that is told classes, images of one class a row, or all of the class `label`; else a sample of all."""
    n, labels = _grid_size(shape), None
    if label is not None:
        labels = torch.full((n,), label)
    elif generator.shares is not None and len(shape) == 3:
        labels = torch.arange(min(len(generator.shares), ROWS)).repeat_interleave(SIDE)
        n = len(labels)
    return generator.sample(n, seed=seed) if labels is None else generator.sample(n, seed=seed, labels=labels)


def extent(train: np.ndarray) -> float:
    """Half the side of the square in which points [N, D] are drawn; 1 for images."""
    return 1.2 * float(np.abs(train[:, :2]).max()) if train.ndim == 2 else 1.0


def grid_png(samples: Tensor, *, extent: float) -> bytes:
    """Images [N, C, H, W] in [-1, 1] side by side, or points [N, D] as a density of their first two coordinates within ±extent -> a PNG."""
    if samples.ndim == 4:
        pixels = (
            make_grid(samples.float().cpu().clamp(-1, 1).add(1).div(2), nrow=SIDE, padding=1)
            .mul(255)
            .round()
            .byte()
            .permute(1, 2, 0)
            .numpy()
        )
    else:
        x, y = samples[:, :2].double().cpu().numpy().T
        counts, _, _ = np.histogram2d(x, y, bins=128, range=[[-extent, extent]] * 2)
        ink = 255 - 255 * np.sqrt(counts.T[::-1] / max(counts.max(), 1))
        pixels = np.repeat(ink.astype(np.uint8)[:, :, None], 3, axis=2)
    scale = -(-_PIXELS // max(pixels.shape))
    out = io.BytesIO()
    Image.fromarray(pixels).resize((pixels.shape[1] * scale, pixels.shape[0] * scale), Image.Resampling.NEAREST).save(out, "PNG")
    return out.getvalue()


def real_png(train: np.ndarray) -> bytes:
    """The first of the real data, drawn as samples are. train: uint8 [N, C, H, W] or float [N, D]."""
    first = torch.from_numpy(np.array(train[: _grid_size(train.shape[1:])]))
    return grid_png(first.float() / 127.5 - 1 if first.ndim == 4 else first, extent=extent(train))
