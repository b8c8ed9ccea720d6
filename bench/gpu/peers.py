"""Rounds per second of Ray Tune's DCGAN example on the same GPU, beside ours with the same networks and batches."""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.gpu.cases import DEVICE, make, stepper
from bench.gpu.speed import per_second

_SHAPE, _SECONDS = (1, 32, 32), 2.0


def rows() -> Iterator[dict[str, Any]]:
    """Yield rounds per second of ours, eager and captured, and of the example: as it is, without its scores and loaders, its updates alone."""
    try:
        from bench.step import SETTINGS, STEPS, Example, write_mnist  # here: the example imports matplotlib
    except ImportError as error:
        yield {"peer": "Ray's DCGAN example", "error": f"cannot be imported: {error}"}
        return
    for how, captured in (("eager", False), ("captured", True)):
        with torch.cuda.stream(torch.cuda.Stream()):
            yield {
                "loop": f"ours, {how}",
                "rounds_per_s": round(per_second(stepper(make(SETTINGS, _SHAPE, captured=captured)), _SECONDS), 1),
            }
    small = np.random.default_rng(0).integers(0, 256, (10_000, 28, 28), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        write_mnist(small, Path(folder))
        peer = Example(folder, DEVICE)
        ways: dict[str, Callable[[], None]] = {
            "as it is": peer.as_it_is,
            "without scores and loaders": peer.without_extras,
            "updates alone": peer.updates_alone,
        }
        for how, steps in ways.items():
            steps()  # warm-up
            n, start = 0, time.perf_counter()
            while time.perf_counter() - start < _SECONDS:
                steps()
                torch.cuda.synchronize()
                n += STEPS
            yield {"loop": f"Ray's example, {how}", "rounds_per_s": round(n / (time.perf_counter() - start), 1)}
