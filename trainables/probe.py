"""How many trials of one process train fastest together on a device (`resources.gpu: auto`).

Trials are added, 1, 2, 4, ... of different configs, until together they train hardly faster or the memory is nearly full.
"""

import tempfile
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from ganstudy.units import to_kimg
from trainables.config import TrialConfig
from trainables.lanes import Lanes
from trainables.tune import Shared

_GAIN = 1.1  # twice as many trials must train at least this much faster
_MEMORY = 0.8  # share of a GPU's memory that may be in use: evaluation and other configs need more than was measured
_BATCHES = 8  # between two looks at the time; a signal or two are computed there
_ENDLESS = 1e6  # kimg
_WARM_S, _ALONE_S, _TOGETHER_S = 0.5, 0.3, 1.0


@dataclass(frozen=True, kw_only=True)
class Load:
    """What a number of trials in one process gave."""

    lanes: int
    speed: float  # of all together; 1: as fast as one trial alone
    memory: float  # share of the GPU's memory in use, also by other processes; 0 on a CPU


def probe(shared: Shared, flats: Sequence[Mapping[str, Any]], *, cpus: float, gpu: float) -> list[Load]:
    """Train a few rounds of 1, 2, 4, ... up to len(flats) configs side by side. Returns what each number gave, up to the first too large one.

    cpus, gpu: see Lanes. Configs that diverge at once are left out. Running out of memory ends the probe.
    """
    lanes, found, waiting = Lanes(shared, cpus=cpus, gpu=gpu), list[Load](), deque(enumerate(flats))
    alone: dict[str, float] = {}  # lane -> images per second
    threads: dict[str, ThreadPoolExecutor] = {}
    with ExitStack() as stack:
        try:
            while waiting and _worthwhile(found):
                wanted = 2 * len(alone) or 1
                while waiting and len(alone) < wanted:
                    number, flat = waiting.popleft()
                    name = str(number)
                    threads[name] = stack.enter_context(ThreadPoolExecutor(1))
                    if speed := threads[name].submit(_alone, lanes, name, flat).result():
                        alone[name] = speed
                together = {name: threads[name].submit(lanes.speed, name, _TOGETHER_S) for name in alone}
                speed = sum(future.result() / alone[name] for name, future in together.items())
                found.append(Load(lanes=len(alone), speed=speed, memory=lanes.memory_in_use()))
        except torch.OutOfMemoryError:
            pass
        for name in threads:
            lanes.end(name)
    return [load for load in found if load.lanes]


def best(loads: Sequence[Load]) -> int:
    """Return the number of trials that a GPU should train at a time, at least 1."""
    chosen = 1
    for before, after in pairwise(loads):
        if not _better(before, after):
            break
        chosen = after.lanes
    return chosen


def _worthwhile(loads: Sequence[Load]) -> bool:
    """Whether to try more trials."""
    return len(loads) < 2 or _better(*loads[-2:])


def _better(before: Load, after: Load) -> bool:
    return after.speed >= _GAIN * before.speed and after.memory <= _MEMORY


def _alone(lanes: Lanes, name: str, flat: Mapping[str, Any]) -> float:
    """Start a trial that ticks often and never ends. Returns its images per second; 0 if it diverges."""
    tick = to_kimg(_BATCHES * TrialConfig.from_flat(flat).batch_size)
    lanes.begin(name, {**flat, "tick_kimg": tick, "budget_kimg": _ENDLESS}, None)
    with tempfile.TemporaryDirectory() as folder:  # evaluation and checkpoint need memory too
        diverged = lanes.tick(name, Path(folder))["diverged"]
    if diverged:
        return 0.0
    lanes.speed(name, _WARM_S)
    return lanes.speed(name, _ALONE_S)
