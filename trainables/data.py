"""DATA: name -> what a GAN is trained on and judged against.

Images are uint8 [N, C, H, W] and points float32 [N, D], C-contiguous. The split is fixed: it depends on no seed of a trial.
To add a data set, write a function DataConfig -> Source below the others and register it; `load` does the rest.
"""

import hashlib
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
from platformdirs import user_cache_dir

from trainables import idx, pictures
from trainables.config import DataConfig
from trainables.registry import Registry

Array = npt.NDArray[Any]
Labels = npt.NDArray[np.int64]

DEFAULT_RESOLUTION = 32  # pixels a side, for pictures of any size
FEWEST_PICTURES = 20  # fewer leave three or less to judge against
DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")  # the package dataset-fashion-mnist


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """A data set with its fixed split. Raises ValueError where the arrays do not fit together."""

    name: str
    train: Array  # uint8 [N, C, H, W] images, or float32 [N, D] points
    heldout: Array  # the same; nobody trains on it
    train_labels: Labels | None = None  # [N], index into classes; None where unlabelled
    heldout_labels: Labels | None = None
    classes: tuple[str, ...] = ()  # names of the known modes; () where there are none
    centres: npt.NDArray[np.float32] | None = None  # [K, D]: the modes of a mixture of Gaussians
    std: float | None = None  # their standard deviation

    def __post_init__(self) -> None:
        for part, rows, labels in (("train", self.train, self.train_labels), ("heldout", self.heldout, self.heldout_labels)):
            if (str(rows.dtype), rows.ndim) not in (("uint8", 4), ("float32", 2)) or not rows.flags.c_contiguous or not rows.size:
                raise ValueError(
                    f"{self.name}.{part} must be uint8 images [N, C, H, W] or float32 points [N, D], C-contiguous and not empty; "
                    f"given {rows.dtype} {list(rows.shape)}" + ("" if rows.flags.c_contiguous else ", not contiguous")
                )
            if labels is not None and (labels.shape != rows.shape[:1] or labels.min() < 0 or labels.max() >= len(self.classes)):
                raise ValueError(
                    f"{self.name}.{part}_labels must be one index into the {len(self.classes)} classes for each of the {len(rows)} rows; "
                    f"given {list(labels.shape)}, from {labels.min()} to {labels.max()}"
                )
        if self.train.shape[1:] != self.heldout.shape[1:] or self.train.dtype != self.heldout.dtype:
            raise ValueError(
                f"{self.name}: train and heldout must be alike; given {self.train.dtype} {list(self.train.shape[1:])} "
                f"and {self.heldout.dtype} {list(self.heldout.shape[1:])}"
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one image (C, H, W), or of one point (D,)."""
        return self.train.shape[1:]

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits over the split's bytes and labels: equal where training and judging would see the same."""
        digest = hashlib.sha256()
        for part in (self.train, self.heldout, self.train_labels, self.heldout_labels):
            if part is not None:
                digest.update(f"{part.dtype.str}{part.shape}".encode())
                digest.update(np.ascontiguousarray(part).data)
        return digest.hexdigest()[:16]


DATA: Registry[Callable[[DataConfig], Source]] = Registry("data set")


def load(config: DataConfig) -> Source:
    """The data set that `config` names. `config.size` is left to the run: the loader reads everything."""
    return DATA.pick(config.name)(config)


@DATA.register("ring8")
def ring8(config: DataConfig) -> Source:
    """Eight Gaussians of std 0.01, equally spaced on a circle of radius 1. Lin et al. 2018 (PacGAN), section 4.1."""
    # Rounded, so that the last bit of a machine's cosine is not in the fingerprint.
    centres = [(round(math.cos(k * math.pi / 4), 8), round(math.sin(k * math.pi / 4), 8)) for k in range(8)]
    return _mixture(config, centres, std=0.01, classes=[f"{45 * k}°" for k in range(8)])


@DATA.register("grid25")
def grid25(config: DataConfig) -> Source:
    """25 Gaussians of std 0.05 on {-4, -2, 0, 2, 4}². Lin et al. 2018 (PacGAN), section 4.1."""
    steps = (-4, -2, 0, 2, 4)
    centres = list(product(steps, steps))
    return _mixture(config, centres, std=0.05, classes=[str(centre) for centre in centres])


@DATA.register("digits")
def digits(config: DataConfig) -> Source:
    """1,797 handwritten digits of 8 × 8 pixels, in scikit-learn's wheel; 500 held out. Alpaydin & Kaynak 1998 (UCI)."""
    from sklearn.datasets import load_digits  # here: a second of imports that no other data set needs

    _refuse(config, "root", "download", because="its pictures come with scikit-learn")
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
    return _resized(source, config.resolution)


@DATA.register("mnist")
def mnist(config: DataConfig) -> Source:
    """Handwritten digits, 28 × 28 grey: 60,000 and the official 10,000 held out. LeCun et al. 1998."""
    return _idx_source(config, "MNIST", classes=tuple("0123456789"))


@DATA.register("fashion_mnist")
def fashion_mnist(config: DataConfig) -> Source:
    """Clothes, 28 × 28 grey: 60,000 and the official 10,000 held out. Xiao et al. 2017."""
    classes = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
    return _idx_source(config, "FashionMNIST", classes=classes, also=DEBIAN_FASHION_MNIST, package="dataset-fashion-mnist")


@DATA.register("cifar10")
def cifar10(config: DataConfig) -> Source:
    """Ten kinds of things, 32 × 32 colour: 50,000 and the official 10,000 held out. Krizhevsky 2009."""
    from torchvision.datasets import CIFAR10  # here: seconds of imports

    root = _root(config)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*align should be passed")  # numpy 2.4.0 to 2.4.4, of pickles this old
        try:
            train, heldout = (CIFAR10(root, train=part, download=config.download) for part in (True, False))
        except (RuntimeError, OSError) as reason:
            raise ValueError(
                f"cifar10 needs the files of its Python version, whole (MD5), in {root / CIFAR10.base_folder}: {reason}. "
                f"Unpack {CIFAR10.url} in {root}, or set data.root to where it is unpacked, or set data.download: true"
            ) from reason
    source = Source(
        name=config.name,
        train=np.ascontiguousarray(train.data.transpose(0, 3, 1, 2)),
        heldout=np.ascontiguousarray(heldout.data.transpose(0, 3, 1, 2)),
        train_labels=np.array(train.targets, np.int64),
        heldout_labels=np.array(heldout.targets, np.int64),
        classes=tuple(train.classes),
    )
    return _resized(source, config.resolution)


@DATA.register("image_folder")
def image_folder(config: DataConfig) -> Source:
    """A folder of your own pictures (data.root), cut to squares of data.resolution; 15 % held out; sub-folders are classes."""
    if config.root is None:
        raise ValueError("image_folder reads your own pictures: data.root must name their folder; it is not given")
    _refuse(config, "download", because="its pictures are your own")
    names = pictures.listed(Path(config.root))
    if len(names) < FEWEST_PICTURES:
        raise ValueError(
            f"image_folder needs at least {FEWEST_PICTURES} pictures, to train and to judge; {config.root} holds {len(names)} "
            f"(hidden files are left out; extensions read: {sorted(pictures.EXTENSIONS)})"
        )
    folders = [PurePosixPath(name).parts[0] if "/" in name else None for name in names]
    classes = tuple(sorted({folder for folder in folders if folder is not None}))
    labelled = None not in folders and len(classes) > 1
    labels = np.array([classes.index(folder) if labelled and folder else 0 for folder in folders], np.int64)
    train, heldout = split(labels, n_heldout=round(0.15 * len(names)))
    order = np.concatenate([train, heldout])  # stored in this order, so that both parts are slices and can stay on the disk
    images = pictures.read(Path(config.root), [names[row] for row in order], resolution=config.resolution or DEFAULT_RESOLUTION)
    return Source(
        name=config.name,
        train=images[: len(train)],
        heldout=images[len(train) :],
        train_labels=labels[train] if labelled else None,
        heldout_labels=labels[heldout] if labelled else None,
        classes=classes if labelled else (),
    )


def split(labels: Labels, *, n_heldout: int) -> tuple[Labels, Labels]:
    """Rows to train on and rows to hold out, shuffled: always the same ones, and each class in proportion (to one row).

    A systematic sample: evenly spaced rows of a random order that is sorted by label. With one label it is a simple random sample.
    """
    rng = np.random.default_rng(0)
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    held = np.zeros(len(labels), bool)
    held[((np.arange(n_heldout) + 0.5) * len(labels) / n_heldout).astype(int)] = True
    return rng.permutation(order[~held]), rng.permutation(order[held])


def _mixture(config: DataConfig, centres: Sequence[tuple[float, float]], *, std: float, classes: Sequence[str]) -> Source:
    """100,000 points and 20,000 held out, from one fixed seed; exactly as many of each centre, so the real shares are uniform."""
    _refuse(config, "root", "download", because="its points are computed")
    _refuse(config, "resolution", because="points have no pixels")
    places = np.array(centres, np.float32)
    rng = np.random.default_rng(0)

    def draw(n: int) -> tuple[Array, Labels]:
        labels = np.arange(n, dtype=np.int64) % len(places)
        return places[labels] + np.float32(std) * rng.standard_normal((n, 2)).astype(np.float32), labels

    (train, train_labels), (heldout, heldout_labels) = draw(100_000), draw(20_000)
    return Source(
        name=config.name,
        train=train,
        heldout=heldout,
        train_labels=train_labels,
        heldout_labels=heldout_labels,
        classes=tuple(classes),
        centres=places,
        std=std,
    )


def _idx_source(config: DataConfig, dataset: str, *, classes: tuple[str, ...], also: Path | None = None, package: str = "") -> Source:
    """A data set in the four files of MNIST, from torchvision's folder, from data.root itself, or from `also`."""
    root = _root(config)
    places = [root / dataset / "raw", root, *([also] if also else [])]
    files, trouble = idx.find(places), ""
    if files is None and config.download:
        from torchvision import datasets  # here: seconds of imports

        try:
            getattr(datasets, dataset)(root, download=True)
        except (RuntimeError, OSError) as reason:
            trouble = f" The download failed: {reason}."
        files = idx.find(places)
    if files is None:
        raise ValueError(
            f"{config.name} needs {', '.join(idx.FILES)} (plain or .gz) together in one folder; "
            f"looked in {', '.join(map(str, places))}.{trouble} Put them there, or set data.root to where they are"
            + (f", or install Debian's package {package}" if package else "")
            + ("" if config.download else ", or set data.download: true")
        )
    train, train_labels, heldout, heldout_labels = (idx.read(path) for path in files)
    source = Source(
        name=config.name,
        train=train[:, None],
        heldout=heldout[:, None],
        train_labels=train_labels.astype(np.int64),
        heldout_labels=heldout_labels.astype(np.int64),
        classes=classes,
    )
    return _resized(source, config.resolution)


def _root(config: DataConfig) -> Path:
    return Path(config.root).expanduser() if config.root else Path(user_cache_dir("ganstudy"), "data")


def _refuse(config: DataConfig, *settings: str, because: str) -> None:
    """ValueError for settings that would otherwise be passed over in silence."""
    for setting in settings:
        if value := getattr(config, setting):
            raise ValueError(f"data.{setting} must be left out for {config.name}: {because}; given {value!r}")


def _resized(source: Source, resolution: int | None) -> Source:
    if resolution is None or source.shape[1:] == (resolution, resolution):
        return source
    return replace(source, train=pictures.resized(source.train, resolution), heldout=pictures.resized(source.heldout, resolution))
