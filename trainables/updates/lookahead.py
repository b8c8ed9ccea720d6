"""Lookahead: the weights come back part of the way."""

from typing import TYPE_CHECKING, Annotated, Any

import torch
from pydantic import Field

from trainables.sections import Count
from trainables.updates.alternating import Alternating
from trainables.updates.base import Signals, copies, update, weights

if TYPE_CHECKING:
    from trainables.run import Run


@update("lookahead")
class Lookahead(Alternating):
    """After every k updates of G, both networks go back to slow + alpha (fast - slow), the new slow. Chavdarova et al. 2021, algorithm 1 (LA-AltGAN)."""

    k: Count = 5
    alpha: Annotated[float, Field(gt=0, le=1)] = 0.5

    def build(self, run: "Run") -> None:
        self.fast = weights(run.nets.g, run.nets.d)
        self.slow = copies(self.fast)

    def step(self, run: "Run") -> Signals:
        before = run.g_updates
        signals = super().step(run)
        if run.g_updates // self.k > before // self.k:
            torch._foreach_lerp_(self.slow, self.fast, self.alpha)
            torch._foreach_copy_(self.fast, self.slow)
        return signals

    def state_dict(self) -> dict[str, Any]:
        return {"slow": self.slow}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        torch._foreach_copy_(self.slow, state["slow"])
