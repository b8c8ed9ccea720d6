"""D and G in turn."""

from typing import TYPE_CHECKING

from trainables.updates.base import Signals, Update, means, update

if TYPE_CHECKING:
    from trainables.run import Run


@update("alternating")
class Alternating(Update):
    """d_steps updates of D, then g_steps of G, each seeing what came before. Goodfellow et al. 2014, algorithm 1."""

    def step(self, run: "Run") -> Signals:
        signals = run.d_step()
        if run.d_updates % run.config.d_steps == 0:
            signals |= means([self.g_step(run) for _ in range(run.config.g_steps)])
        return signals

    def g_step(self, run: "Run") -> Signals:
        return run.g_step()
