"""Folders of the user's pictures: formats, labels, errors and the cache."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainables import pictures
from trainables.data import Source, load
from trainables.picture_files import find
from trainables.sections import DataConfig

RNG = np.random.default_rng(0)
RED, WHITE = (255, 0, 0), (255, 255, 255)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "ganstudy" / "pictures"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    return folder


def fill(root: Path, n: int = 20, *, mode: str = "RGB", size: tuple[int, int] = (12, 10)) -> None:
    for k in range(n):
        Image.fromarray(RNG.integers(0, 256, (size[1], size[0], 3), np.uint8)).convert(mode).save(root / f"{k:03}.png")


def load_folder(root: Path, resolution: int | None = 8) -> Source:
    return load(DataConfig(name="image_folder", root=str(root), resolution=resolution))


def one(root: Path, picture: Image.Image, *, name: str = "x.png", resolution: int = 8, **saving: object) -> np.ndarray:
    """Write one picture and read it back as [C, H, W]."""
    picture.save(root / name, **saving)  # type: ignore[arg-type]
    return pictures.read(root, [name], resolution=resolution).images[0]  # type: ignore[no-any-return]


def test_the_default_is_32_pixels_and_15_percent_held_out(root: Path) -> None:
    fill(root, 40, size=(50, 40))
    source = load_folder(root, resolution=None)
    assert (source.train.shape, source.heldout.shape) == ((34, 3, 32, 32), (6, 3, 32, 32))
    assert source.train_labels is None
    assert source.heldout_labels is None
    assert source.classes == ()


def test_one_channel_if_all_pictures_are_grey_else_three(root: Path) -> None:
    fill(root, 20, mode="L")
    assert load_folder(root).shape == (1, 8, 8)
    Image.new("RGB", (9, 9), RED).save(root / "red.png")
    assert load_folder(root).shape == (3, 8, 8)


def test_the_centre_square_is_kept(root: Path) -> None:
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = (10, 200, 30)
    for name, pixels in (("wide.png", wide), ("tall.png", wide.transpose(1, 0, 2))):
        image = one(root, Image.fromarray(np.ascontiguousarray(pixels)), name=name)
        inner = image[:, 2:-2, 2:-2]  # antialiasing blends in a few pixels outside the square
        assert (inner == np.array([10, 200, 30]).reshape(3, 1, 1)).all()


def test_downscaling_is_antialiased(root: Path) -> None:
    """A checkerboard of single pixels becomes grey; without antialiasing it stays black and white."""
    board = (np.indices((128, 128)).sum(axis=0) % 2 * 255).astype(np.uint8)
    image = one(root, Image.fromarray(board))
    assert image.shape == (1, 8, 8)
    assert np.abs(image[0].astype(int) - 127.5).max() < 2


def test_resizing_arrays_equals_resizing_pictures(root: Path) -> None:
    pixels = RNG.integers(0, 256, (3, 20, 20), np.uint8)
    image = one(root, Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))))
    assert np.array_equal(pictures.resized(pixels[None], 8)[0], image)
    assert np.array_equal(pictures.resized(pixels[None], 20)[0], pixels)


@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.JPEG", "x.webp", "x.bmp", "x.gif", "x.tif", "x.tiff"])
def test_every_extension_is_read(root: Path, name: str) -> None:
    image = one(root, Image.new("RGB", (20, 20), RED), name=name)
    assert find(root).names == [name]
    assert image.astype(int) == pytest.approx(np.broadcast_to(np.array(RED).reshape(3, 1, 1), (3, 8, 8)), abs=2)


def test_transparent_pixels_are_blended_with_white(root: Path) -> None:
    clear = Image.new("RGBA", (8, 8), (*RED, 0))
    half = Image.new("RGBA", (8, 8), (0, 0, 0, 128))
    grey = Image.new("LA", (8, 8), (0, 0))
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, *RED])
    assert (one(root, clear, name="a.png") == 255).all()
    assert (one(root, half, name="b.png") == 127).all()
    assert (one(root, grey, name="c.png") == 255).all()
    assert (one(root, palette, name="d.png", transparency=1) == 255).all()
    assert (one(root, palette, name="e.png", transparency=b"\xff\x00") == 255).all()
    assert (one(root, Image.new("RGB", (8, 8), RED), name="f.png", transparency=RED) == 255).all()
    assert one(root, palette, name="g.png")[:, 0, 0].tolist() == list(RED)


@pytest.mark.parametrize("name", ["x.png", "x.tif"])
def test_16_bit_grey_becomes_8_bit(root: Path, name: str) -> None:
    levels = (np.arange(64, dtype=np.uint16) * 1040).reshape(8, 8)
    assert np.array_equal(one(root, Image.fromarray(levels), name=name)[0], np.round(levels / 257))


def test_32_bit_integers_in_the_16_bit_range_are_read_the_same(root: Path) -> None:
    levels = (np.arange(64, dtype=np.int32) * 1040).reshape(8, 8)
    assert np.array_equal(one(root, Image.fromarray(levels), name="x.tif")[0], np.round(levels / 257))


@pytest.mark.parametrize(
    ("pixels", "message"),
    [(np.full((8, 8), 70_000, np.int32), "their values range from 70000 to 70000"), (np.zeros((8, 8), np.float32), "floating-point")],
)
def test_pixels_of_unknown_range_are_refused(root: Path, pixels: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=rf"x\.tif \(its pixels must have 8 or 16 bits; .*{message}"):
        one(root, Image.fromarray(pixels), name="x.tif")


def test_exif_orientation_is_applied(root: Path) -> None:
    upright = np.zeros((8, 8, 3), np.uint8)
    upright[:4] = WHITE
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: rotate by 90 degrees clockwise to display
    image = one(root, Image.fromarray(upright).rotate(90), exif=exif)
    assert np.array_equal(image[0], upright[..., 0])


def test_sub_folders_are_classes(root: Path) -> None:
    for name, n in (("dog", 20), ("cat/young", 10), ("cat/old", 10)):
        (root / name).mkdir(parents=True)
        fill(root / name, n)
    source = load_folder(root)
    assert source.classes == ("cat", "dog")
    assert source.train_labels is not None
    assert source.heldout_labels is not None
    assert np.bincount(source.train_labels).tolist() == [17, 17]
    assert np.bincount(source.heldout_labels).tolist() == [3, 3]
    stored = {pictures.read(root, [name], resolution=8).images.tobytes() for name in find(root).names if name.startswith("dog")}
    assert {row.tobytes() in stored for row in source.train[source.train_labels == 1]} == {True}


def test_hidden_and_other_files_are_skipped(root: Path) -> None:
    fill(root, 2)
    (root / ".hidden").mkdir()
    fill(root / ".hidden", 2)
    (root / "._000.png").write_bytes(b"not a picture")
    (root / "notes.txt").write_text("not a picture")
    assert find(root).names == ["000.png", "001.png"]


def test_the_split_is_reproducible_and_disjoint(root: Path) -> None:
    fill(root, 30)
    first, second = load_folder(root), load_folder(root)
    assert first.fingerprint == second.fingerprint
    rows = [row.tobytes() for row in (*first.train, *first.heldout)]
    assert len(set(rows)) == 30


def test_decoded_pictures_are_cached_until_something_changes(root: Path, cache: Path) -> None:
    fill(root)
    before = load_folder(root)
    (kept,) = cache.iterdir()  # one folder and no temporary ones
    made = kept.stat().st_mtime_ns
    assert load_folder(root).fingerprint == before.fingerprint
    assert [(path, path.stat().st_mtime_ns) for path in cache.iterdir()] == [(kept, made)]

    Image.new("RGB", (9, 9), RED).save(root / "000.png")
    after = load_folder(root)
    assert after.fingerprint != before.fingerprint
    os.utime(root / "001.png", ns=(0, 0))
    assert load_folder(root).fingerprint == after.fingerprint  # decoded again, with the same result
    assert load_folder(root, resolution=9).shape == (3, 9, 9)
    assert len(list(cache.iterdir())) == 4


def on_the_disk(array: np.ndarray) -> bool:
    while isinstance(array, np.ndarray) and not isinstance(array, np.memmap):
        array = array.base  # type: ignore[assignment]
    return isinstance(array, np.memmap)


def test_large_folders_are_memory_mapped(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(root)
    in_memory = load_folder(root)
    assert not on_the_disk(in_memory.train)
    monkeypatch.setattr(pictures, "MAPPED_FROM_BYTES", 100)
    mapped = load_folder(root)
    assert on_the_disk(mapped.train)
    assert on_the_disk(mapped.heldout)
    buffers: list[pickle.PickleBuffer] = []
    assert len(pickle.dumps(mapped, protocol=5, buffer_callback=buffers.append)) < 1500  # the arrays are passed out of band, without a copy
    assert sum(len(buffer.raw()) for buffer in buffers) == mapped.train.nbytes + mapped.heldout.nbytes
    assert mapped.fingerprint == in_memory.fingerprint


def test_broken_pictures_are_named_and_nothing_is_cached(root: Path, cache: Path) -> None:
    fill(root)
    whole = (root / "000.png").read_bytes()
    (root / "000.png").write_bytes(whole[:100])
    (root / "001.png").write_bytes(b"")
    (root / "002.png").write_text("<html>not found</html>")
    with pytest.raises(ValueError, match="3 of 20 are not") as caught:
        load_folder(root)
    assert all(f"00{k}.png (" in str(caught.value) for k in range(3))
    assert not list(cache.iterdir())
    assert str(root / "0") not in str(caught.value), "a decoder repeats the whole path"
    for k in range(30):
        (root / f"broken{k}.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"33 of 50 are not: .*…\. Repair or remove them") as caught:
        load_folder(root)
    assert str(caught.value).count(".png (") == 20


def test_a_folder_must_exist(root: Path) -> None:
    with pytest.raises(ValueError, match=r"data.root must be a folder of pictures; .*/nowhere does not exist"):
        load_folder(root / "nowhere")
    (root / "file").touch()
    with pytest.raises(ValueError, match=r"data.root must be a folder of pictures; .*/file is not a folder"):
        load_folder(root / "file")


@pytest.mark.parametrize("n", [0, 19])
def test_a_folder_needs_enough_pictures(root: Path, n: int) -> None:
    fill(root, n)
    with pytest.raises(ValueError, match=rf"at least 20 pictures, for training and evaluation; .* holds {n} "):
        load_folder(root)
