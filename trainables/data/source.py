"""Source: a data set with its fixed split."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ganstudy.errors import UserError
from trainables.sections import DataConfig

Array = npt.NDArray[Any]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """A data set with its fixed split. Raises UserError for inconsistent arrays."""

    name: str
    train: Array  # uint8 [N, C, H, W] images, or float32 [N, D] points
    heldout: Array  # same dtype and shape; never used for training
    train_labels: Labels | None = None  # [N], index into classes; None: unlabelled
    heldout_labels: Labels | None = None
    classes: tuple[str, ...] = ()  # names of the known modes; () if unlabelled
    centres: npt.NDArray[np.float32] | None = None  # [K, D]: the modes of a mixture of Gaussians
    std: float | None = None  # their standard deviation
    whole: DataConfig | None = None  # the data set that these images come from; its classifier recognises their classes
    of_whole: Labels | None = (
        None  # [K, P]: classes of `whole` in each class: [[0], [3]] for a subset, [[0, 0, 0], [0, 0, 1], …] for a stack of 3
    )
    why_unlabelled: str = ""  # why there are no labels, in a clause; "" if the data set never has them
    notes: tuple[str, ...] = ()  # what was found in the user's files and what was left out, to print before training

    def __post_init__(self) -> None:
        for part, rows, labels in (("train", self.train, self.train_labels), ("heldout", self.heldout, self.heldout_labels)):
            for name, array in ((part, rows), (f"{part}_labels", labels)):
                if array is not None and not isinstance(array, np.ndarray):
                    raise UserError(f"{self.name}.{name} must be a NumPy array; given {type(array).__name__}")
            if (str(rows.dtype), rows.ndim) not in (("uint8", 4), ("float32", 2)) or not rows.flags.c_contiguous or not rows.size:
                raise UserError(
                    f"{self.name}.{part} must be uint8 images [N, C, H, W] or float32 points [N, D], C-contiguous and not empty; "
                    f"given {rows.dtype} {list(rows.shape)}" + ("" if rows.flags.c_contiguous else ", not contiguous")
                )
            if labels is not None and (labels.shape != rows.shape[:1] or labels.min() < 0 or labels.max() >= len(self.classes)):
                raise UserError(
                    f"{self.name}.{part}_labels must be one index into the {len(self.classes)} classes for each of the {len(rows)} rows; "
                    f"given {list(labels.shape)}, from {labels.min()} to {labels.max()}"
                )
        if self.train.shape[1:] != self.heldout.shape[1:] or self.train.dtype != self.heldout.dtype:
            raise UserError(
                f"{self.name}: train and heldout must have the same dtype and shape; given {self.train.dtype} {list(self.train.shape[1:])} "
                f"and {self.heldout.dtype} {list(self.heldout.shape[1:])}"
            )

    @property
    def no_labels(self) -> str:
        """ "image_folder has no labels, since …": the end of a message for unlabelled data."""
        return f"{self.name} has no labels" + (f", since {self.why_unlabelled}" if self.why_unlabelled else "")

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one image (C, H, W) or one point (D,)."""
        return self.train.shape[1:]

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits, a hash of the rows and labels of both parts. Equal only for identical data."""
        digest = hashlib.sha256()
        for part in (self.train, self.heldout, self.train_labels, self.heldout_labels):
            if part is not None:
                digest.update(f"{part.dtype.str}{part.shape}".encode())
                digest.update(np.ascontiguousarray(part).data)
        return digest.hexdigest()[:16]
