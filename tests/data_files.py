"""Small files in the formats of the real data sets, and configs that read them."""

import gzip
import hashlib
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from trainables.data import points, stacked
from trainables.sections import DataConfig

RNG = np.random.default_rng(0)


def write_idx(folder: Path, *, n_train: int = 30, n_heldout: int = 10, zipped: bool = False, classes: int = 10, prefix: str = "") -> None:
    """Write the four files of MNIST. `prefix`: prefix of EMNIST's file names."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, n in (("train", n_train), ("t10k", n_heldout)):
        images, labels = RNG.integers(0, 256, (n, 28, 28), np.uint8), np.arange(n, dtype=np.uint8) % classes
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            name = prefix + (part if not prefix or part == "train" else "test") + f"-{kind}-ubyte"
            raw = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()
            (folder / (name + ".gz" * zipped)).write_bytes(gzip.compress(raw) if zipped else raw)


def as_python_2(pickled: bytes) -> bytes:
    """Convert to the pickle format of the real files: an old numpy used the module numpy.core, and 0 and 1 for booleans in a dtype."""
    return pickled.replace(b"numpy._core", b"numpy.core").replace(b"\x89\x88\x87", b"K\x00K\x01\x87")


def write_cifar(root: Path, monkeypatch: pytest.MonkeyPatch, *, classes: int = 10) -> None:
    """Write small batches, and patch torchvision's MD5 sums so that its check runs and passes."""
    from torchvision.datasets import CIFAR10, CIFAR100

    dataset, key = (CIFAR10, "labels") if classes == 10 else (CIFAR100, "fine_labels")
    folder = root / dataset.base_folder
    folder.mkdir(parents=True)

    def write(name: str, content: dict[str, object]) -> str:
        raw = as_python_2(pickle.dumps(content, protocol=2))
        (folder / name).write_bytes(raw)
        return hashlib.md5(raw).hexdigest()

    def batch(name: str) -> list[str]:
        return [name, write(name, {"data": RNG.integers(0, 256, (classes, 3072), np.uint8), key: list(range(classes))})]

    monkeypatch.setattr(dataset, "train_list", [batch(name) for name, _ in dataset.train_list])
    monkeypatch.setattr(dataset, "test_list", [batch(name) for name, _ in dataset.test_list])
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    names = names if classes == 10 else [f"kind {k}" for k in range(classes)]
    meta = {**dataset.meta, "md5": write(dataset.meta["filename"], {dataset.meta["key"]: names})}
    monkeypatch.setattr(dataset, "meta", meta)


def write_svhn(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write MATLAB files: X [H, W, 3, N] and y [N, 1], where 10 is the digit 0."""
    from torchvision.datasets import SVHN

    listed = dict(SVHN.split_list)
    for part, n in (("train", 30), ("test", 20)):
        url, name, _ = SVHN.split_list[part]
        labels = (np.arange(n, dtype=np.uint8) % 10 + 1)[:, None]
        savemat(root / name, {"X": RNG.integers(0, 256, (32, 32, 3, n), np.uint8), "y": labels})
        listed[part] = [url, name, hashlib.md5((root / name).read_bytes()).hexdigest()]
    monkeypatch.setattr(SVHN, "split_list", listed)


def write_stl10(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write raw bytes: three channels per picture, column-major; labels start at 1."""
    from torchvision.datasets import STL10

    folder = root / STL10.base_folder
    folder.mkdir(parents=True)

    def write(name: str) -> list[str]:
        kind, n = name[-5], 10
        array = np.arange(n, dtype=np.uint8) % 10 + 1 if kind == "y" else RNG.integers(0, 256, (n, 3, 96, 96), np.uint8)
        (folder / name).write_bytes(array.tobytes())
        return [name, hashlib.md5(array.tobytes()).hexdigest()]

    monkeypatch.setattr(STL10, "train_list", [write(name) for name, _ in STL10.train_list])
    monkeypatch.setattr(STL10, "test_list", [write(name) for name, _ in STL10.test_list])


def write_celeba(root: Path, *, n: int = 30) -> None:
    """Write pictures of 178 × 218: every tenth for validation, every other fifth one for the test."""
    folder = root / "celeba" / "img_align_celeba"
    folder.mkdir(parents=True)
    names = [f"{k:06d}.jpg" for k in range(1, n + 1)]
    for name in names:
        Image.fromarray(RNG.integers(0, 256, (218, 178, 3), np.uint8)).save(folder / name)
    parts = [1 if k % 10 == 0 else 2 if k % 5 == 0 else 0 for k in range(1, n + 1)]
    (root / "celeba" / "list_eval_partition.txt").write_text("".join(f"{name} {part}\n" for name, part in zip(names, parts, strict=True)))


def write_folder(root: Path) -> None:
    """Write 40 pictures of two classes."""
    for k in range(40):
        path = root / ("cat", "dog")[k % 2] / f"{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(RNG.integers(0, 256, (20, 24, 3), np.uint8)).save(path)


def prepared(name: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> DataConfig:
    """Write the files of the data set `name` and return its config. Computed data are smaller than usual, except ring8 and grid25."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(root / "cache"))
    match name:
        case "mnist":
            write_idx(root / "MNIST" / "raw")
        case "kmnist":
            write_idx(root / "KMNIST" / "raw")
        case "emnist":
            write_idx(root / "EMNIST" / "raw", n_train=94, n_heldout=47, classes=47, prefix="emnist-balanced-")
        case "fashion_mnist":
            write_idx(root / "FashionMNIST" / "raw", zipped=True)
        case "stacked_mnist" | "stacked_fashion":
            small(monkeypatch)
            prepared({"stacked_mnist": "mnist", "stacked_fashion": "fashion_mnist"}[name], root, monkeypatch)
        case "cifar10":
            write_cifar(root, monkeypatch)
        case "cifar100":
            write_cifar(root, monkeypatch, classes=100)
        case "svhn":
            write_svhn(root, monkeypatch)
        case "stl10":
            write_stl10(root, monkeypatch)
        case "celeba":
            write_celeba(root)
        case "image_folder":
            write_folder(root / "pictures")
            return DataConfig(name=name, root=str(root / "pictures"))
        case "ring8" | "grid25" | "digits":
            return DataConfig(name=name)
        case _:
            small(monkeypatch)
            return DataConfig(name=name)
    return DataConfig(name=name, root=str(root))


def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reduce the number of rows of computed data sets."""
    for module, sizes in (
        (points, {"N_TRAIN": 5_000, "N_HELDOUT": 1_000, "N_TRAIN_1200": 200, "N_HELDOUT_1200": 100}),
        (stacked, {"N_TRAIN": 600, "N_HELDOUT": 300}),
    ):
        for name, n in sizes.items():
            monkeypatch.setattr(module, name, n)
