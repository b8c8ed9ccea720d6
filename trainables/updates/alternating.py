"""Alternating updates of D and G."""

from trainables.gan import Gan
from trainables.updates.base import Signals, Update, means, update


@update("alternating")
class Alternating(Update):
    """d_steps updates of D, then g_steps of G, each using the latest weights of both networks. Goodfellow et al. 2014, algorithm 1."""

    takes = ("d_steps", "g_steps")

    def step(self, gan: Gan) -> Signals:
        signals = gan.d_step()
        if gan.clock.choice(lambda: gan.d_updates % gan.config.d_steps == 0):
            signals |= means([self.g_step(gan) for _ in range(gan.config.g_steps)])
        return signals

    def g_step(self, gan: Gan) -> Signals:
        """Update G once. A subclass may override it. Returns scalars to report."""
        return gan.g_step()
