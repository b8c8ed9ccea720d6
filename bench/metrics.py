"""Compares metrics with established packages: the same arrays, and each package's default number of threads."""

import contextlib
import gc
import os
import time
import tracemalloc
from collections.abc import Callable

import numpy as np
import torch
from prdc import compute_prdc
from torch_fidelity.metric_fid import fid_statistics_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torchmetrics.image.fid import _compute_fid

from analysis.metrics import frechet_distance, frechet_statistics, kid, prdc
from bench.figures import Figure, Figures, in_turns

_D = 2048  # dimension of Inception features
_N = 3  # repeats
_KID = {"kid_subsets": 100, "kid_subset_size": 1000, "kid_kernel": "poly", "kid_kernel_poly_degree": 3, "kid_kernel_poly_gamma": None}
_KID |= {"kid_kernel_poly_coef0": 1, "rng_seed": 2020, "verbose": False}


def figures() -> Figures:
    """Time ratios, differences in value, and peak memory."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    yield from _frechet()
    for n in (5_000, 10_000):
        yield from _kernel(n)
    yield from _neighbours(10_000)


def _frechet() -> Figures:
    x, y = _features(5_000, seed=0), _features(5_000, seed=1)
    a, b = frechet_statistics(x), frechet_statistics(y)
    b.factor  # noqa: B018  (computed once and cached, as in an evaluator)
    one, two = ({"mu": s.mean, "sigma": s.covariance} for s in (a, b))
    tensors = [torch.from_numpy(array) for s in (a, b) for array in (s.mean, s.covariance)]
    peers: dict[str, Callable[[], float]] = {
        "torch-fidelity": lambda: fid_statistics_to_metric(one, two, False)["frechet_inception_distance"],
        "torchmetrics": lambda: float(_compute_fid(*tensors)),
    }
    ours = frechet_distance(a, b)
    for (name, peer), target in zip(peers.items(), ("10", "4"), strict=True):
        yield _ratio(f"Fréchet distance, d = {_D:,}, statistics prepared: {name} / ours", lambda: frechet_distance(a, b), peer, target)
        yield Figure(f"  relative difference from {name}", [abs(peer() / ours - 1)], target="≤ 1e-6")


def _kernel(n: int) -> Figures:
    x, y = _features(n, seed=0), _features(n, seed=1)
    theirs = torch.from_numpy(x), torch.from_numpy(y)
    yield _ratio(
        f"KID, {n:,} × {_D:,} float32, 100 × 1,000: torch-fidelity / ours",
        lambda: kid(x, y),
        lambda: kid_features_to_metric(*theirs, **_KID),
        "2",
    )
    found, expected = kid(x, y).mean, kid_features_to_metric(*theirs, **_KID)["kernel_inception_distance_mean"]
    yield Figure("  difference", [abs(found - expected)])


def _neighbours(n: int) -> Figures:
    x, y = _features(n, seed=0), _features(n, seed=1)
    yield _ratio(
        f"precision, recall, density, coverage, {n:,} × {n:,} × {_D:,} float32: prdc / ours",
        lambda: prdc(x, y),
        lambda: _prdc_package(x, y),
        "2",
    )
    ours, theirs = _peak(lambda: prdc(x, y)), _peak(lambda: _prdc_package(x, y))
    yield Figure("  additional memory: prdc", [theirs], "MB")
    yield Figure("  additional memory: ours", [ours], "MB", f"≤ {theirs / 4:.0f}")
    found, expected = prdc(x, y), _prdc_package(x, y)
    yield Figure("  largest difference of the four metrics", [max(abs(found[name] - float(expected[name])) for name in found)], target="0")


def _prdc_package(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """The prdc package, without its printed output."""
    with contextlib.redirect_stdout(None):
        found: dict[str, float] = compute_prdc(x, y, nearest_k=5)
    return found


def _features(n: int, *, seed: int) -> np.ndarray:
    """Random features [n, 2048] as after a ReLU: non-negative, correlated, with unequal variances."""
    rng = np.random.default_rng(seed)
    mix = np.random.default_rng(99).normal(size=(64, _D)).astype(np.float32)
    z = rng.normal(size=(n, 64)).astype(np.float32) @ mix / 8 + rng.normal(size=(n, _D)).astype(np.float32)
    return np.maximum(z, 0) * np.linspace(0.2, 1, _D, dtype=np.float32)


def _ratio(what: str, ours: Callable[[], object], peer: Callable[[], object], target: str) -> Figure:
    mine, theirs = in_turns(lambda: _seconds(ours), lambda: _seconds(peer), n=_N)
    return Figure(what, [b / a for a, b in zip(mine, theirs, strict=True)], "×", f"≥ {target}")


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _peak(call: Callable[[], object]) -> float:
    """Peak memory that a call allocates, MB."""
    gc.collect()
    tracemalloc.start()
    call()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most / 2**20
