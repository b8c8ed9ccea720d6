"""Data sets in MNIST's four files: 28 × 28 grey images. The official test split is held out."""

from pathlib import Path

import numpy as np

from ganstudy.errors import UserError
from trainables import idx
from trainables.data.folders import resized
from trainables.data.source import Source
from trainables.data.table import DATA, root_of
from trainables.sections import DataConfig

DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")  # of the Debian package dataset-fashion-mnist
_DIGITS = tuple("0123456789")


@DATA.register("mnist")
def mnist(config: DataConfig) -> Source:
    """Handwritten digits, 28 × 28 grey: 60,000 for training, the official 10,000 held out. LeCun et al. 1998."""
    return _source(config, "MNIST", classes=_DIGITS)


@DATA.register("fashion_mnist")
def fashion_mnist(config: DataConfig) -> Source:
    """Clothes, 28 × 28 grey: 60,000 for training, the official 10,000 held out. Xiao et al. 2017."""
    classes = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
    return _source(config, "FashionMNIST", classes=classes, also=DEBIAN_FASHION_MNIST, package="dataset-fashion-mnist")


@DATA.register("kmnist")
def kmnist(config: DataConfig) -> Source:
    """Cursive Japanese characters, 10 classes, 28 × 28 grey: 60,000 for training, the official 10,000 held out. Clanuwat et al. 2018."""
    return _source(config, "KMNIST", classes=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"))


@DATA.register("emnist")
def emnist(config: DataConfig) -> Source:
    """Handwritten digits and letters, 47 classes (balanced split), 28 × 28 grey: 112,800 and the official 18,800 held out. Cohen et al. 2017.

    Upper and lower case share a class for 15 letters. The files store each image transposed; it is returned upright.
    """
    files = tuple(name.replace("train-", "emnist-balanced-train-").replace("t10k-", "emnist-balanced-test-") for name in idx.FILES)
    return _source(config, "EMNIST", classes=(*_DIGITS, *"ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt"), files=files, swapped=True)


def _source(
    config: DataConfig,
    dataset: str,
    *,
    classes: tuple[str, ...],
    files: tuple[str, ...] = idx.FILES,
    swapped: bool = False,
    also: Path | None = None,
    package: str = "",
) -> Source:
    """Read the files from torchvision's folder, from data.root itself, or from `also`. `swapped`: images are stored transposed."""
    root = root_of(config)
    places = [root / dataset / "raw", root, *([also] if also else [])]
    found, trouble = idx.find(places, files), ""
    if found is None and config.download:
        from torchvision import datasets  # imported here because it takes seconds

        try:
            more = {"split": "balanced"} if dataset == "EMNIST" else {}
            getattr(datasets, dataset)(root, download=True, **more)
        except (RuntimeError, OSError) as reason:
            trouble = f" The download failed: {reason}."
        found = idx.find(places, files)
    if found is None:
        raise UserError(
            f"{config.name} needs {', '.join(files)} (plain or .gz) together in one folder; "
            f"looked in {', '.join(map(str, places))}.{trouble} Put them there, or set data.root to where they are"
            + (f", or install Debian's package {package}" if package else "")
            + ("" if config.download else ", or set data.download: true")
        )
    train, train_labels, heldout, heldout_labels = (idx.read(path) for path in found)
    if swapped:
        train, heldout = (np.ascontiguousarray(images.transpose(0, 2, 1)) for images in (train, heldout))
    source = Source(
        name=config.name,
        train=train[:, None],
        heldout=heldout[:, None],
        train_labels=train_labels.astype(np.int64),
        heldout_labels=heldout_labels.astype(np.int64),
        classes=classes,
    )
    return resized(source, config.resolution)
