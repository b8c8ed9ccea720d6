"""D and G at once."""

from typing import TYPE_CHECKING

from trainables.config import TrialConfig
from trainables.updates.base import Signals, Update, refuse_rounds, update

if TYPE_CHECKING:
    from trainables.run import Run


@update("simultaneous")
class Simultaneous(Update):
    """Both gradients are taken at the same point, then both networks move. Nowozin et al. 2016, algorithm 1; Mescheder et al. 2018, eq. 2."""

    def check(self, config: TrialConfig) -> None:
        refuse_rounds(config, name="simultaneous")

    def step(self, run: "Run") -> Signals:
        signals = run.d_gradient() | run.g_gradient()
        run.d_move()
        run.g_move()
        return signals
