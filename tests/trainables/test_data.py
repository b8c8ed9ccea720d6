"""Every data set, read from files in the format that its real files have."""

import gzip
import hashlib
import pickle
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainables import data, idx
from trainables.config import DataConfig
from trainables.data import DATA, Source, load, split

RNG = np.random.default_rng(0)


def write_idx(folder: Path, *, n_train: int = 30, n_heldout: int = 10, zipped: bool = False) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for part, n in (("train", n_train), ("t10k", n_heldout)):
        images, labels = RNG.integers(0, 256, (n, 28, 28), np.uint8), np.arange(n, dtype=np.uint8) % 10
        for name, array in ((f"{part}-images-idx3-ubyte", images), (f"{part}-labels-idx1-ubyte", labels)):
            raw = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()
            (folder / (name + ".gz" * zipped)).write_bytes(gzip.compress(raw) if zipped else raw)


def as_python_2(pickled: bytes) -> bytes:
    """The real batches were pickled by a numpy that was called numpy.core and wrote 0 and 1 for False and True in a dtype."""
    return pickled.replace(b"numpy._core", b"numpy.core").replace(b"\x89\x88\x87", b"K\x00K\x01\x87")


def write_cifar10(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small batches, and torchvision's list of MD5 sums rewritten for them, so that its check is made and passed."""
    from torchvision.datasets import CIFAR10

    folder = root / CIFAR10.base_folder
    folder.mkdir(parents=True)

    def write(name: str, content: dict[str, object]) -> str:
        raw = as_python_2(pickle.dumps(content, protocol=2))
        (folder / name).write_bytes(raw)
        return hashlib.md5(raw).hexdigest()

    def batch(name: str) -> list[str]:
        return [name, write(name, {"data": RNG.integers(0, 256, (10, 3072), np.uint8), "labels": list(range(10))})]

    monkeypatch.setattr(CIFAR10, "train_list", [batch(f"data_batch_{k}") for k in range(1, 6)])
    monkeypatch.setattr(CIFAR10, "test_list", [batch("test_batch")])
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": write("batches.meta", {"label_names": names})})


def write_folder(root: Path) -> None:
    for k in range(40):
        path = root / ("cat", "dog")[k % 2] / f"{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(RNG.integers(0, 256, (20, 24, 3), np.uint8)).save(path)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], DataConfig]:
    """name -> a config of that data set whose files are there."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def prepare(name: str) -> DataConfig:
        match name:
            case "mnist":
                write_idx(tmp_path / "MNIST" / "raw")
            case "fashion_mnist":
                write_idx(tmp_path / "FashionMNIST" / "raw", zipped=True)
            case "cifar10":
                write_cifar10(tmp_path, monkeypatch)
            case "image_folder":
                write_folder(tmp_path / "pictures")
                return DataConfig(name=name, root=str(tmp_path / "pictures"))
            case _:
                return DataConfig(name=name)
        return DataConfig(name=name, root=str(tmp_path))

    return prepare


@pytest.mark.parametrize("name", DATA)
def test_every_source_keeps_the_contract(name: str, config: Callable[[str], DataConfig]) -> None:
    settings = config(name)
    source, again = load(settings), load(settings)
    for rows, labels in ((source.train, source.train_labels), (source.heldout, source.heldout_labels)):
        assert rows.flags.c_contiguous
        assert (str(rows.dtype), rows.ndim) in {("uint8", 4), ("float32", 2)}
        assert labels is not None
        assert labels.dtype == np.int64
        assert set(labels) == set(range(len(source.classes)))  # every class, on both sides
    assert source.name == name
    assert source.shape == source.train.shape[1:] == source.heldout.shape[1:]
    assert again.fingerprint == source.fingerprint
    rows = {row.tobytes() for row in source.train}
    assert not any(row.tobytes() in rows for row in source.heldout)


@pytest.mark.parametrize("name", [name for name in DATA if name not in ("ring8", "grid25")])
@pytest.mark.parametrize("resolution", [8, 16])
def test_images_come_in_the_resolution_asked_for(name: str, resolution: int, config: Callable[[str], DataConfig]) -> None:
    settings = config(name)
    source = load(settings.model_copy(update={"resolution": resolution}))
    assert source.shape[1:] == (resolution, resolution)
    native = load(settings)
    assert source.train.mean(axis=(1, 2, 3)) == pytest.approx(native.train.mean(axis=(1, 2, 3)), abs=12)  # the same pictures, resized


@pytest.mark.parametrize(
    ("name", "fingerprint"), [("digits", "c5906d168605259c"), ("ring8", "aba0fa28316d7568"), ("grid25", "0b5b93107973efd9")]
)
def test_what_is_trained_on_never_changes(name: str, fingerprint: str) -> None:
    assert load(DataConfig(name=name)).fingerprint == fingerprint


def test_fingerprint_sees_rows_labels_and_split() -> None:
    rows, labels = np.arange(12, dtype=np.float32).reshape(6, 2), np.array([0, 1, 0, 1, 0, 1])

    def fingerprint(cut: int, swapped: bool = False, shift: float = 0) -> str:
        known = labels[::-1].copy() if swapped else labels
        source = Source(
            name="x",
            train=rows[:cut] + np.float32(shift),
            heldout=rows[cut:],
            train_labels=known[:cut],
            heldout_labels=known[cut:],
            classes=("a", "b"),
        )
        return source.fingerprint

    prints = [fingerprint(3), fingerprint(4), fingerprint(3, swapped=True), fingerprint(3, shift=1)]
    assert len(set(prints)) == 4
    assert all(len(text) == 16 and int(text, 16) >= 0 for text in prints)


@pytest.mark.parametrize(("name", "k", "gap", "std"), [("ring8", 8, 2 * np.sin(np.pi / 8), 0.01), ("grid25", 25, 2.0, 0.05)])
def test_mixtures_are_round_heaps_at_distinct_equal_distances(name: str, k: int, gap: float, std: float) -> None:
    source = load(DataConfig(name=name))
    assert source.centres is not None
    assert source.centres.shape == (k, 2)
    assert source.std == std
    assert len(set(source.classes)) == k
    between = np.linalg.norm(source.centres[:, None] - source.centres[None], axis=-1) + np.eye(k) * 1e9
    assert between.min(axis=1) == pytest.approx(np.full(k, gap), rel=1e-5)
    assert (len(source.train), len(source.heldout)) == (100_000, 20_000)
    for points, labels in ((source.train, source.train_labels), (source.heldout, source.heldout_labels)):
        assert labels is not None
        assert np.bincount(labels).tolist() == [len(points) // k] * k
        errors = points - source.centres[labels]
        assert errors.mean(axis=0) == pytest.approx(np.zeros(2), abs=5 * std / len(points) ** 0.5)
        assert np.cov(errors.T) == pytest.approx(np.eye(2) * std**2, abs=0.05 * std**2)
    if name == "ring8":
        assert np.linalg.norm(source.centres, axis=1) == pytest.approx(np.ones(8))


def test_digits_are_scaled_to_bytes_with_every_class_in_proportion() -> None:
    source = load(DataConfig(name="digits"))
    assert (source.train.shape, source.heldout.shape) == ((1297, 1, 8, 8), (500, 1, 8, 8))
    assert (source.train.min(), source.train.max()) == (0, 255)
    assert source.train_labels is not None
    assert source.heldout_labels is not None
    shares = [np.bincount(labels) / len(labels) for labels in (source.train_labels, source.heldout_labels)]
    assert shares[0] == pytest.approx(shares[1], abs=2 / 500)


def test_debians_fashion_mnist_is_found_without_a_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    source = load(DataConfig(name="fashion_mnist"))  # needs the Debian package dataset-fashion-mnist: required, never skipped
    assert (source.train.shape, source.heldout.shape) == ((60_000, 1, 28, 28), (10_000, 1, 28, 28))
    assert source.fingerprint == "a7d8e44c4e319476"
    assert source.heldout_labels is not None
    assert np.bincount(source.heldout_labels).tolist() == [1000] * 10
    assert source.classes[source.heldout_labels[0]] == "Ankle boot"


def test_a_root_comes_before_debians_folder(config: Callable[[str], DataConfig]) -> None:
    assert len(load(config("fashion_mnist")).train) == 30


@pytest.mark.parametrize("zipped", [False, True])
def test_idx_files_may_lie_in_the_root_itself(zipped: bool, tmp_path: Path) -> None:
    write_idx(tmp_path, zipped=zipped)
    source = load(DataConfig(name="mnist", root=str(tmp_path)))
    assert (source.train.shape, source.heldout.shape) == ((30, 1, 28, 28), (10, 1, 28, 28))
    expected = idx.read(tmp_path / ("train-images-idx3-ubyte" + ".gz" * zipped))
    assert np.array_equal(source.train[:, 0], expected)


@pytest.mark.parametrize(
    ("damage", "name"),
    [
        (lambda raw: raw[:-1], "train-images-idx3-ubyte"),
        (lambda raw: raw + b"\0", "t10k-labels-idx1-ubyte"),
        (lambda raw: b"", "train-labels-idx1-ubyte"),
        (lambda raw: b"<html>not found</html>", "t10k-images-idx3-ubyte"),
        (lambda raw: raw[:2] + b"\x0d" + raw[3:], "train-images-idx3-ubyte"),  # floats
    ],
)
def test_a_torn_idx_file_is_named(damage: Callable[[bytes], bytes], name: str, tmp_path: Path) -> None:
    write_idx(tmp_path)
    (tmp_path / name).write_bytes(damage((tmp_path / name).read_bytes()))
    with pytest.raises(ValueError, match=rf"{name} must be a whole IDX file"):
        load(DataConfig(name="mnist", root=str(tmp_path)))


def test_a_torn_gzip_file_is_named(tmp_path: Path) -> None:
    write_idx(tmp_path, zipped=True)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte.gz must be a whole gzip file"):
        load(DataConfig(name="mnist", root=str(tmp_path)))


def test_labels_that_do_not_fit_the_images_are_refused(tmp_path: Path) -> None:
    write_idx(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(struct.pack(">HBBI", 0, 8, 1, 29) + bytes(29))
    with pytest.raises(ValueError, match=r"mnist.train_labels must be one index into the 10 classes for each of the 30 rows; given \[29\]"):
        load(DataConfig(name="mnist", root=str(tmp_path)))


@pytest.mark.parametrize(
    ("name", "ways"),
    [
        ("mnist", ["MNIST/raw", "set data.root", "data.download: true"]),
        ("fashion_mnist", ["FashionMNIST/raw", "/nowhere", "set data.root", "data.download: true", "dataset-fashion-mnist"]),
        ("cifar10", ["cifar-10-batches-py", "https://www.cs.toronto.edu", "set data.root", "data.download: true"]),
    ],
)
def test_missing_files_say_where_they_were_looked_for_and_how_to_get_them(
    name: str, ways: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data, "DEBIAN_FASHION_MNIST", Path("/nowhere"))
    with pytest.raises(ValueError, match=name) as caught:
        load(DataConfig(name=name, root=str(tmp_path)))
    assert all(way in str(caught.value) for way in [*ways, str(tmp_path)])


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_files_are_downloaded_when_asked_for_and_missing_only(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "DEBIAN_FASHION_MNIST", Path("/nowhere"))
    folder = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}[name]
    downloads = []

    def download(root: Path, download: bool) -> None:
        downloads.append(download)
        write_idx(root / folder / "raw")

    monkeypatch.setattr(f"torchvision.datasets.{folder}", download)
    asked = DataConfig(name=name, root=str(tmp_path), download=True)
    with pytest.raises(ValueError, match=r"set data\.download: true"):
        load(asked.model_copy(update={"download": False}))
    assert load(asked).fingerprint == load(asked).fingerprint
    assert downloads == [True]


def test_a_failed_download_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(root: Path, download: bool) -> None:
        raise RuntimeError("no way to the mirror")

    monkeypatch.setattr("torchvision.datasets.MNIST", download)
    with pytest.raises(ValueError, match=r"The download failed: no way to the mirror\."):
        load(DataConfig(name="mnist", root=str(tmp_path), download=True))


def test_cifar10_keeps_its_colours_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar10(tmp_path, monkeypatch)
    source = load(DataConfig(name="cifar10", root=str(tmp_path)))
    stored = pickle.loads((tmp_path / "cifar-10-batches-py" / "test_batch").read_bytes(), encoding="latin1")["data"]
    assert np.array_equal(source.heldout, stored.reshape(10, 3, 32, 32))  # the file is channel-first: red, green, blue planes
    assert source.classes[3] == "cat"


def test_a_changed_cifar10_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar10(tmp_path, monkeypatch)
    with (tmp_path / "cifar-10-batches-py" / "data_batch_3").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ValueError, match=r"whole \(MD5\)"):
        load(DataConfig(name="cifar10", root=str(tmp_path)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "digit"}, "no data set named 'digit'; did you mean 'digits'"),
        ({"name": "ring8", "resolution": 32}, "data.resolution must be left out for ring8: points have no pixels; given 32"),
        ({"name": "grid25", "download": True}, "data.download must be left out for grid25"),
        ({"name": "digits", "root": "here"}, "data.root must be left out for digits"),
        ({"name": "image_folder"}, "data.root must name their folder"),
        ({"name": "image_folder", "root": "here", "download": True}, "data.download must be left out for image_folder"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load(DataConfig(**settings))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.zeros((4, 3), np.float64), "given float64"),
        (np.zeros((4, 8, 8), np.uint8), r"given uint8 \[4, 8, 8\]"),
        (np.zeros((4, 8, 8, 3), np.uint8).transpose(0, 3, 1, 2), "not contiguous"),
        (np.zeros((0, 2), np.float32), r"not empty; given float32 \[0, 2\]"),
    ],
)
def test_a_source_of_ones_own_is_checked(rows: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Source(name="mine", train=rows, heldout=rows)


@pytest.mark.parametrize("sizes", [[20], [10, 10], [100, 50, 7, 1], [3] * 40])
def test_split_holds_out_each_class_in_proportion(sizes: list[int]) -> None:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    n = len(labels) // 5
    train, heldout = split(labels, n_heldout=n)
    assert sorted([*train, *heldout]) == list(range(len(labels)))
    assert len(heldout) == n
    counts = np.bincount(labels[heldout], minlength=len(sizes))
    assert np.abs(counts - np.array(sizes) * n / len(labels)).max() <= 1
