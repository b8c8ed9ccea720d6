"""Colour data sets in the file formats of torchvision. The official test split is held out."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ganstudy.errors import UserError
from trainables import pictures
from trainables.data.folders import resized
from trainables.data.source import Array, Source
from trainables.data.table import DATA, root_of
from trainables.sections import DataConfig

_FACES_RESOLUTION = 64


@DATA.register("cifar10")
def cifar10(config: DataConfig) -> Source:
    """Objects and animals, 10 classes, 32 × 32 colour: 50,000 for training, the official 10,000 held out. Krizhevsky 2009."""
    from torchvision.datasets import CIFAR10  # imported here because it takes seconds

    return _cifar(config, CIFAR10)


@DATA.register("cifar100")
def cifar100(config: DataConfig) -> Source:
    """Objects and animals, 100 classes, 32 × 32 colour: 50,000 for training, the official 10,000 held out. Krizhevsky 2009."""
    from torchvision.datasets import CIFAR100

    return _cifar(config, CIFAR100)


@DATA.register("svhn")
def svhn(config: DataConfig) -> Source:
    """Digits of house numbers, 32 × 32 colour: 73,257 for training, the official 26,032 held out; "extra" is not used. Netzer et al. 2011."""
    from torchvision.datasets import SVHN

    root = root_of(config)
    train, heldout = _parts(
        config,
        lambda train: SVHN(root, split="train" if train else "test", download=config.download),
        needs=f"train_32x32.mat and test_32x32.mat, complete (MD5), in {root}",
        how=f"Get them from {SVHN.split_list['train'][0].rpartition('/')[0]}, or set data.root to where they are",
    )
    return _labelled(config, (train.data, train.labels), (heldout.data, heldout.labels), classes=tuple("0123456789"))


@DATA.register("stl10")
def stl10(config: DataConfig) -> Source:
    """Objects and animals, 10 classes, 96 × 96 colour: the 5,000 labelled images, the official 8,000 held out. Coates et al. 2011.

    The usual data.resolution is 48. The 100,000 unlabelled images, which Miyato et al. 2018 train on, are not used, because their modes cannot be
    counted. Only the MD5 of their file is checked.
    """
    from torchvision.datasets import STL10

    root = root_of(config)
    train, heldout = _parts(
        config,
        lambda train: STL10(root, split="train" if train else "test", download=config.download),
        needs=f"the files of its binary version, complete (MD5), in {root / STL10.base_folder}",
        how=f"Unpack {STL10.url} in {root}, or set data.root to where it is unpacked",
    )
    names = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
    return _labelled(config, (train.data, train.labels), (heldout.data, heldout.labels), classes=names)


@DATA.register("celeba")
def celeba(config: DataConfig) -> Source:
    """Faces, the centre 178 × 178 resized to data.resolution (64): 162,770 for training, the official test split of 19,962 held out. Liu et al. 2015.

    Unlabelled, because an attribute is not a mode; the validation split is not used. 178 is the full width. Some papers crop to 140 or 160 pixels,
    which leaves less background and is easier, so results with other crops are not comparable.
    """
    root = root_of(config)
    folder = root / "celeba"
    parts, shown = folder / "list_eval_partition.txt", folder / "img_align_celeba"
    trouble = ""
    if config.download and not (parts.is_file() and shown.is_dir()):
        from torchvision.datasets import CelebA

        try:
            CelebA(root, download=True)
        except (RuntimeError, OSError, ImportError) as reason:  # torchvision needs the package gdown
            trouble = f" The download failed: {reason}."
    if not (parts.is_file() and shown.is_dir()):
        raise UserError(
            f"celeba needs {parts} and the aligned pictures in {shown}; at least one of them is missing.{trouble} "
            f"Unpack img_align_celeba.zip from mmlab.ie.cuhk.edu.hk/projects/CelebA.html in {folder}, put the list there too, or set data.root to "
            "the folder that contains celeba" + ("" if config.download else ", or set data.download: true (with the package gdown)")
        )
    train, heldout = _partition(parts)
    missing = [name for name in (*train, *heldout) if not (shown / name).is_file()]
    if missing or not train or not heldout:
        raise UserError(
            f"{shown} must hold every picture listed in {parts}, which must list training (0) and test (2) pictures; "
            f"it lists {len(train)} and {len(heldout)}, of which {len(missing)} are missing: {', '.join(missing[:5])}"
        )
    images = pictures.read(shown, [*train, *heldout], resolution=config.resolution or _FACES_RESOLUTION).images
    return Source(name=config.name, train=images[: len(train)], heldout=images[len(train) :])


def _partition(path: Path) -> tuple[list[str], list[str]]:
    """Return the names of the training and of the test pictures. Lines are "000001.jpg 0"; 0 is train, 1 validation, 2 test."""
    lines = [line.split() for line in path.read_text().splitlines() if line.strip()]
    if bad := [line for line in lines if len(line) != 2 or line[1] not in ("0", "1", "2")]:
        raise UserError(f"{path} must hold lines like `000001.jpg 0`; one is {' '.join(bad[0])[:80]!r}")
    train, heldout = ([name for name, part in lines if part == wanted] for wanted in ("0", "2"))
    return train, heldout


def _cifar(config: DataConfig, dataset: Any) -> Source:
    root = root_of(config)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*align should be passed")  # numpy 2.4.0 to 2.4.4 warn about these old pickles
        train, heldout = _parts(
            config,
            lambda train: dataset(root, train=train, download=config.download),
            needs=f"the files of its Python version, complete (MD5), in {root / dataset.base_folder}",
            how=f"Unpack {dataset.url} in {root}, or set data.root to where it is unpacked",
        )
    both = [(part.data.transpose(0, 3, 1, 2), np.array(part.targets, np.int64)) for part in (train, heldout)]
    return _labelled(config, *both, classes=tuple(train.classes))


def _parts(config: DataConfig, make: Callable[[bool], Any], *, needs: str, how: str) -> tuple[Any, Any]:
    """Return torchvision's training and test part. If they cannot be read, raises UserError with what it `needs` and `how` to get it."""
    try:
        return make(True), make(False)
    except (RuntimeError, OSError) as reason:
        also = "" if config.download else ", or set data.download: true"
        raise UserError(f"{config.name} needs {needs}: {reason}. {how}{also}") from reason


def _labelled(config: DataConfig, train: Sequence[Array], heldout: Sequence[Array], *, classes: tuple[str, ...]) -> Source:
    source = Source(
        name=config.name,
        train=np.ascontiguousarray(train[0]),
        heldout=np.ascontiguousarray(heldout[0]),
        train_labels=train[1].astype(np.int64),
        heldout_labels=heldout[1].astype(np.int64),
        classes=classes,
    )
    return resized(source, config.resolution)
