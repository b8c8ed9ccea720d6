"""Which kinds of picture files are read: formats, modes, 16 bits and frames."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganstudy import UserError
from trainables.data import Source, load
from trainables.picture_files import extensions
from trainables.sections import DataConfig


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def read(root: Path) -> Source:
    return load(DataConfig(name="image_folder", root=str(root), resolution=8))


@pytest.mark.filterwarnings("ignore:IM image format is deprecated:DeprecationWarning")
@pytest.mark.parametrize(
    ("extension", "kind"),
    # EPS needs Ghostscript
    [
        (name, kind)
        for name, kind in sorted(Image.registered_extensions().items())
        if name in extensions() and kind in Image.SAVE and kind != "EPS"
    ],
)
def test_every_format_that_pillow_writes_and_reads_is_read(tmp_path: Path, extension: str, kind: str) -> None:
    for mode in ("RGB", "L", "P", "1"):
        for k in range(20):
            try:
                Image.new("RGB", (16, 16), (255, 255, 255)).convert(mode).save(tmp_path / f"{k}{extension}", format=kind)
            except (OSError, ValueError):  # not in this mode
                break
        else:
            break
    else:
        pytest.fail(f"no mode can be written as {extension}")
    source = read(tmp_path)
    assert (source.train > 245).all()
    assert len(source.train) + len(source.heldout) == 20


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I"])
def test_every_mode_is_read(tmp_path: Path, mode: str) -> None:
    for k in range(20):
        levels = np.full((1, 1), 65535) if mode.startswith("I") else None
        one = (
            Image.new("RGB", (1, 1), "white").convert(mode)
            if levels is None
            else Image.fromarray(levels.astype({"I;16": np.uint16, "I": np.int32}[mode]))
        )
        one.save(tmp_path / f"{k}.tif") if mode not in ("PA",) else one.convert("RGBA").save(tmp_path / f"{k}.tif")
    source = read(tmp_path)
    assert (source.train == 255).all()
    assert "smaller than data.resolution: 20 pictures, which are enlarged" in source.notes


def deep(root: Path, array: np.ndarray, *, extension: str = ".png") -> None:
    for k in range(20):
        Image.fromarray(array).save(root / f"{k}{extension}")


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_16_bit_grey_is_scaled_by_the_bits_that_the_whole_folder_uses(tmp_path: Path, bits: int) -> None:
    white = 2**bits - 1
    deep(tmp_path, np.linspace(0, white // 2, 64).reshape(8, 8).astype(np.uint16))
    Image.fromarray(np.full((8, 8), white, np.uint16)).save(tmp_path / "white.png")
    source = read(tmp_path)
    rows = np.concatenate([source.train, source.heldout])
    assert sorted({int(row.max()) for row in rows}) in ([127, 255], [128, 255])
    assert f"16-bit grey: 21 pictures with levels up to {white}; {white} becomes white" in source.notes
    assert read(tmp_path).notes == source.notes  # from the cache too


def test_16_bit_pictures_that_would_come_out_black_are_refused(tmp_path: Path) -> None:
    dark = np.full((20, 20), 100, np.uint16)
    dark[0, 0] = 65535
    deep(tmp_path, dark)
    with pytest.raises(
        UserError,
        match=r"16-bit pictures must not come out black; in these 20 the highest level is 65535, but 99 % .* are at most 100. Save",
    ):
        read(tmp_path)


def rgb16(path: Path, level: int) -> None:
    """Write a PNG of 8 × 8 pixels with 16 bits per channel, which Pillow cannot."""
    import struct
    import zlib

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = b"".join(b"\0" + struct.pack(">24H", *[level] * 24) for _ in range(8))
    header = struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


@pytest.mark.parametrize("level", [255, 4095])
def test_16_bit_colour_that_holds_fewer_bits_is_refused(tmp_path: Path, level: int) -> None:
    for k in range(20):
        rgb16(tmp_path / f"{k}.png", level)
    with pytest.raises(UserError, match=f"in these 20 the upper 8 reach {level >> 8} of 255, so they would come out dark"):
        read(tmp_path)


def test_16_bit_colour_of_full_range_is_read(tmp_path: Path) -> None:
    for k in range(20):
        rgb16(tmp_path / f"{k}.png", 65535)
    source = read(tmp_path)
    assert (source.train == 255).all()
    assert "16-bit colour: 20 pictures, of which the upper 8 bits are read" in source.notes


def test_the_first_of_several_frames_is_taken(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), "white"), Image.new("RGB", (8, 8), "black")]
    for k in range(20):
        frames[0].save(tmp_path / f"{k}.gif", save_all=True, append_images=frames[1:])
    source = read(tmp_path)
    assert (source.train == 255).all()
    assert "several frames: 20 pictures, of which the first frame is taken" in source.notes
