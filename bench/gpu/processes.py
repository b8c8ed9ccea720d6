"""Rounds per second of several trials that share a GPU as separate processes, which take turns on it."""

from collections.abc import Iterator
from multiprocessing.context import SpawnContext
from multiprocessing.synchronize import Barrier
from typing import Any

import torch

from bench.gpu.cases import SPEED, make, stepper
from bench.gpu.speed import per_second

_NUMBERS = (1, 4, 8)
_START_S = 120  # to import, build and capture


def rows(cases: tuple[str, ...], seconds: float = 1.5) -> Iterator[dict[str, Any]]:
    """Yield rounds per second of all trials together, eager and captured, for 1 to 8 processes."""
    for case in cases:
        for captured in (False, True):
            for n in _NUMBERS:
                context = SpawnContext()
                ready, speeds = context.Barrier(n), context.SimpleQueue()
                processes = [context.Process(target=_train, args=(case, captured, seed, seconds, ready, speeds)) for seed in range(n)]
                for process in processes:
                    process.start()
                for process in processes:
                    process.join()
                found = [speeds.get() for _ in processes if not speeds.empty()]
                yield {"case": case, "processes": n, "captured": captured, "finished": len(found), "rounds_per_s": round(sum(found), 1)}


def _train(case: str, captured: bool, seed: int, seconds: float, ready: Barrier, speeds: Any) -> None:
    settings, shape = SPEED[case]
    with torch.cuda.stream(torch.cuda.Stream()):
        step = stepper(make({**settings, "seed": seed}, shape, captured=captured))
        for _ in range(8):
            step()
        torch.cuda.current_stream().synchronize()
        ready.wait(_START_S)
        speeds.put(per_second(step, seconds))
