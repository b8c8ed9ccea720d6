"""IDX, the file format of MNIST and similar data sets, plain or gzipped."""

import gzip
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ganstudy.errors import UserError

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def find(places: Sequence[Path], names: Sequence[str] = FILES) -> list[Path] | None:
    """Return the paths of the named files, each plain or .gz, in the first folder that has them all; None if no folder does."""
    for place in places:
        found = [next((path for path in (place / name, place / f"{name}.gz") if path.is_file()), None) for name in names]
        files = [path for path in found if path is not None]
        if len(files) == len(names):
            return files
    return None


def read(path: Path) -> npt.NDArray[np.uint8]:
    """Return the array of an IDX file of unsigned bytes. Raises UserError if the file is damaged.

    Format: 0, 0, 8 (uint8), the number of axes, their lengths (big-endian uint32), the data. LeCun 1998.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            raw = file.read()
    except (EOFError, gzip.BadGzipFile) as reason:
        raise UserError(f"{path} must be a complete gzip file: {reason}. Download it again") from reason
    axes = raw[3] if raw[:3] == b"\0\0\x08" and len(raw) >= 4 + 4 * raw[3] else 0
    shape = tuple(np.frombuffer(raw[4 : 4 + 4 * axes], ">u4").tolist())
    if not axes or len(raw) != 4 + 4 * axes + math.prod(shape):
        raise UserError(
            f"{path} must be a complete IDX file of bytes; it has {len(raw)} bytes and its header gives {list(shape)}. Download it again"
        )
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * axes).reshape(shape)
