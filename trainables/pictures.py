"""Pictures of any size and format -> square uint8 images. Each folder is decoded once and cached in the user's cache, which may be deleted."""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps
from platformdirs import user_cache_dir

from ganstudy.errors import UserError

Bytes = npt.NDArray[np.uint8]

EXTENSIONS = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"})
_RECIPE = 1  # part of the cache file's name; increment it when the same pictures decode to other bytes
MAPPED_FROM_BYTES = 256 * 2**20  # larger arrays are memory-mapped


def _square(picture: Image.Image, resolution: int) -> Image.Image:
    """Return the centre square, resized to `resolution` pixels a side. Resizing is antialiased, because aliasing distorts FID (Parmar et al. 2022)."""
    return ImageOps.fit(picture, (resolution, resolution), method=Image.Resampling.BICUBIC)


def resized(images: Bytes, resolution: int) -> Bytes:
    """Resize the centre squares: uint8 [N, 1 or 3, H, W] -> uint8 [N, 1 or 3, resolution, resolution]."""
    small = np.empty((*images.shape[:2], resolution, resolution), np.uint8)
    for image, channels in zip(images, small, strict=True):
        for source, target in zip(image, channels, strict=True):
            target[:] = _square(Image.fromarray(source), resolution)
    return small


def listed(root: Path) -> list[str]:
    """Return the sorted paths of all pictures below `root`, relative to it, with "/". Skips hidden files and folders.

    Raises UserError if `root` is not a folder.
    """
    root = root.expanduser()
    if not root.is_dir():
        raise UserError(f"data.root must be a folder of pictures; {root} " + ("is not a folder" if root.exists() else "does not exist"))
    names: list[str] = []
    for folder, below, files in os.walk(root):
        below[:] = [name for name in below if not name.startswith(".")]
        here = Path(folder).relative_to(root)
        names += [(here / name).as_posix() for name in files if not name.startswith(".") and Path(name).suffix.lower() in EXTENSIONS]
    return sorted(names)


def read(root: Path, names: Sequence[str], *, resolution: int) -> Bytes:
    """Return the named pictures in order, uint8 [N, C, resolution, resolution]: C = 1 if all are grey, else 3.

    The result is cached until a name, a file size, a modification time or the resolution changes. Raises UserError that lists the
    pictures that cannot be decoded.
    """
    root = root.expanduser().resolve()
    stats = [(root / name).stat() for name in names]
    facts = [_RECIPE, str(root), resolution, [(name, stat.st_size, stat.st_mtime_ns) for name, stat in zip(names, stats, strict=True)]]
    stored = Path(user_cache_dir("ganstudy"), "pictures", hashlib.sha256(repr(facts).encode()).hexdigest()[:32] + ".npy")
    if not stored.exists():
        _decode(root, names, resolution=resolution, to=stored)
    images = np.load(stored, mmap_mode="r" if stored.stat().st_size > MAPPED_FROM_BYTES else None)
    plain: Bytes = np.asarray(images)  # still memory-mapped; pickle would copy an np.memmap for each worker
    return plain


def _decode(root: Path, names: Sequence[str], *, resolution: int, to: Path) -> None:
    """Decode all pictures into the file `to`, which is created atomically."""
    to.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=to.parent) as scratch:
        colour, grey = Path(scratch, "colour.npy"), Path(scratch, "grey.npy")
        images = np.lib.format.open_memmap(colour, mode="w+", dtype=np.uint8, shape=(len(names), 3, resolution, resolution))

        def decode(row: int) -> str | None:
            """Decode one picture into its row. Returns the error in words, or None."""
            try:
                with Image.open(root / names[row]) as picture:
                    images[row] = np.asarray(_square(_rgb(picture), resolution)).transpose(2, 0, 1)
            except Exception as reason:  # decoders raise many kinds of exceptions for broken files
                return f"{names[row]} ({reason or type(reason).__name__})"
            return None

        with ThreadPoolExecutor() as pool:  # PIL releases the GIL while it decodes and resizes
            broken = [trouble for trouble in pool.map(decode, range(len(names))) if trouble]
        if broken:
            raise UserError(
                f"every picture in {root} must be readable; {len(broken)} of {len(names)} are not: "
                + "; ".join(broken[:5])
                + (" …" if len(broken) > 5 else "")
                + ". Repair or remove them"
            )
        images.flush()
        if all((image == image[0]).all() for image in images):
            np.save(grey, images[:, :1])
        os.replace(grey if grey.exists() else colour, to)


def _rgb(picture: Image.Image) -> Image.Image:
    """Return the picture upright, in 8-bit RGB, on a white background. Raises UserError if its pixel range is unknown."""
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I"):  # PIL's modes for 16-bit grey all start with I
        levels = np.asarray(picture)
        if levels.min() < 0 or levels.max() > 65535:
            raise UserError(f"its pixels must have 8 or 16 bits; their values range from {levels.min()} to {levels.max()}")
        picture = Image.fromarray(np.round(levels / 257).astype(np.uint8))  # 65535 / 257 = 255
    if picture.mode == "F":
        raise UserError("its pixels must have 8 or 16 bits; they are floating-point numbers")
    if "A" in picture.getbands() or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return picture.convert("RGB")
