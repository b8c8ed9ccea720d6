"""Lookahead: the weights are pulled back towards slow weights after every k updates."""

from typing import Annotated, Any

import torch
from pydantic import Field
from torch.optim import Optimizer

from ganstudy.errors import UserError
from ganstudy.units import KIMG
from trainables.config import TrialConfig
from trainables.gan import Gan
from trainables.sections import Count
from trainables.updates.alternating import Alternating
from trainables.updates.base import copies, update, weights


@update("lookahead")
class Lookahead(Alternating):
    """After every k updates of G, both networks are set to slow + alpha (fast - slow), the new slow weights. Chavdarova et al. 2021, algorithm 1 (LA-AltGAN).

    Averages of G (ema, swa) are updated after that, as in the authors' code. At a tick in between, the fast weights are evaluated.
    """

    k: Count = 5
    """updates of G between two pulls towards the slow weights"""
    alpha: Annotated[float, Field(gt=0, le=1)] = 0.5
    """size of the step from the slow to the fast weights"""

    def check(self, config: TrialConfig) -> None:
        updates = int(KIMG * config.budget_kimg / config.batch_size / config.d_steps) * config.g_steps
        if self.k > updates:
            raise UserError(
                f"lookahead.k must be at most {updates}, the updates of G within budget_kimg, or it has no effect; given {self.k}"
            )

    def build(self, gan: Gan) -> None:
        self.clock, self.g_opt = gan.clock, gan.g_opt  # not the gan itself: its memory must be free once nobody else holds it
        self.fast = weights(gan.nets.g, gan.nets.d)
        self.slow = copies(self.fast)

    def move(self, opt: Optimizer) -> None:
        super().move(opt)
        if opt is self.g_opt and self.clock.choice(lambda: (self.clock.g_updates + 1) % self.k == 0):
            torch._foreach_lerp_(self.slow, self.fast, self.alpha)
            torch._foreach_copy_(self.fast, self.slow)

    def state_dict(self) -> dict[str, Any]:
        return {"slow": self.slow}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        torch._foreach_copy_(self.slow, state["slow"])
