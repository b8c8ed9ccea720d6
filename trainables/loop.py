"""Loop: the interface that a study expects of a training loop."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from trainables.config import TrialConfig
from trainables.data import Source
from trainables.generators import Generator


class Diverged(Exception):
    """Training produced non-finite values. This is a result of the study, not a bug."""


@dataclass(frozen=True)
class Tick:
    """The state of training at one pause."""

    images: int  # real images shown to D so far
    signals: dict[str, float]  # means since the last tick; g/updates is a total


class Loop(Protocol):
    """The interface of a training loop. A plugin registers its loop in LOOPS; a loop that reads g.condition sets `conditional = True`."""

    def __init__(self, config: TrialConfig, source: Source, *, device: torch.device | str = "cpu") -> None: ...

    def ticks(self) -> Iterator[Tick]:
        """Train to the end of the budget and yield every tick, first one for the untrained networks. Raises Diverged at the first non-finite tick."""

    def generator(self) -> Generator:
        """Return the generator to evaluate."""

    def state_dict(self) -> dict[str, Any]:
        """Return all state needed to resume, as tensors and plain values."""

    def load_state_dict(self, state: dict[str, Any]) -> None: ...
