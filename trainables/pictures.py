"""Pictures of any size and format -> square uint8 images. Each folder is decoded once and cached in the user's cache, which may be deleted."""

import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps
from platformdirs import user_cache_dir

from ganstudy.errors import UserError
from trainables.bit_depth import Depth, depth_of, white_of
from trainables.picture_files import shown

Bytes = npt.NDArray[np.uint8]

_IMAGES, _NOTES = "images.npy", "notes.json"  # files of a folder of the cache
_NAMED = 20  # broken pictures that are named
_RECIPE = 2  # part of the folder's name; increment it when the same pictures decode to other bytes
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


@dataclass(frozen=True)
class Decoded:
    """Pictures as arrays."""

    images: Bytes  # [N, 1 or 3, resolution, resolution]; memory-mapped if large
    notes: tuple[str, ...]  # what decoding changed, such as the range of 16-bit pictures


def read(root: Path, names: Sequence[str], *, resolution: int) -> Decoded:
    """Return the named pictures in order: one channel if all are grey, else three.

    The result is cached until a name, a file size, a modification time or the resolution changes. Raises UserError that lists the
    pictures that cannot be decoded, and for 16-bit pictures that would come out black.
    """
    root = root.expanduser().resolve()
    stats = [(root / name).stat() for name in names]
    facts = [_RECIPE, str(root), resolution, [(name, stat.st_size, stat.st_mtime_ns) for name, stat in zip(names, stats, strict=True)]]
    stored = Path(user_cache_dir("ganstudy"), "pictures", hashlib.sha256(repr(facts).encode()).hexdigest()[:32])
    if not stored.exists():
        _decode(root, names, resolution=resolution, to=stored)
    file = stored / _IMAGES
    images = np.load(file, mmap_mode="r" if file.stat().st_size > MAPPED_FROM_BYTES else None)
    plain: Bytes = np.asarray(images)  # still memory-mapped; pickle would copy an np.memmap for each worker
    return Decoded(plain, tuple(json.loads((stored / _NOTES).read_text())))


def _decode(root: Path, names: Sequence[str], *, resolution: int, to: Path) -> None:
    """Decode all pictures into the folder `to`, which is created atomically."""
    to.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=to.parent) as scratch:
        made, colour = Path(scratch, "made"), Path(scratch, "colour.npy")
        made.mkdir()
        images = np.lib.format.open_memmap(colour, mode="w+", dtype=np.uint8, shape=(len(names), 3, resolution, resolution))

        def opened(row: int, white: int | None) -> Depth | str:
            """Decode one picture into its row. Returns its depth, or what is wrong with it."""
            try:
                with Image.open(root / names[row]) as picture:
                    depth = depth_of(picture, enlarged=min(picture.size) < resolution)
                    if depth.grey and white is None:
                        return depth  # decoded once the range of all is known
                    images[row] = np.asarray(_square(_rgb(picture, white), resolution)).transpose(2, 0, 1)
                    return depth
            except Exception as reason:  # decoders raise many kinds of exceptions for broken files
                why = str(reason).replace(f" {str(root / names[row])!r}", "") or type(reason).__name__  # the name is said already
                return f"{shown(names[row])} ({why})"

        with ThreadPoolExecutor() as pool:  # PIL releases the GIL while it decodes and resizes
            depths = list(pool.map(partial(opened, white=None), range(len(names))))
            if broken := [depth for depth in depths if isinstance(depth, str)]:
                raise UserError(
                    f"every picture in {shown(str(root))} must be readable; {len(broken)} of {len(names)} are not: "
                    + "; ".join(broken[:_NAMED])
                    + (" …" if len(broken) > _NAMED else "")
                    + ". Repair or remove them"
                )
            known = [depth for depth in depths if isinstance(depth, Depth)]
            white, notes = white_of(known)
            deep = [row for row, depth in enumerate(known) if depth.grey]
            list(pool.map(partial(opened, white=white), deep))
        images.flush()
        if all((image == image[0]).all() for image in images):
            np.save(made / _IMAGES, images[:, :1])
        else:
            os.replace(colour, made / _IMAGES)
        (made / _NOTES).write_text(json.dumps(notes))
        try:
            os.rename(made, to)
        except OSError:  # another process was faster
            if not to.exists():
                raise


def _rgb(picture: Image.Image, white: int | None) -> Image.Image:
    """Return the picture upright, in 8-bit RGB, on a white background. white: the level of 16-bit grey that becomes white.

    Raises UserError if the range of its pixels is unknown.
    """
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I"):  # PIL's modes for 16-bit grey all start with I
        assert white is not None
        picture = Image.fromarray(np.round(np.asarray(picture) / (white / 255)).astype(np.uint8))
    if picture.mode == "F":
        raise UserError("its pixels must have 8 or 16 bits; they are floating-point numbers")
    if "A" in picture.getbands() or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return picture.convert("RGB")
