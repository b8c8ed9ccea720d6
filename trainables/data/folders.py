"""Data sets without a download: scikit-learn's digits, and a folder of the user's pictures."""

from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from ganstudy.errors import UserError
from trainables import pictures
from trainables.data.source import Source
from trainables.data.subsets import split
from trainables.data.table import DATA, refuse
from trainables.sections import DataConfig

_DEFAULT_RESOLUTION = 32  # pixels a side if data.resolution is not set
_FEWEST_PICTURES = 20  # fewer would hold out less than three


@DATA.register("digits")
def digits(config: DataConfig) -> Source:
    """1,797 handwritten digits, 8 × 8 grey, part of scikit-learn; 500 held out. Alpaydin & Kaynak 1998 (UCI)."""
    from sklearn.datasets import load_digits  # imported here because it takes a second and no other data set needs it

    refuse(config, "root", "download", because="its pictures are part of scikit-learn")
    bunch = load_digits()
    images = np.round(bunch.images * (255 / 16)).astype(np.uint8)[:, None]  # 0..16 -> 0..255
    labels = bunch.target.astype(np.int64)
    train, heldout = split(labels, n_heldout=500)
    source = Source(
        name=config.name,
        train=images[train],
        heldout=images[heldout],
        train_labels=labels[train],
        heldout_labels=labels[heldout],
        classes=tuple("0123456789"),
    )
    return resized(source, config.resolution)


@DATA.register("image_folder")
def image_folder(config: DataConfig) -> Source:
    """A folder of your own pictures (data.root), cropped and resized to data.resolution; 15 % held out; sub-folders are classes."""
    if config.root is None:
        raise UserError("image_folder needs data.root, the folder of your pictures; it is not set")
    refuse(config, "download", because="its pictures are your own")
    names = pictures.listed(Path(config.root))
    if len(names) < _FEWEST_PICTURES:
        raise UserError(
            f"image_folder needs at least {_FEWEST_PICTURES} pictures, for training and evaluation; {config.root} holds {len(names)} "
            f"(hidden files are skipped; supported extensions: {sorted(pictures.EXTENSIONS)})"
        )
    folders = [PurePosixPath(name).parts[0] if "/" in name else None for name in names]
    classes = tuple(sorted({folder for folder in folders if folder is not None}))
    labelled = None not in folders and len(classes) > 1
    labels = np.array([classes.index(folder) if labelled and folder else 0 for folder in folders], np.int64)
    train, heldout = split(labels, n_heldout=round(0.15 * len(names)))
    order = np.concatenate([train, heldout])  # cached in this order, so that both parts are slices of one memory map
    images = pictures.read(Path(config.root), [names[row] for row in order], resolution=config.resolution or _DEFAULT_RESOLUTION)
    return Source(
        name=config.name,
        train=images[: len(train)],
        heldout=images[len(train) :],
        train_labels=labels[train] if labelled else None,
        heldout_labels=labels[heldout] if labelled else None,
        classes=classes if labelled else (),
    )


def resized(source: Source, resolution: int | None) -> Source:
    """Return the source with images resized to `resolution` pixels a side; None keeps their size."""
    if resolution is None or source.shape[1:] == (resolution, resolution):
        return source
    return replace(source, train=pictures.resized(source.train, resolution), heldout=pictures.resized(source.heldout, resolution))
