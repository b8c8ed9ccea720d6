"""Extragradient: extrapolate, return, and update by the gradients of the extrapolated point."""

import torch

from trainables.gan import Gan
from trainables.updates.base import Signals, Update, copies, means, update, weights


@update("extragradient")
class Extragradient(Update):
    """Update D and G by the gradients at the point that one step of both would reach. Korpelevich 1976; Gidel et al. 2019, algorithm 4.

    With Adam this is their ExtraAdam: the extrapolation step updates Adam's moments too. Each of the two gradients is computed on new batches. All real
    images shown to D count, so a step spends two batches of the budget, and costs twice the work. D's constraints hold at the extrapolated
    point too.
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
