"""Loop: what a training loop is to a study."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from trainables.config import TrialConfig
from trainables.data import Source
from trainables.generators import Generator


class Diverged(Exception):
    """Training left the finite numbers: a result of the study, not a fault of the program."""


@dataclass(frozen=True)
class Tick:
    images: int  # real images shown to D so far
    signals: dict[str, float]  # means since the last tick, and the totals of g/updates


class Loop(Protocol):
    """What a training loop is to a study. A plugin registers its own in LOOPS; one that reads g.condition and d.condition says `conditional = True`."""

    def __init__(self, config: TrialConfig, source: Source, *, device: torch.device | str = "cpu") -> None: ...

    def ticks(self) -> Iterator[Tick]:
        """Train to the end of the budget, pausing at each tick; the first shows the untrained nets. Raises Diverged at the tick that shows it."""

    def generator(self) -> Generator:
        """The generator to judge."""

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values: all that going on from here needs."""

    def load_state_dict(self, state: dict[str, Any]) -> None: ...
