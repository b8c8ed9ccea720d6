"""Batches: an endless stream of real images, shuffled again for every epoch."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ganstudy.errors import UserError
from trainables.clock import Clock
from trainables.kept import kept_on

KEPT_ON_DEVICE_BYTES = 2**30  # larger data sets stay in host memory; each batch is copied to the device


def first_rows(n: int) -> Tensor:
    """Return the fixed order int64 [n] of the rows, of which `data.size` keeps the first."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(0))


class Batches:
    """Draws batches of `images` (uint8 [N, C, H, W] or float32 [N, D]) as floats on `device`: uint8 scaled to [-1, 1], points unchanged.

    An epoch shows each row once. A batch may span two epochs, so every batch is full. `size` keeps the first rows of one fixed order:
    smaller subsets are nested in larger ones, and all seeds use the same subset. The array is not copied in host memory: it may be
    read-only, shared between processes, or memory-mapped. `labels` [N]: the class of each row, if batches must include classes.
    Raises UserError unless 1 <= size <= N.
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
            raise UserError(f"data.size must be from 1 to {len(images)}, the number of training images; given {size}")
        self.batch_size, self.device = batch_size, torch.device(device)
        self.clock = Clock(device=device)  # a run replaces it by its own
        self._images: npt.NDArray[Any] = np.asarray(images)  # drops the class np.memmap, which slows each access
        self._kept: Tensor | None = None
        if self.device.type != "cpu" and images.nbytes <= KEPT_ON_DEVICE_BYTES:
            self._kept = kept_on(self.device, self._images)
        self._labels = (
            None if labels is None else torch.from_numpy(np.array(labels)).to(self.device)
        )  # always on the device: one number per row
        self._subset = first_rows(len(images))[:size]
        self._rng = torch.Generator().manual_seed(seed)
        self._position = 0  # rows of this epoch drawn so far
        self._shuffle()

    @property
    def size(self) -> int:
        """Number of rows that batches are drawn from."""
        return len(self._subset)

    def next_batch(self) -> Tensor:
        """Return the next batch, float32 [batch_size, *shape]. The caller may modify it."""
        return self.next_labelled()[0]

    def next_labelled(self) -> tuple[Tensor, Tensor | None]:
        """Return the next batch and its classes, int64 [batch_size] (None without labels)."""
        if self._kept is None:  # the rows are drawn by the first function, and its images copied to the device
            fed = self.clock.feed(self._next_images)
            labels = None if self._labels is None else self._classes(self.clock.feed(lambda: self._rows))
            return self._scaled(fed.clone() if fed.is_floating_point() else fed), labels
        rows = self.clock.feed(self._next_rows)
        return self._take(rows), self._classes(rows)

    def _next_images(self) -> Tensor:
        self._rows = self._next_rows()
        return self._copied(self._rows)

    def _next_rows(self) -> Tensor:
        rows = self._order[self._position : self._position + self.batch_size]
        self._position += len(rows)
        while len(rows) < self.batch_size:
            self._shuffle()
            self._position = min(self.batch_size - len(rows), len(self._order))
            rows = torch.cat([rows, self._order[: self._position]])
        return rows

    def first(self, n: int) -> Tensor:
        """Return the first n rows of the subset, float32 [n, *shape], repeated if it has fewer. Does not depend on the batches drawn."""
        return self.first_labelled(n)[0]

    def first_labelled(self, n: int) -> tuple[Tensor, Tensor | None]:
        """Return `first(n)` and its classes, int64 [n] (None without labels)."""
        rows = self._subset[torch.arange(n) % self.size]
        return self._take(rows), self._classes(rows)

    def shares(self, classes: int) -> Tensor:
        """Return the share of each class in the subset, float64 [classes]. Needs labels."""
        assert self._labels is not None
        return torch.bincount(self._labels[self._subset.to(self.device)], minlength=classes).double() / self.size

    def state_dict(self) -> dict[str, Any]:
        """Return the random state of this epoch and the position in it. Resuming from it gives the same batches, bit for bit."""
        return {"epoch_rng": self._epoch_rng, "position": self._position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._rng.set_state(state["epoch_rng"])
        self._shuffle()
        self._position = state["position"]

    def _shuffle(self) -> None:
        self._epoch_rng = self._rng.get_state()
        order = self._subset[torch.randperm(len(self._subset), generator=self._rng)]
        self._order = order if self._kept is None else order.to(self.device)  # copied once per epoch, so that no step waits for it
        self._position = 0

    def _classes(self, rows: Tensor) -> Tensor | None:
        return None if self._labels is None else self._labels[rows.to(self.device)]

    def _take(self, rows: Tensor) -> Tensor:
        return self._scaled(self._copied(rows) if self._kept is None else self._kept[rows.to(self.device)])

    def _copied(self, rows: Tensor) -> Tensor:
        """Return rows of the array in host memory, on the device."""
        picked = torch.from_numpy(self._images.take(rows.numpy(), axis=0))
        if self.device.type == "cuda":
            picked = picked.pin_memory()  # so that the copy to the device is asynchronous
        return picked.to(self.device, non_blocking=True)

    def _scaled(self, picked: Tensor) -> Tensor:
        return picked if picked.is_floating_point() else picked.float().div_(127.5).sub_(1)
