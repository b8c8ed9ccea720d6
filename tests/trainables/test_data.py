"""All data sets, read from small files in their real formats."""

import pickle
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_files import prepared, small, write_celeba, write_cifar, write_idx, write_stl10, write_svhn
from PIL import Image
from scipy.io import loadmat

from trainables import idx
from trainables.data import DATA, Source, idx_sets, load, split
from trainables.sections import DataConfig

POINTS = ("ring8", "grid25", "ring", "grid", "spiral", "mixture1200")
UNLABELLED = ("spiral", "celeba")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], DataConfig]:
    """Return a function: name -> a config of that data set, with its files written."""
    return lambda name: prepared(name, tmp_path, monkeypatch)


@pytest.mark.parametrize("name", DATA)
def test_every_source_is_valid_and_reproducible(name: str, config: Callable[[str], DataConfig]) -> None:
    settings = config(name)
    source, again = load(settings), load(settings)
    for rows, labels in ((source.train, source.train_labels), (source.heldout, source.heldout_labels)):
        assert rows.flags.c_contiguous
        assert (str(rows.dtype), rows.ndim) in {("uint8", 4), ("float32", 2)}
        assert (labels is None) == (name in UNLABELLED) == (source.classes == ())
        if labels is not None:
            assert labels.dtype == np.int64
            if not name.startswith("stacked"):  # 1,000 classes, more than these few rows
                assert set(labels) == set(range(len(source.classes)))  # every class, in both parts
    assert source.name == name
    assert source.shape == source.train.shape[1:] == source.heldout.shape[1:]
    assert again.fingerprint == source.fingerprint
    trained_on = {row.tobytes() for row in source.train}
    assert not any(row.tobytes() in trained_on for row in source.heldout)


@pytest.mark.parametrize("name", [name for name in DATA if name not in POINTS])
@pytest.mark.parametrize("resolution", [8, 16])
def test_images_have_the_requested_resolution(name: str, resolution: int, config: Callable[[str], DataConfig]) -> None:
    settings = config(name)
    source = load(settings.model_copy(update={"resolution": resolution}))
    assert source.shape[1:] == (resolution, resolution)
    native = load(settings)
    assert source.train.mean(axis=(1, 2, 3)) == pytest.approx(native.train.mean(axis=(1, 2, 3)), abs=12)  # the same pictures, resized


@pytest.mark.parametrize(
    ("name", "fingerprint"),
    [
        ("digits", "c5906d168605259c"),
        ("ring8", "aba0fa28316d7568"),
        ("grid25", "0b5b93107973efd9"),
        ("ring", "aba0fa28316d7568"),
        ("grid", "0b5b93107973efd9"),
    ],
)
def test_fingerprints_never_change(name: str, fingerprint: str) -> None:
    assert load(DataConfig(name=name)).fingerprint == fingerprint


