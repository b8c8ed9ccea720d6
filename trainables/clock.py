"""Clock: how far a run is, and the way in which all that changes from round to round reaches its device.

A round is one step of the update rule. On a GPU it is recorded once and then replayed (trainables.capture), and a replay runs no Python: a number
that a hook computes would keep the value of the recorded round. A hook therefore passes the clock a function, which is called in every round:
`number` for a scalar, `choice` for a branch, `each` for a change of Python state, `feed` for a tensor.
"""

from collections.abc import Callable
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from ganstudy.numbers import finite

K = TypeVar("K", bound=bool | int | str)


class Tape(Protocol):
    """What a clock does with the functions that it gets; capture.py has others than `Live`."""

    def number(self, compute: Callable[[], float]) -> Tensor: ...
    def feed(self, compute: Callable[[], Tensor]) -> Tensor: ...
    def choice(self, compute: Callable[[], K]) -> K: ...
    def each(self, change: Callable[[], None]) -> None: ...
    def reads(self, what: str) -> None: ...


def finite_number(compute: Callable[[], float]) -> float:
    """Return compute(). Raises UserError, which names the function, if that is not a finite number: it would make the training look diverged."""
    name = getattr(compute, "__qualname__", type(compute).__qualname__).replace(".<locals>.<lambda>", "")
    return finite(compute(), f"what {getattr(compute, '__module__', '')}.{name} passes to clock.number")


class Live:
    """Calls each function at once."""

    def __init__(self, device: torch.device):
        self.device = device

    def number(self, compute: Callable[[], float]) -> Tensor:
        return torch.full((), finite_number(compute), device=self.device, dtype=torch.float32)

    def feed(self, compute: Callable[[], Tensor]) -> Tensor:
        return compute()

    def choice(self, compute: Callable[[], K]) -> K:
        return compute()

    def each(self, change: Callable[[], None]) -> None:
        change()

    def reads(self, what: str) -> None:
        pass


class Clock:
    """The progress of a run, and the functions that its rounds call.

    budget: real images shown to D in the whole run. epoch_size: images of one epoch.

    The functions are called once in each round, in the order in which the round asked for them. They should read the clock and the state of their
    trick, not local variables of a step: those keep the values of one round.
    """

    def __init__(self, *, budget: int = 1, epoch_size: int = 1, device: torch.device | str = "cpu"):
        self.budget, self.epoch_size = budget, epoch_size
        self._images = self._d_updates = self._g_updates = 0
        self.live = Live(torch.device(device))
        self.tape: Tape = self.live

    # Progress ------------------------------------------------------------------------------------

    @property
    def images(self) -> int:
        """Real images shown to D so far."""
        self.tape.reads("images")
        return self._images

    @property
    def d_updates(self) -> int:
        """Updates of D so far."""
        self.tape.reads("d_updates")
        return self._d_updates

    @property
    def g_updates(self) -> int:
        """Updates of G so far."""
        self.tape.reads("g_updates")
        return self._g_updates

    @property
    def t(self) -> float:
        """Share of the budget that is spent."""
        return self.images / self.budget

    @property
    def epoch(self) -> float:
        """How often each real image was shown to D."""
        return self.images / self.epoch_size

    def set(self, *, images: int = 0, d_updates: int = 0, g_updates: int = 0) -> None:
        """Set the progress, as when a checkpoint is loaded."""
        self._images, self._d_updates, self._g_updates = images, d_updates, g_updates

    def advance(self, *, images: int = 0, d_updates: int = 0, g_updates: int = 0) -> None:
        """Add to the progress, in this round and in each that replays it."""

        def add() -> None:
            self.set(images=self._images + images, d_updates=self._d_updates + d_updates, g_updates=self._g_updates + g_updates)

        self.each(add)

    # What changes from round to round --------------------------------------------------------------

    def number(self, compute: Callable[[], float]) -> Tensor:
        """Return compute(), a finite number, as a scalar tensor on the device, float32 []: a weight or a rate that changes."""
        return self.tape.number(compute)

    def choice(self, compute: Callable[[], K]) -> K:
        """Return compute(), on which Python branches. Rounds with different values are recorded separately, so there should be few."""
        return self.tape.choice(compute)

    def each(self, change: Callable[[], None]) -> None:
        """Call change(), which counts or otherwise changes Python state."""
        self.tape.each(change)

    def feed(self, compute: Callable[[], Tensor]) -> Tensor:
        """Return compute(), a tensor of the same shape in every round, as a tensor that must not be changed."""
        return self.tape.feed(compute)
