"""Batches: real images, endlessly, in a new order every epoch."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ganstudy.errors import UserError

KEPT_ON_DEVICE_BYTES = 2**30  # larger data sets stay with the host, and travel batch by batch


def first_rows(n: int) -> Tensor:
    """int64 [n]: the one order of the rows in which `data.size` counts."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(0))


class Batches:
    """Batches of `images` (uint8 [N, C, H, W] or float32 [N, D]), as floats on `device`: bytes as [-1, 1], points as they are.

    An epoch shows each row once. A batch may end one epoch and begin the next, so every batch is full. `size` keeps the first rows
    of one fixed order: a smaller subset is part of every larger one, and all seeds see the same. The array is never copied on
    the host: it may be read-only, shared between processes, or mapped from a file. `labels` [N]: the class of each row, where batches are
    to come with them. Raises UserError for a size the data cannot give.
    """

    def __init__(
        self,
        images: npt.NDArray[np.uint8] | npt.NDArray[np.float32],
        batch_size: int,
        *,
        seed: int,
        device: torch.device | str = "cpu",
        size: int | None = None,
        labels: npt.NDArray[np.int64] | None = None,
    ):
        if size is not None and not 1 <= size <= len(images):
            raise UserError(f"data.size must be from 1 to the {len(images)} images that there are to train on; given {size}")
        self.batch_size, self.device = batch_size, torch.device(device)
        self._images: npt.NDArray[Any] = np.asarray(images)  # a memory map without its class, which would slow each access
        self._kept: Tensor | None = None
        if self.device.type != "cpu" and images.nbytes <= KEPT_ON_DEVICE_BYTES:
            self._kept = torch.from_numpy(self._images.copy()).to(self.device)  # a copy: PyTorch warns of arrays that it may not write
        self._labels = None if labels is None else torch.from_numpy(np.array(labels)).to(self.device)  # a number a row: always there
        self._subset = first_rows(len(images))[:size]
        self._rng = torch.Generator().manual_seed(seed)
        self._position = 0  # rows of this epoch's order that are spent
        self._shuffle()

    @property
    def size(self) -> int:
        """Rows that are drawn from."""
        return len(self._subset)

    def next_batch(self) -> Tensor:
        """float32 [batch_size, *shape]; the caller's own."""
        return self._take(self._next_rows())

    def next_labelled(self) -> tuple[Tensor, Tensor | None]:
        """The next batch, and its classes int64 [batch_size] where the labels were given."""
        rows = self._next_rows()
        return self._take(rows), self._classes(rows)

    def _next_rows(self) -> Tensor:
        rows = self._order[self._position : self._position + self.batch_size]
        self._position += len(rows)
        while len(rows) < self.batch_size:
            self._shuffle()
            self._position = min(self.batch_size - len(rows), len(self._order))
            rows = torch.cat([rows, self._order[: self._position]])
        return rows

    def first(self, n: int) -> Tensor:
        """float32 [n, *shape]: always the same rows, whatever has been drawn; over and over where there are fewer than n."""
        return self.first_labelled(n)[0]

    def first_labelled(self, n: int) -> tuple[Tensor, Tensor | None]:
        """The same, and their classes int64 [n] where the labels were given."""
        rows = self._subset[torch.arange(n) % self.size]
        return self._take(rows), self._classes(rows)

    def shares(self, classes: int) -> Tensor:
        """float64 [classes]: how often each class is among the rows that are drawn from; of labelled data."""
        assert self._labels is not None
        return torch.bincount(self._labels[self._subset.to(self.device)], minlength=classes).double() / self.size

    def state_dict(self) -> dict[str, Any]:
        """How this epoch's order was drawn, and how far it is spent: going on from here gives the same batches, bit for bit."""
        return {"epoch_rng": self._epoch_rng, "position": self._position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._rng.set_state(state["epoch_rng"])
        self._shuffle()
        self._position = state["position"]

    def _shuffle(self) -> None:
        self._epoch_rng = self._rng.get_state()
        order = self._subset[torch.randperm(len(self._subset), generator=self._rng)]
        self._order = order if self._kept is None else order.to(self.device)  # the whole epoch's at once: no step waits for it
        self._position = 0

    def _classes(self, rows: Tensor) -> Tensor | None:
        return None if self._labels is None else self._labels[rows.to(self.device)]

    def _take(self, rows: Tensor) -> Tensor:
        if self._kept is not None:
            picked = self._kept[rows.to(self.device)]
        else:
            picked = torch.from_numpy(self._images.take(rows.numpy(), axis=0))
            if self.device.type == "cuda":
                picked = picked.pin_memory()  # the step goes on while the bytes travel
            picked = picked.to(self.device, non_blocking=True)
        return picked if picked.is_floating_point() else picked.float().div_(127.5).sub_(1)
