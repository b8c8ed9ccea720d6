"""Pictures of any size and kind -> squares of bytes. A folder is decoded once and kept in the user's cache, safe to empty."""

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
_RECIPE = 1  # part of a cached file's name; count up when the same pictures would give other bytes
MAPPED_FROM_BYTES = 256 * 2**20  # larger folders stay on the disk and are read as they are used


def _square(picture: Image.Image, resolution: int) -> Image.Image:
    """The middle square, resized to `resolution` pixels a side; antialiased, without which FID suffers (Parmar et al. 2022)."""
    return ImageOps.fit(picture, (resolution, resolution), method=Image.Resampling.BICUBIC)


def resized(images: Bytes, resolution: int) -> Bytes:
    """uint8 [N, 1 or 3, H, W] -> uint8 [N, 1 or 3, resolution, resolution]."""
    small = np.empty((*images.shape[:2], resolution, resolution), np.uint8)
    for image, channels in zip(images, small, strict=True):
        for source, target in zip(image, channels, strict=True):
            target[:] = _square(Image.fromarray(source), resolution)
    return small


def listed(root: Path) -> list[str]:
    """Names of the pictures in `root` and its sub-folders, relative to it, with "/", sorted. What is hidden is left out."""
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
    """uint8 [N, C, resolution, resolution] of these pictures, in this order: C = 1 if all of them are grey, else 3.

    Decoded anew only when a name, a size, a time of change or the resolution differs. Raises UserError naming the pictures
    that cannot be decoded.
    """
    root = root.expanduser().resolve()
    stats = [(root / name).stat() for name in names]
    facts = [_RECIPE, str(root), resolution, [(name, stat.st_size, stat.st_mtime_ns) for name, stat in zip(names, stats, strict=True)]]
    stored = Path(user_cache_dir("ganstudy"), "pictures", hashlib.sha256(repr(facts).encode()).hexdigest()[:32] + ".npy")
    if not stored.exists():
        _decode(root, names, resolution=resolution, to=stored)
    images = np.load(stored, mmap_mode="r" if stored.stat().st_size > MAPPED_FROM_BYTES else None)
    plain: Bytes = np.asarray(images)  # still mapped, but of no class of its own: that would be copied on the way to each worker
    return plain


def _decode(root: Path, names: Sequence[str], *, resolution: int, to: Path) -> None:
    """Decode all into the file `to`, which appears only when it is whole."""
    to.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=to.parent) as scratch:
        colour, grey = Path(scratch, "colour.npy"), Path(scratch, "grey.npy")
        images = np.lib.format.open_memmap(colour, mode="w+", dtype=np.uint8, shape=(len(names), 3, resolution, resolution))

        def decode(row: int) -> str | None:
            """What is wrong with the picture, if anything."""
            try:
                with Image.open(root / names[row]) as picture:
                    images[row] = np.asarray(_square(_rgb(picture), resolution)).transpose(2, 0, 1)
            except Exception as reason:  # a broken file raises whatever its decoder stumbles over
                return f"{names[row]} ({reason or type(reason).__name__})"
            return None

        with ThreadPoolExecutor() as pool:  # PIL decodes and resizes outside the interpreter's lock
            broken = [trouble for trouble in pool.map(decode, range(len(names))) if trouble]
        if broken:
            raise UserError(
                f"every picture in {root} must be readable; {len(broken)} of {len(names)} are not: "
                + "; ".join(broken[:5])
                + (" …" if len(broken) > 5 else "")
                + ". Repair them or take them out"
            )
        images.flush()
        if all((image == image[0]).all() for image in images):
            np.save(grey, images[:, :1])
        os.replace(grey if grey.exists() else colour, to)


def _rgb(picture: Image.Image) -> Image.Image:
    """Upright, 8 bits a channel, on white where it is transparent."""
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I"):  # 16 bits of grey, in all the ways PIL calls them
        levels = np.asarray(picture)
        if levels.min() < 0 or levels.max() > 65535:
            raise UserError(f"its pixels must be of 8 or 16 bits; they run from {levels.min()} to {levels.max()}")
        picture = Image.fromarray(np.round(levels / 257).astype(np.uint8))  # 65535 / 257 = 255
    if picture.mode == "F":
        raise UserError("its pixels must be of 8 or 16 bits; they are floating-point numbers")
    if "A" in picture.getbands() or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return picture.convert("RGB")
