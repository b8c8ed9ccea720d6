"""Simultaneous updates of D and G."""

from trainables.gan import Gan
from trainables.updates.base import Signals, Update, update


@update("simultaneous")
class Simultaneous(Update):
    """Compute both gradients at the same weights, then update both networks. Nowozin et al. 2016, algorithm 1; Mescheder et al. 2018, eq. 2."""

    def step(self, gan: Gan) -> Signals:
        signals = gan.d_gradient() | gan.g_gradient()
        gan.d_move()
        gan.g_move()
        return signals
