"""Extragradient: look ahead, come back, and move by what was seen."""

import torch

from trainables.gan import Gan
from trainables.updates.base import Signals, Update, copies, means, update, weights


@update("extragradient")
class Extragradient(Update):
    """D and G move from where they are by the gradients of where a step of both would lead. Korpelevich 1976; Gidel et al. 2019, algorithm 4.

    With Adam it is their ExtraAdam: the step ahead moves Adam's means too. Each look draws batches of its own, and all real images
    that D is shown count: a step spends two batches of the budget, as it takes twice the work. D's constraints hold ahead too.
    """

    def build(self, gan: Gan) -> None:
        self.weights = weights(gan.nets.g, gan.nets.d)

    def step(self, gan: Gan) -> Signals:
        here = copies(self.weights)
        at_first = gan.d_gradient() | gan.g_gradient()
        gan.d_opt.step()
        gan.g_opt.step()
        for trick in gan.tricks.values():
            trick.constrain(gan.nets)
        ahead = gan.d_gradient() | gan.g_gradient()
        torch._foreach_copy_(self.weights, here)
        gan.d_move()
        gan.g_move()
        return means([at_first, ahead])
