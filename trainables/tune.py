"""A Run as a Ray Tune class Trainable: one step is one tick. The one file here that knows Ray."""

import importlib
import math
import pickle
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import ray
import torch
from pynvml import NVMLError
from ray import cloudpickle, tune
from ray.tune.result import DONE, SHOULD_CHECKPOINT

from trainables.config import TrialConfig
from trainables.data import Source
from trainables.effective import effective
from trainables.generators import GENERATOR, save_generator
from trainables.grid import extent, grid_png, grid_samples
from trainables.loop import Diverged
from trainables.run import LOOPS, Run
from trainables.sampler import Sampler

STATE = "run.pt"  # all that going on needs
SAMPLES = "samples.png"
GRID_SEED = 0  # the same latents for every trial and tick


class Judge(Protocol):
    def __call__(self, sampler: Sampler) -> Mapping[str, float]: ...

    def on(self, device: torch.device) -> "Judge":
        """The same, with its networks on a device."""


@dataclass(frozen=True, kw_only=True)
class Shared:
    """What all trials of a study share. It arrives once per worker through the object store, without a copy of its arrays.

    The plugins are imported before anything that may be theirs is unpacked.
    """

    source: Source
    judge: Judge
    plugins: Sequence[str] = ()
    plugin_folders: Sequence[str] = ()  # where they are found, beside what is installed

    def __reduce__(self) -> tuple[Any, ...]:
        buffers: list[pickle.PickleBuffer] = []
        packed = cloudpickle.dumps((self.source, self.judge), protocol=5, buffer_callback=buffers.append)
        return _unpacked, (self.plugins, self.plugin_folders, packed, buffers)


def _unpacked(plugins: Sequence[str], folders: Sequence[str], packed: bytes, buffers: list[Any]) -> Shared:
    sys.path += [folder for folder in folders if folder not in sys.path]
    for module in plugins:
        importlib.import_module(module)
    source, judge = pickle.loads(packed, buffers=buffers)
    return Shared(source=source, judge=judge, plugins=plugins, plugin_folders=folders)


class GanTrainable(tune.Trainable):
    """Reports {images, seconds, judge_seconds, values, ended, reason, effective, done}; values are always finite. Asks to be saved at each tick that is.

    Its Tune config is {"flat": a flat TrialConfig, "checkpoint": a folder to go on from, or None}.
    `shared` comes by tune.with_parameters.
    """

    def setup(self, config: dict[str, Any], *, shared: Shared) -> None:  # type: ignore[override]
        self.device = assigned_device(self.trial_resources.required_resources if self.trial_resources else {})
        self.source, self.judge, self.extent = shared.source, shared.judge.on(self.device), extent(shared.source.train)
        self.begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.begin(new_config)
        return True

    def begin(self, config: dict[str, Any]) -> None:
        vars(self).pop("run", None), vars(self).pop("ticks", None)  # gives the last trial's memory back before the next one's is taken
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        trial = TrialConfig.from_flat(config["flat"])
        self.run = LOOPS.pick(trial.loop)(trial, self.source, device=self.device)
        self.trial_config, self.ticks = trial, self.run.ticks()
        self.images, self.seconds, self.judge_seconds = 0, 0.0, 0.0
        self.values: dict[str, float] = {}
        if config["checkpoint"]:
            self.load_checkpoint(config["checkpoint"])

    def step(self) -> dict[str, Any]:
        ended, reason = "", ""
        try:
            start = time.perf_counter()
            tick = next(self.ticks)
            trained = time.perf_counter() - start
            speed = {"images_per_second": (tick.images - self.images) / trained} if tick.images else {}
            self.images, self.seconds = tick.images, self.seconds + trained
            start = time.perf_counter()
            judged = self.judge(self.run.sampler())
            self.judge_seconds += time.perf_counter() - start
            self.values = finite({**judged, **tick.signals, **speed, **device_load(self.device)}, tick.images)
            if tick.images >= 1000 * self.trial_config.budget_kimg:
                ended = "budget"
        except Diverged as error:
            ended, reason = "dead", str(error)
        return {
            "images": self.images,
            "seconds": self.seconds,
            "judge_seconds": self.judge_seconds,
            "values": self.values,
            "ended": ended,
            "reason": reason,
            "effective": effective(self.run) if isinstance(self.run, Run) and not self.images else {},
            DONE: bool(ended),
            SHOULD_CHECKPOINT: ended != "dead",
        }

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        folder, sampler = Path(checkpoint_dir), self.run.sampler()
        clocks = {"images": self.images, "seconds": self.seconds, "judge_seconds": self.judge_seconds, "values": self.values}
        torch.save({"run": self.run.state_dict(), **clocks}, folder / STATE)
        save_generator(sampler, self.trial_config, self.source.shape, folder / GENERATOR)
        samples = grid_samples(sampler, self.source.shape, seed=GRID_SEED)
        (folder / SAMPLES).write_bytes(grid_png(samples, extent=self.extent))

    def load_checkpoint(self, checkpoint: str) -> None:  # type: ignore[override]  # Tune gives the folder
        state = torch.load(Path(checkpoint) / STATE, map_location="cpu", weights_only=True)  # states of generators must stay there
        self.run.load_state_dict(state["run"])
        self.images, self.seconds, self.judge_seconds, self.values = (state[k] for k in ("images", "seconds", "judge_seconds", "values"))
        self.ticks = self.run.ticks()


def finite(values: dict[str, float], images: int) -> dict[str, float]:
    """The values, or Diverged: a judge that sees infinities has seen the run leave the finite numbers."""
    if bad := [key for key, value in values.items() if not math.isfinite(value)]:
        raise Diverged(f"{', '.join(bad)} not finite after {images} images")
    return values


def assigned_device(resources: Mapping[str, float]) -> torch.device:
    """The device that Ray gave to this trial, not whatever it can see; and no more threads and memory than its share."""
    torch.set_num_threads(max(1, int(resources.get("CPU", 1))))
    share = resources.get("GPU", 0.0)
    if not share or not ray.get_runtime_context().get_accelerator_ids().get("GPU"):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise RuntimeError(
            "Ray assigned a GPU to this trial, but torch sees none on this node: is its torch built for CUDA, and its driver there?"
        )
    torch.cuda.init()  # whose memory counters are asked for before anything else may have used the device
    if share < 1:
        torch.cuda.set_per_process_memory_fraction(share)
    return torch.device("cuda", 0)  # Ray narrows CUDA_VISIBLE_DEVICES to what it assigned


def device_load(device: torch.device) -> dict[str, float]:
    if device.type != "cuda":
        return {}
    load = {"device/memory_mb": torch.cuda.max_memory_allocated(device) / 2**20}
    with suppress(NVMLError):  # slices of a GPU (MIG), some virtual ones and WSL do not tell
        load["device/utilisation"] = float(torch.cuda.utilization(device))
    return load
