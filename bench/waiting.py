"""Trials that last a second without using a CPU, so that two cores can run many of them side by side: a plugin, and the same for Ray Tune alone."""

import os
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

from ray import tune
from torch import Tensor

from trainables.run import LOOPS, Run

SECONDS = 1.0


@LOOPS.register("waiting")
class Waiting(Run):
    def d_step(self) -> dict[str, Tensor]:
        """Wait, then update D. A trial of one update waits once."""
        time.sleep(SECONDS)
        return super().d_step()


class Bare(tune.Trainable):
    """A trial that reports as often as one of ours, before and after it waits. It trains, evaluates and saves nothing."""

    def setup(self, config: dict[str, Any]) -> None: ...

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        return True

    def step(self) -> dict[str, Any]:
        if self.iteration:
            time.sleep(SECONDS)
        return {"done": self.iteration == 1}


class _Ends(tune.Callback):
    """Notes when trials ended."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.times.append(time.monotonic())


def bare_tune(n_trials: int, slots: int, folder: Path) -> list[float]:
    """Run so many trials with Ray Tune alone, set up as a study sets it up. Returns when each ended, in seconds."""
    ends = _Ends()
    with patch.dict(os.environ, {"TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1", "TUNE_GLOBAL_CHECKPOINT_S": "1000000"}):
        tune.Tuner(
            tune.with_resources(Bare, {"cpu": 1}),
            param_space={"g.lr": tune.loguniform(1e-5, 1e-2)},
            tune_config=tune.TuneConfig(num_samples=n_trials, max_concurrent_trials=slots, reuse_actors=True),
            run_config=tune.RunConfig(
                storage_path=str(folder), callbacks=[ends], checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False), verbose=0
            ),
        ).fit()
    assert len(ends.times) == n_trials
    return ends.times
