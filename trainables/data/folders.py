"""Data sets without a download: scikit-learn's digits, and a folder of the user's pictures."""

from dataclasses import replace

import numpy as np

from ganstudy.errors import UserError
from trainables import pictures
from trainables.data.picture_layout import arrange
from trainables.data.source import Source
from trainables.data.subsets import split
from trainables.data.table import DATA, refuse, root_of
from trainables.picture_files import find
from trainables.sections import DataConfig

_DEFAULT_RESOLUTION = 32  # pixels a side if data.resolution is not set


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
    """A folder of your own pictures (data.root), cropped and resized to data.resolution; sub-folders are classes; test, val or 15 % is held out.

    See `trainables.data.picture_layout.arrange` and `trainables.picture_files.find` for what is taken.
    """
    if config.root is None:
        raise UserError("image_folder needs data.root, the folder of your pictures; it is not set")
    refuse(config, "download", because="its pictures are your own")
    root = root_of(config)
    layout = arrange(find(root))
    names = [*layout.train, *layout.heldout]  # cached in this order, so that both parts are slices of one memory map
    decoded = pictures.read(root, names, resolution=config.resolution or _DEFAULT_RESOLUTION)
    return Source(
        name=config.name,
        train=decoded.images[: len(layout.train)],
        heldout=decoded.images[len(layout.train) :],
        train_labels=layout.train_labels,
        heldout_labels=layout.heldout_labels,
        classes=layout.classes,
        why_unlabelled=layout.why_unlabelled,
        notes=(*layout.notes, *decoded.notes),
    )


def resized(source: Source, resolution: int | None) -> Source:
    """Return the source with images resized to `resolution` pixels a side; None keeps their size."""
    if resolution is None or source.shape[1:] == (resolution, resolution):
        return source
    return replace(source, train=pictures.resized(source.train, resolution), heldout=pictures.resized(source.heldout, resolution))
