"""Extragradient: look ahead, come back, and move by what was seen."""

from typing import TYPE_CHECKING

import torch

from trainables.config import TrialConfig
from trainables.updates.base import Signals, Update, copies, means, refuse_rounds, update, weights

if TYPE_CHECKING:
    from trainables.run import Run


@update("extragradient")
class Extragradient(Update):
    """D and G move from where they are by the gradients of where a step of both would lead. Korpelevich 1976; Gidel et al. 2019, algorithm 4.

    With Adam it is their ExtraAdam: the step ahead moves Adam's means too. Each look draws batches of its own, and all real images
    that D is shown count: a step spends two batches of the budget, as it takes twice the work. D's constraints hold ahead too.
    """

    def check(self, config: TrialConfig) -> None:
        refuse_rounds(config, name="extragradient")

    def build(self, run: "Run") -> None:
        self.weights = weights(run.nets.g, run.nets.d)

    def step(self, run: "Run") -> Signals:
        here = copies(self.weights)
        at_first = run.d_gradient() | run.g_gradient()
        run.d_opt.step()
        run.g_opt.step()
        for trick in run.tricks.values():
            trick.constrain(run.nets)
        ahead = run.d_gradient() | run.g_gradient()
        torch._foreach_copy_(self.weights, here)
        run.d_move()
        run.g_move()
        return means([at_first, ahead])
