"""Metrics that compute on the GPU beside the same on the CPU: seconds, and how far their values differ."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from analysis.metrics import Comparison, Reference, Samples, measure
from bench.gpu.cases import DEVICE

_SIZES = ((2_000, 64), (2_000, 128), (10_000, 2_048))  # samples and features: a classifier's, a random network's, Inception's


def rows() -> Iterator[dict[str, Any]]:
    """Yield seconds of one evaluation without the networks, on each device, and the largest difference of a value between them."""
    for n, d in _SIZES:
        rng = np.random.default_rng(0)
        real, train, fake = (rng.standard_normal((n, d)).astype(np.float32) for _ in range(3))
        reference = Reference.of(Samples(features=real), n=n, train=train[:5_000])
        fake = np.float32(1.1) * fake + np.float32(0.1)
        host = Comparison(real=reference, fake=Samples(features=fake))
        operands = host.operands.map(lambda array: torch.tensor(array, device=DEVICE))
        start = time.perf_counter()
        on_cpu = measure(host)
        row: dict[str, Any] = {"samples": n, "features": d, "cpu_s": time.perf_counter() - start, "cpu_threads": torch.get_num_threads()}
        for turn in ("first_s", "gpu_s"):  # the first initialises the libraries of the GPU
            start = time.perf_counter()
            on_gpu = measure(Comparison(real=reference, fake=host.fake, on_device=operands))
            row[turn] = time.perf_counter() - start
        differences = {name: abs(on_gpu[name] - value) / max(abs(value), 1e-3) for name, value in on_cpu.items()}
        worst = max(differences, key=lambda name: differences[name])
        yield row | {"largest_difference": differences[worst], "of": worst}
