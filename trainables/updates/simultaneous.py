"""D and G at once."""

from trainables.gan import Gan
from trainables.updates.base import Signals, Update, update


@update("simultaneous")
class Simultaneous(Update):
    """Both gradients are taken at the same point, then both networks move. Nowozin et al. 2016, algorithm 1; Mescheder et al. 2018, eq. 2."""

    def step(self, gan: Gan) -> Signals:
        signals = gan.d_gradient() | gan.g_gradient()
        gan.d_move()
        gan.g_move()
        return signals
