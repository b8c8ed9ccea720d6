"""A plugin whose trials last a second without using a CPU, so that two cores can run many of them side by side."""

import time

from torch import Tensor

from trainables.run import LOOPS, Run

SECONDS = 1.0


@LOOPS.register("waiting")
class Waiting(Run):
    def d_step(self) -> dict[str, Tensor]:
        """Wait, then update D. A trial of one update waits once."""
        time.sleep(SECONDS)
        return super().d_step()
