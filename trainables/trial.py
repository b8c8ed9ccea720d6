"""Trial: trains one config and measures it at ticks. Detects divergence, writes checkpoints and resumes from them.

Ray's trainable, `ganstudy train`, the dry run, the benchmarks and the tests all use this class.
"""

import math
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch
from pynvml import NVMLError

from ganstudy.checksums import damage, has_sums, write_sums
from ganstudy.errors import UserError
from ganstudy.files import room_for
from ganstudy.numbers import finite, number
from ganstudy.units import to_images, to_kimg
from trainables.config import TrialConfig
from trainables.cuda_graphs import cuda_recorder
from trainables.data import Source
from trainables.effective import effective
from trainables.generators import GENERATOR_FILE, Generator, refuse_unloadable, save_generator
from trainables.grid import extent, grid_png, grid_samples
from trainables.loadable import saved
from trainables.loop import Diverged
from trainables.run import LOOPS, Run
from trainables.signal_names import MEMORY, UTILISATION
from trainables.streams import own_stream

STATE = "run.pt"  # file in a checkpoint with all state needed to resume
SAMPLES = "samples.png"
_GRID_SEED = 0  # the same latents for every trial and tick

Evaluate = Callable[[Generator], Mapping[str, float]]  # scores the samples of a generator; raises Diverged for samples that are not finite


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Measurements at a tick. If the trial diverged: those of the last finite tick, and the reason."""

    images: int  # real images shown to D
    seconds: float  # training time without evaluation
    evaluation_seconds: float
    values: Mapping[str, float]  # metrics and signals, all finite; {} if the trial diverged before the first evaluation
    finished: bool = False  # the budget is spent
    diverged: str = ""  # which values are not finite and since when; "" if none

    @property
    def kimg(self) -> float:
        """Thousands of real images shown to D."""
        return to_kimg(self.images)


class Trial:
    """A trial that pauses at ticks: `advance` trains to the next tick and evaluates there.

    On a GPU it works on the stream of its thread, so that trials of one process run side by side, each in a thread. capture: whether rounds of updates are
    recorded there and replayed (trainables.capture). Raises UserError if the config does not fit the data.
    """

    def __init__(
        self, config: TrialConfig, source: Source, evaluate: Evaluate, *, device: torch.device | str = "cpu", capture: bool = True
    ):
        self.config, self.source, self.evaluate, self.device = config, source, evaluate, torch.device(device)
        self._stream = own_stream(self.device)
        with self._on_stream():
            self.run = LOOPS.pick(config.loop)(config, source, device=self.device)
        self._eager = ""
        if self._stream and not capture:
            self._eager = "resources.capture is off"
        elif self._stream and not isinstance(self.run, Run):
            self._eager = f"loop: {config.loop} has no rounds that can be recorded"
        elif self._stream and isinstance(self.run, Run):
            self.run.capture(cuda_recorder(self.run.rng))
        self._ticks = self.run.ticks()
        self._images, self._seconds, self._evaluation_seconds = 0, 0.0, 0.0
        self._values: dict[str, float] = {}
        self._loadable: object = None  # what is known of a generator whose file can be loaded

    def advance(self) -> Measured:
        """Train to the next tick and evaluate; the first tick measures the untrained networks.

        A diverged trial returns the numbers of its last finite tick and the reason; it has no further ticks. Raises UserError if a metric is not
        a finite number, or a signal not a number, or if a trick or a loop returns a generator that cannot be saved.
        """
        with self._on_stream():
            return self._advance()

    def _on_stream(self) -> AbstractContextManager[Any]:
        return torch.cuda.stream(self._stream) if self._stream else nullcontext()

    def _advance(self) -> Measured:
        try:
            start = time.perf_counter()
            tick = next(self._ticks)
            trained = time.perf_counter() - start
            speed = {"images_per_second": (tick.images - self._images) / trained} if tick.images else {}
            start = time.perf_counter()
            scores = self.evaluate(self._generator())
            evaluated = time.perf_counter() - start
            # a metric that is not finite is its own fault; a signal that is not is a result
            scores = {name: finite(value, f"the metric {name}") for name, value in scores.items()}
            signals = {name: number(value, f"the signal {name}") for name, value in tick.signals.items()}
            self._values = {**scores, **_finite(signals, after=f"{tick.images} images"), **speed, **device_load(self.device)}
            self._images, self._seconds, self._evaluation_seconds = (
                tick.images,
                self._seconds + trained,
                self._evaluation_seconds + evaluated,
            )
        except Diverged as reason:
            return self._measured(diverged=str(reason))
        return self._measured(finished=tick.images >= to_images(self.config.budget_kimg))

    def _generator(self) -> Generator:
        """Return the generator to evaluate or save. Raises UserError if its file could not be loaded."""
        generator = self.run.generator()
        known = [*map(type, generator.net.modules())], generator.latent
        if known != self._loadable:  # at the first tick, and whenever a trick returns another one
            refuse_unloadable(generator, self.config, self.source.shape)
            self._loadable = known
        return generator

    def speed(self, seconds: float) -> float:
        """Train on through ticks for about so many seconds, without evaluation. Returns images per second; 0 once the trial has diverged.

        Only to measure: the trial is at no tick afterwards.
        """
        start, before = time.perf_counter(), self._images
        with self._on_stream(), suppress(Diverged):
            for tick in self._ticks:
                self._images = tick.images
                if time.perf_counter() - start >= seconds:
                    break
        return (self._images - before) / (time.perf_counter() - start)

    def _measured(self, *, finished: bool = False, diverged: str = "") -> Measured:
        return Measured(
            images=self._images,
            seconds=self._seconds,
            evaluation_seconds=self._evaluation_seconds,
            values=self._values,
            finished=finished,
            diverged=diverged,
        )

    def release(self) -> None:
        """Give up the recorded rounds, so that the memory of the GPU is free as soon as nobody holds the trial."""
        if isinstance(self.run, Run):
            self.run.rounds = None

    @property
    def eager(self) -> str:
        """Why a GPU does not replay rounds, as a clause; "" if it does, if none was recorded yet, or on a CPU."""
        rounds = self.run.rounds if isinstance(self.run, Run) else None
        return self._eager or (rounds.reason if rounds else "")

    @property
    def effective(self) -> dict[str, Any]:
        """Settings read back from the objects that use them; {} for a plugin's loop."""
        return effective(self.run) if isinstance(self.run, Run) else {}

    def save(self, folder: Path) -> None:
        """Write a checkpoint of the current tick: the state needed to resume, the generator, a grid of its samples, and checksums of all files in the folder.

        Raises UserError if the disk is full.
        """
        with self._on_stream(), room_for(folder):
            self._save(folder)

    def _save(self, folder: Path) -> None:
        generator, shape = self._generator(), self.source.shape
        clocks = {"images": self._images, "seconds": self._seconds, "evaluation_seconds": self._evaluation_seconds, "values": self._values}
        state = saved({"run": self.run.state_dict(), **clocks})  # in memory: of a full disk, torch says neither the path nor the reason
        (folder / STATE).write_bytes(state.getbuffer())
        save_generator(generator, self.config, shape, folder / GENERATOR_FILE)
        samples = grid_samples(generator, shape, seed=_GRID_SEED)
        (folder / SAMPLES).write_bytes(grid_png(samples, extent=extent(self.source.train)))
        write_sums(folder)

    def load(self, folder: Path) -> None:
        """Resume from a checkpoint of the same config; `advance` then continues with the tick after it. Raises UserError if its state is damaged."""
        if problem := state_damage(folder):
            raise UserError(f"{folder / STATE} must be as it was saved; {problem}. Resume from another checkpoint")
        state = torch.load(folder / STATE, map_location="cpu", weights_only=True)  # random states must be on the CPU
        with self._on_stream():
            self.run.load_state_dict(state["run"])
        self._images, self._seconds, self._evaluation_seconds, self._values = (
            state[name] for name in ("images", "seconds", "evaluation_seconds", "values")
        )
        self._ticks = self.run.ticks()
        if not self._images:
            next(self._ticks)  # skips the tick of the untrained networks, which the checkpoint holds


def state_damage(folder: Path) -> str:
    """Return in a clause why a checkpoint cannot be resumed from; "" if it can. Without checksums, those that are part of the zip format tell."""
    state = folder / STATE
    if (problem := damage(state)) or has_sums(folder):
        return problem
    try:
        with ZipFile(state) as file:
            return "" if file.testzip() is None else "it is damaged"
    except (BadZipFile, OSError, ValueError, NotImplementedError, EOFError) as error:  # all that damage makes zipfile raise
        return f"it is damaged: {error}"


def _finite(values: dict[str, float], *, after: str) -> dict[str, float]:
    """Return the values. Raises Diverged if one is not finite."""
    if bad := [name for name, value in values.items() if not math.isfinite(value)]:
        raise Diverged(f"{', '.join(bad)} not finite after {after}")
    return values


def device_load(device: torch.device) -> dict[str, float]:
    """Return peak memory and utilisation of a GPU; {} on a CPU."""
    if device.type != "cuda":
        return {}
    load = {MEMORY: torch.cuda.max_memory_allocated(device) / 2**20}
    with suppress(NVMLError):  # MIG slices, some virtual GPUs and WSL do not report utilisation
        load[UTILISATION] = float(torch.cuda.utilization(device))
    return load
