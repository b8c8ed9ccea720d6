"""Pictures of samples beside the real data that they came from: the nearest training images, or points over real points."""

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganstudy import UserError
from trainables.batches import first_rows
from trainables.data import load
from trainables.generators import Generator
from trainables.grid import SIDE, extent, grid_png
from trainables.sections import DataConfig

NEAREST = 3  # training images below each sample
_BLOCK = 256  # training images compared at a time, which bounds memory
_POINTS = 2000
_PIXELS, _DOT = 512, 1  # of a scatter: its sides, and the half of a dot's
_REAL, _SAMPLES = (170, 170, 170), (0, 114, 178)  # grey, and Okabe & Ito's blue
_MOST = 500_000_000  # values of the training images; more take longer than a study waits at its end


def beside_real_png(generator: Generator, data: DataConfig, *, name: str) -> tuple[bytes, str]:
    """Return samples of a generator beside its training data as a PNG, and what it shows as a sentence.

    Images: a row of samples, and below each its nearest training images by the Euclidean distance of pixels. Points of two coordinates or more: samples
    over as many real points, in the first two coordinates. Raises UserError if there is no such picture: for points of one coordinate, samples that
    are not finite, or more data than can be searched in seconds; `name` is that of the generator.
    """
    train = load(data).train
    train = train if data.size is None else train[np.sort(first_rows(len(train)).numpy()[: data.size])]
    samples = generator.sample(SIDE if train.ndim == 4 else _POINTS).float().cpu()
    if not samples.isfinite().all():
        raise UserError(f"samples must be finite; the generator of {name} returns NaN or infinity. Choose another trial")
    if train.ndim == 4:
        if train.size > _MOST:
            raise UserError(f"nearest training images need at most {_MOST:,} pixel values to search; {data.name} has {train.size:,}")
        rows = nearest(samples, train, NEAREST)
        shown = torch.cat([samples, *(torch.from_numpy(train[rows[:, place]]).float() / 127.5 - 1 for place in range(NEAREST))])
        return grid_png(
            shown, extent=1.0
        ), f"Samples of {name} in the first row; below each, its {NEAREST} nearest of {len(train):,} training images"
    if train.shape[1] < 2:
        raise UserError(f"a scatter plot needs two coordinates; {data.name} has {train.shape[1]}")
    real = train[first_rows(len(train)).numpy()[:_POINTS], :2]
    return scatter_png(
        real, samples[:, :2].numpy(), extent=extent(train)
    ), f"{len(samples):,} samples of {name} (blue) over {len(real):,} real points (grey)"


def nearest(samples: Tensor, train: np.ndarray, k: int) -> np.ndarray:
    """Return the rows int64 [N, k] of the training images uint8 [M, C, H, W] that are nearest to samples [N, C, H, W] in [-1, 1], the nearest first."""
    flat = samples.clamp(-1, 1).flatten(1).double()
    best, rows = torch.full((len(flat), k), torch.inf, dtype=torch.double), torch.zeros(len(flat), k, dtype=torch.long)
    for first in range(0, len(train), _BLOCK):
        copied = np.array(train[first : first + _BLOCK])  # a file is mapped read-only, which torch warns of
        block = torch.from_numpy(copied).flatten(1).double() / 127.5 - 1
        distances = torch.cat([best, torch.cdist(flat, block, compute_mode="donot_use_mm_for_euclid_dist")], dim=1)
        found = torch.cat([rows, torch.arange(first, first + len(block)).expand(len(flat), -1)], dim=1)
        best, places = distances.topk(k, dim=1, largest=False)
        rows = found.gather(1, places)
    return rows.numpy()


def scatter_png(real: np.ndarray, samples: np.ndarray, *, extent: float) -> bytes:
    """Return points [N, 2] over real points [M, 2] within ±extent as a PNG; up is positive. Points outside are left out."""
    pixels = np.full((_PIXELS, _PIXELS, 3), 255, dtype=np.uint8)
    for points, colour in ((real, _REAL), (samples, _SAMPLES)):
        places = np.floor((points / extent + 1) / 2 * _PIXELS).astype(np.int64)
        for column, row in places[((places >= 0) & (places < _PIXELS)).all(axis=1)]:
            top = _PIXELS - 1 - row
            pixels[max(top - _DOT, 0) : top + _DOT + 1, max(column - _DOT, 0) : column + _DOT + 1] = colour
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()
