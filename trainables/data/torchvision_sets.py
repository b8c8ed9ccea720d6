"""Data sets of colour pictures in the files that torchvision knows. What their authors hold out is held out."""

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
    """Ten kinds of things, 32 × 32 colour: 50,000 and the official 10,000 held out. Krizhevsky 2009."""
    from torchvision.datasets import CIFAR10  # here: seconds of imports

    return _cifar(config, CIFAR10)


@DATA.register("cifar100")
def cifar100(config: DataConfig) -> Source:
    """A hundred kinds of things, 32 × 32 colour: 50,000 and the official 10,000 held out. Krizhevsky 2009."""
    from torchvision.datasets import CIFAR100

    return _cifar(config, CIFAR100)


@DATA.register("svhn")
def svhn(config: DataConfig) -> Source:
    """Digits of house numbers, 32 × 32 colour: 73,257 and the official 26,032 held out; "extra" is not used. Netzer et al. 2011."""
    from torchvision.datasets import SVHN

    root = root_of(config)
    train, heldout = _parts(
        config,
        lambda train: SVHN(root, split="train" if train else "test", download=config.download),
        needs=f"train_32x32.mat and test_32x32.mat, whole (MD5), in {root}",
        how=f"Get them from {SVHN.split_list['train'][0].rpartition('/')[0]}, or set data.root to where they are",
    )
    return _labelled(config, (train.data, train.labels), (heldout.data, heldout.labels), classes=tuple("0123456789"))


@DATA.register("stl10")
def stl10(config: DataConfig) -> Source:
    """Ten kinds of things, 96 × 96 colour: the 5,000 labelled ones and the official 8,000 held out; data.resolution: 48 is usual. Coates et al. 2011.

    The 100,000 pictures without labels, which Miyato et al. 2018 train on, are left out: their modes could not be counted. Of their file only
    the MD5 is looked at.
    """
    from torchvision.datasets import STL10

    root = root_of(config)
    train, heldout = _parts(
        config,
        lambda train: STL10(root, split="train" if train else "test", download=config.download),
        needs=f"the files of its binary version, whole (MD5), in {root / STL10.base_folder}",
        how=f"Unpack {STL10.url} in {root}, or set data.root to where it is unpacked",
    )
    names = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
    return _labelled(config, (train.data, train.labels), (heldout.data, heldout.labels), classes=names)


@DATA.register("celeba")
def celeba(config: DataConfig) -> Source:
    """Faces: the middle 178 × 178 of each, resized to data.resolution (64): 162,770 and the official 19,962 of the test split held out. Liu et al. 2015.

    No labels (an attribute is no mode), and the validation split is not used. 178 is all of the width: a crop to fewer pixels, such as the 140 or 160
    of some papers, leaves less background and is easier, so numbers of other crops cannot be compared.
    """
    root = root_of(config)
    folder = root / "celeba"
    parts, shown = folder / "list_eval_partition.txt", folder / "img_align_celeba"
    trouble = ""
    if config.download and not (parts.is_file() and shown.is_dir()):
        from torchvision.datasets import CelebA

        try:
            CelebA(root, download=True)
        except (RuntimeError, OSError, ImportError) as reason:  # it wants the package gdown
            trouble = f" The download failed: {reason}."
    if not (parts.is_file() and shown.is_dir()):
        raise UserError(
            f"celeba needs {parts} and the aligned pictures in {shown}; they are not there.{trouble} "
            f"Unpack img_align_celeba.zip of mmlab.ie.cuhk.edu.hk/projects/CelebA.html in {folder}, with that list beside it, or set data.root to "
            "the folder that celeba is in" + ("" if config.download else ", or set data.download: true (with the package gdown)")
        )
    train, heldout = _partition(parts)
    missing = [name for name in (*train, *heldout) if not (shown / name).is_file()]
    if missing or not train or not heldout:
        raise UserError(
            f"{shown} must hold every picture of {parts}, which must name some to train on (0) and some to test (2); "
            f"it names {len(train)} and {len(heldout)}, of which {len(missing)} are not there: {', '.join(missing[:5])}"
        )
    images = pictures.read(shown, [*train, *heldout], resolution=config.resolution or _FACES_RESOLUTION)
    return Source(name=config.name, train=images[: len(train)], heldout=images[len(train) :])


def _partition(path: Path) -> tuple[list[str], list[str]]:
    """The names of those to train on and of those to test: lines "000001.jpg 0", where 0 is train, 1 valid and 2 test."""
    lines = [line.split() for line in path.read_text().splitlines() if line.strip()]
    if bad := [line for line in lines if len(line) != 2 or line[1] not in ("0", "1", "2")]:
        raise UserError(f"{path} must hold lines like `000001.jpg 0`; one is {' '.join(bad[0])[:80]!r}")
    train, heldout = ([name for name, part in lines if part == wanted] for wanted in ("0", "2"))
    return train, heldout


def _cifar(config: DataConfig, dataset: Any) -> Source:
    root = root_of(config)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*align should be passed")  # numpy 2.4.0 to 2.4.4, of pickles this old
        train, heldout = _parts(
            config,
            lambda train: dataset(root, train=train, download=config.download),
            needs=f"the files of its Python version, whole (MD5), in {root / dataset.base_folder}",
            how=f"Unpack {dataset.url} in {root}, or set data.root to where it is unpacked",
        )
    both = [(part.data.transpose(0, 3, 1, 2), np.array(part.targets, np.int64)) for part in (train, heldout)]
    return _labelled(config, *both, classes=tuple(train.classes))


def _parts(config: DataConfig, make: Callable[[bool], Any], *, needs: str, how: str) -> tuple[Any, Any]:
    """torchvision's training and test part. UserError with what it `needs` and `how` to get it where it is not there, or not whole."""
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
