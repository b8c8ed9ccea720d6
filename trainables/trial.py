"""Trial: one measured trial: train to a tick, evaluate, refuse non-finite values, checkpoint, resume.

Ray's trainable, `ganstudy train`, the dry run, the benchmarks and the tests all train through this class.
"""

import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pynvml import NVMLError

from ganstudy.units import to_images, to_kimg
from trainables.config import TrialConfig
from trainables.data import Source
from trainables.effective import effective
from trainables.generators import GENERATOR_FILE, Generator, save_generator
from trainables.grid import extent, grid_png, grid_samples
from trainables.loop import Diverged
from trainables.run import LOOPS, Run

STATE = "run.pt"  # in a checkpoint: all that resuming needs
SAMPLES = "samples.png"
_GRID_SEED = 0  # the same latents for every trial and tick

Evaluate = Callable[[Generator], Mapping[str, float]]  # scores the samples of a generator


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a trial has come to at a tick. At divergence: the last finite tick, and the reason."""

    images: int  # real images shown to D
    seconds: float  # of training, evaluation excluded
    evaluation_seconds: float
    values: Mapping[str, float]  # metrics and signals, all finite; {} if the trial diverged before the first evaluation
    finished: bool = False  # it spent its budget
    diverged: str = ""  # what left the finite numbers and when

    @property
    def kimg(self) -> float:
        return to_kimg(self.images)


class Trial:
    """A config in training, paused at a tick. `advance` trains to the next one and evaluates there.

    Raises UserError if the config does not fit the data.
    """

    def __init__(self, config: TrialConfig, source: Source, evaluate: Evaluate, *, device: torch.device | str = "cpu"):
        self.config, self.source, self.evaluate, self.device = config, source, evaluate, torch.device(device)
        self.run = LOOPS.pick(config.loop)(config, source, device=self.device)
        self._ticks = self.run.ticks()
        self._images, self._seconds, self._evaluation_seconds = 0, 0.0, 0.0
        self._values: dict[str, float] = {}

    def advance(self) -> Measured:
        """Train to the next tick and evaluate there; the first tick is of the untrained networks.

        Divergence is a result: it is reported with the numbers of the last finite tick, and no further tick comes.
        """
        try:
            start = time.perf_counter()
            tick = next(self._ticks)
            trained = time.perf_counter() - start
            speed = {"images_per_second": (tick.images - self._images) / trained} if tick.images else {}
            self._images, self._seconds = tick.images, self._seconds + trained
            start = time.perf_counter()
            scores = self.evaluate(self.run.generator())
            self._evaluation_seconds += time.perf_counter() - start
            self._values = _finite({**scores, **tick.signals, **speed, **device_load(self.device)}, after=f"{tick.images} images")
        except Diverged as reason:
            return self._measured(diverged=str(reason))
        return self._measured(finished=tick.images >= to_images(self.config.budget_kimg))

    def _measured(self, *, finished: bool = False, diverged: str = "") -> Measured:
        return Measured(
            images=self._images,
            seconds=self._seconds,
            evaluation_seconds=self._evaluation_seconds,
            values=self._values,
            finished=finished,
            diverged=diverged,
        )

    @property
    def effective(self) -> dict[str, Any]:
        """The settings as the objects that act on them have them; {} for a plugin's own loop."""
        return effective(self.run) if isinstance(self.run, Run) else {}

    def save(self, folder: Path) -> None:
        """Write a checkpoint of the current tick: all that resuming needs, the generator, and a grid of its samples."""
        generator, shape = self.run.generator(), self.source.shape
        clocks = {"images": self._images, "seconds": self._seconds, "evaluation_seconds": self._evaluation_seconds, "values": self._values}
        torch.save({"run": self.run.state_dict(), **clocks}, folder / STATE)
        save_generator(generator, self.config, shape, folder / GENERATOR_FILE)
        samples = grid_samples(generator, shape, seed=_GRID_SEED)
        (folder / SAMPLES).write_bytes(grid_png(samples, extent=extent(self.source.train)))

    def load(self, folder: Path) -> None:
        """Resume from a checkpoint of the same config: the next tick is the one after it."""
        state = torch.load(folder / STATE, map_location="cpu", weights_only=True)  # states of random generators must stay on the CPU
        self.run.load_state_dict(state["run"])
        self._images, self._seconds, self._evaluation_seconds, self._values = (
            state[name] for name in ("images", "seconds", "evaluation_seconds", "values")
        )
        self._ticks = self.run.ticks()
        if not self._images:
            next(self._ticks)  # of the untrained networks, which the checkpoint is of


def _finite(values: dict[str, float], *, after: str) -> dict[str, float]:
    """The values. Raises Diverged for values that are not finite."""
    if bad := [name for name, value in values.items() if not math.isfinite(value)]:
        raise Diverged(f"{', '.join(bad)} not finite after {after}")
    return values


def device_load(device: torch.device) -> dict[str, float]:
    """Memory and utilisation of a GPU; {} on a CPU."""
    if device.type != "cuda":
        return {}
    load = {"device/memory_mb": torch.cuda.max_memory_allocated(device) / 2**20}
    with suppress(NVMLError):  # slices of a GPU (MIG), some virtual ones and WSL do not tell
        load["device/utilisation"] = float(torch.cuda.utilization(device))
    return load