@pytest.mark.parametrize(
    ("name", "fingerprint"), [("spiral", "d46ac82513a6438d"), ("mixture1200", "b93e933c983f9dcf"), ("stacked_fashion", "db34ac3b98462617")]
)
def test_fingerprints_of_computed_data_never_change(name: str, fingerprint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With fewer rows than usual; stacked_fashion reads the Debian package."""
    small(monkeypatch)
    assert load(DataConfig(name=name)).fingerprint == fingerprint


def test_the_fingerprint_depends_on_rows_labels_and_split() -> None:
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
def test_mixtures_are_isotropic_gaussians_at_equal_distances(name: str, k: int, gap: float, std: float) -> None:
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
    source = load(DataConfig(name="fashion_mnist"))  # the Debian package dataset-fashion-mnist is required; do not skip
    assert (source.train.shape, source.heldout.shape) == ((60_000, 1, 28, 28), (10_000, 1, 28, 28))
    assert source.fingerprint == "a7d8e44c4e319476"
    assert source.heldout_labels is not None
    assert np.bincount(source.heldout_labels).tolist() == [1000] * 10
    assert source.classes[source.heldout_labels[0]] == "Ankle boot"


def test_data_root_has_priority_over_debians_folder(config: Callable[[str], DataConfig]) -> None:
    assert len(load(config("fashion_mnist")).train) == 30


@pytest.mark.parametrize("zipped", [False, True])
def test_idx_files_may_be_in_the_root_itself(zipped: bool, tmp_path: Path) -> None:
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
def test_a_damaged_idx_file_is_named(damage: Callable[[bytes], bytes], name: str, tmp_path: Path) -> None:
    write_idx(tmp_path)
    (tmp_path / name).write_bytes(damage((tmp_path / name).read_bytes()))
    with pytest.raises(ValueError, match=rf"{name} must be a complete IDX file"):
        load(DataConfig(name="mnist", root=str(tmp_path)))


def test_a_damaged_gzip_file_is_named(tmp_path: Path) -> None:
    write_idx(tmp_path, zipped=True)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte.gz must be a complete gzip file"):
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
        ("kmnist", ["KMNIST/raw", "set data.root", "data.download: true"]),
        ("emnist", ["EMNIST/raw", "emnist-balanced-test-labels-idx1-ubyte", "set data.root", "data.download: true"]),
        ("stacked_mnist", ["MNIST/raw", "set data.root", "data.download: true"]),
        ("cifar10", ["cifar-10-batches-py", "https://www.cs.toronto.edu", "set data.root", "data.download: true"]),
        ("cifar100", ["cifar-100-python", "https://www.cs.toronto.edu", "set data.root", "data.download: true"]),
        ("svhn", ["train_32x32.mat", "ufldl.stanford.edu", "set data.root", "data.download: true"]),
        ("stl10", ["stl10_binary", "ai.stanford.edu", "set data.root", "data.download: true"]),
        ("celeba", ["list_eval_partition.txt", "img_align_celeba", "mmlab.ie.cuhk.edu.hk", "data.root", "data.download: true", "gdown"]),
    ],
)
def test_the_error_for_missing_files_names_folders_and_remedies(
    name: str, ways: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idx_sets, "DEBIAN_FASHION_MNIST", Path("/nowhere"))
    with pytest.raises(ValueError, match=name.removeprefix("stacked_")) as caught:
        load(DataConfig(name=name, root=str(tmp_path)))
    assert all(way in str(caught.value) for way in [*ways, str(tmp_path)])


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "kmnist"])
def test_files_are_downloaded_only_if_requested_and_missing(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idx_sets, "DEBIAN_FASHION_MNIST", Path("/nowhere"))
    folder = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "kmnist": "KMNIST"}[name]
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


def test_cifar10_keeps_its_channel_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar(tmp_path, monkeypatch)
    source = load(DataConfig(name="cifar10", root=str(tmp_path)))
    stored = pickle.loads((tmp_path / "cifar-10-batches-py" / "test_batch").read_bytes(), encoding="latin1")["data"]
    assert np.array_equal(source.heldout, stored.reshape(10, 3, 32, 32))  # the file stores red, green and blue planes
    assert source.classes[3] == "cat"


def test_a_changed_cifar10_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar(tmp_path, monkeypatch)
    with (tmp_path / "cifar-10-batches-py" / "data_batch_3").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ValueError, match=r"complete \(MD5\)"):
        load(DataConfig(name="cifar10", root=str(tmp_path)))


@pytest.mark.parametrize(
    ("name", "download"),
    [("emnist", "EMNIST"), ("celeba", "CelebA")],
)
def test_failed_downloads_of_emnist_and_celeba(name: str, download: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """EMNIST's download needs a split; CelebA's error names the missing package."""

    def refused(root: Path, download: bool, split: str = "") -> None:
        assert (download, split) == (True, "balanced" if name == "emnist" else "")
        raise ModuleNotFoundError("gdown") if name == "celeba" else OSError("no way")

    monkeypatch.setattr(f"torchvision.datasets.{download}", refused)
    with pytest.raises(ValueError, match=r"The download failed: (gdown|no way)\."):
        load(DataConfig(name=name, root=str(tmp_path), download=True))


def test_emnist_is_transposed(config: Callable[[str], DataConfig]) -> None:
    settings = config("emnist")
    source = load(settings)
    stored = idx.read(Path(str(settings.root)) / "EMNIST" / "raw" / "emnist-balanced-train-images-idx3-ubyte")
    assert np.array_equal(source.train[:, 0], stored.transpose(0, 2, 1))
    from torchvision.datasets import EMNIST

    assert source.classes == tuple(EMNIST.classes_split_dict["balanced"])


def test_svhn_keeps_its_channel_order_and_maps_label_10_to_0(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_svhn(tmp_path, monkeypatch)
    source = load(DataConfig(name="svhn", root=str(tmp_path)))
    stored = loadmat(tmp_path / "train_32x32.mat")
    assert np.array_equal(source.train[3], stored["X"][..., 3].transpose(2, 0, 1))
    assert source.train_labels is not None
    assert source.train_labels[:12].tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2]


def test_stl10_is_transposed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_stl10(tmp_path, monkeypatch)
    source = load(DataConfig(name="stl10", root=str(tmp_path)))
    stored = np.fromfile(tmp_path / "stl10_binary" / "test_X.bin", np.uint8).reshape(10, 3, 96, 96)
    assert np.array_equal(source.heldout, stored.transpose(0, 1, 3, 2))
    assert source.heldout_labels is not None
    assert source.classes[source.heldout_labels[1]] == "bird"


def test_cifar100_has_its_fine_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar(tmp_path, monkeypatch, classes=100)
    source = load(DataConfig(name="cifar100", root=str(tmp_path)))
    assert (len(source.classes), source.classes[7], source.shape) == (100, "kind 7", (3, 32, 32))


def test_celeba_has_centre_squares_and_the_official_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    write_celeba(tmp_path)
    source = load(DataConfig(name="celeba", root=str(tmp_path), resolution=178))
    assert (len(source.train), len(source.heldout)) == (24, 3)  # 3 more are for validation
    assert np.array_equal(source.heldout[0], _middle(tmp_path, "000005.jpg"))
    assert load(DataConfig(name="celeba", root=str(tmp_path))).shape == (3, 64, 64)


def _middle(root: Path, name: str) -> np.ndarray:
    pixels = np.asarray(Image.open(root / "celeba" / "img_align_celeba" / name))
    return pixels[20:198].transpose(2, 0, 1)


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ("000001.jpg 0\n000002.jpg three\n", "must hold lines like `000001.jpg 0`; one is '000002.jpg three'"),
        ("000001.jpg 0\n999999.jpg 2\n", "of which 1 are missing: 999999.jpg"),
        ("000001.jpg 0\n", "it lists 1 and 0"),
    ],
)
def test_an_invalid_partition_of_celeba_is_refused(listed: str, message: str, tmp_path: Path) -> None:
    write_celeba(tmp_path, n=2)
    (tmp_path / "celeba" / "list_eval_partition.txt").write_text(listed)
    with pytest.raises(ValueError, match=re.escape(message)):
        load(DataConfig(name="celeba", root=str(tmp_path)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "digit"}, "no data set named 'digit'; did you mean 'digits'"),
        ({"name": "ring8", "resolution": 32}, "data.resolution must be left out for ring8: points have no pixels; given 32"),
        ({"name": "grid25", "download": True}, "data.download must be left out for grid25"),
        ({"name": "digits", "root": "here"}, "data.root must be left out for digits"),
        (
            {"name": "stacked_mnist", "std": 0.1},
            "data.std must be left out for stacked_mnist: it is a setting of grid, mixture1200, ring, spiral",
        ),
        ({"name": "ring8", "radius": 2.0}, "data.radius must be left out for ring8: it is a setting of ring, spiral; given 2.0"),
        ({"name": "image_folder"}, "image_folder needs data.root"),
        ({"name": "image_folder", "root": "here", "download": True}, "data.download must be left out for image_folder"),
    ],
)
def test_settings_of_other_data_sets_are_refused(settings: dict[str, Any], message: str) -> None:
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
def test_a_source_checks_its_arrays(rows: np.ndarray, message: str) -> None:
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
