"""Training speed in images per second on one thread, compared with Ray Tune's DCGAN example, `ray.tune.examples.pbt_dcgan_mnist`.

The example is imported from the installed ray. Its networks equal ours with width 32, latent.dim 100 and d.norm batch. Its loop scores every
batch with a small classifier and restarts two loader processes every five steps. It is therefore also measured without both, and with its
updates alone.
"""

import gzip
import struct
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from ray.tune.examples.pbt_dcgan_mnist import common as example
from torch import nn
from torch.profiler import ProfilerActivity, profile

from bench.figures import Figure, Figures, in_turns
from ganstudy.units import to_kimg
from trainables.config import TrialConfig
from trainables.data import Source
from trainables.run import Run
from trainables.trial import Trial

_N_IMAGES = 10_000
STEPS = 20  # per measurement; a multiple of the five that one call of the example runs
_N = 7  # measurements
_LR = 2e-4
SETTINGS = {"g.width": 32, "d.width": 32, "d.norm": "batch", "latent.dim": 100, "g.lr": _LR, "d.lr": _LR, "batch_size": example.batch_size}
_TICK_KIMG = to_kimg(STEPS * example.batch_size)


def figures() -> Figures:
    """Images per second of both loops and their ratio, and the share of convolutions."""
    torch.set_num_threads(1)
    small = np.random.default_rng(0).integers(0, 256, (_N_IMAGES, 28, 28), dtype=np.uint8)
    trial = _our_trial(np.pad(small, ((0, 0), (2, 2), (2, 2)))[:, None])
    trial.advance()  # the tick before training
    run = trial.run
    assert isinstance(run, Run)
    with tempfile.TemporaryDirectory() as folder:
        write_mnist(small, Path(folder))
        peer = Example(folder)
        yield from _compared("unchanged loop", trial.advance, peer.as_it_is)
        yield from _compared("loop without scores, data loader in the process", trial.advance, peer.without_extras)
        yield from _compared("updates only, batches in memory", trial.advance, peer.updates_alone)
    yield Figure("share of convolutions in our step", [100 * _share_of_convolutions(trial)], "% of CPU")
    ours, theirs = ([_n_weights(net) for net in nets] for nets in ((run.nets.g, run.nets.d), (peer.g, peer.d)))
    yield (
        f"Weights (G, D): ours {ours}, the example {theirs}; our layers have a bias if no norm follows. For G's step, ours draws new latents "
        "(Goodfellow et al. 2014, algorithm 1), which costs an additional pass of G; the example reuses the images of D's step. In G's step, "
        "the example computes gradients of D's weights, which are not used. Ours always includes batches, signals "
        f"and, every {STEPS} steps, the gradient of D with respect to images."
    )


def _our_trial(images: np.ndarray) -> Trial:
    """A trial without evaluation, to time only the training step."""
    config = TrialConfig.from_flat({**SETTINGS, "tick_kimg": _TICK_KIMG, "budget_kimg": 1e6})
    return Trial(config, Source(name="noise", train=images, heldout=images[:1000]), lambda generator: {})


def write_mnist(images: np.ndarray, folder: Path) -> None:
    """Write images in MNIST's file format, so that torchvision does not download MNIST."""
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part in ("train", "t10k"):
        pixels = struct.pack(">4i", 2051, *images.shape) + images.tobytes()
        labels = struct.pack(">2i", 2049, len(images)) + bytes(len(images))
        for name, data in ((f"{part}-images-idx3-ubyte", pixels), (f"{part}-labels-idx1-ubyte", labels)):
            (raw / name).write_bytes(data)
            (raw / f"{name}.gz").write_bytes(gzip.compress(data, 1))


class Example:
    """Ray's example: networks set up as in its `dcgan_train`, trained by its `train_func`. Each method trains STEPS batches."""

    def __init__(self, folder: str, device: torch.device | str = "cpu"):
        self.folder, self.device = folder, torch.device(device)
        self.g, self.d = example.Generator().to(device), example.Discriminator().to(device)
        self.g.apply(example.weights_init)
        self.d.apply(example.weights_init)
        self.g_opt, self.d_opt = (torch.optim.Adam(net.parameters(), lr=_LR, betas=(example.beta1, 0.999)) for net in (self.g, self.d))
        self.scorer = example.Net().eval()

    def train(self, loader: Any) -> None:
        example.train_func(self.d, self.g, self.g_opt, self.d_opt, nn.BCELoss(), loader, 1, self.device, None)

    def as_it_is(self) -> None:
        with patch.object(example, "ray", SimpleNamespace(get=lambda _: self.scorer)):  # do not time fetching the scorer from Ray
            loader = example.get_data_loader(self.folder)
            for _ in range(STEPS // example.train_iterations_per_step):
                self.train(loader)

    def without_extras(self) -> None:
        with patch.multiple(example, inception_score=lambda *_: (0.0, 0.0), workers=0, train_iterations_per_step=STEPS):
            self.train(example.get_data_loader(self.folder))

    def updates_alone(self) -> None:
        batch = torch.randn(example.batch_size, example.nc, example.image_size, example.image_size, device=self.device)
        with patch.multiple(example, inception_score=lambda *_: (0.0, 0.0), train_iterations_per_step=STEPS):
            self.train([(batch,)] * STEPS)


def _compared(what: str, ours: Callable[[], Any], peer: Callable[[], Any]) -> Figures:
    a, b = in_turns(lambda: _speed(ours), lambda: _speed(peer), n=_N)
    yield Figure(f"{what}: ours", a, "images/s")
    yield Figure(f"{what}: Ray's example", b, "images/s")
    yield Figure(f"{what}: ratio", [x / y for x, y in zip(a, b, strict=True)], "×", "≥ 1.3")


def _speed(steps: Callable[[], Any]) -> float:
    """Images per second."""
    start = time.perf_counter()
    steps()
    return STEPS * example.batch_size / (time.perf_counter() - start)


def _share_of_convolutions(trial: Trial) -> float:
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        trial.advance()
    spent = {event.key: event.self_cpu_time_total for event in profiled.key_averages()}
    return float(sum(spent[name] for name in spent if name.startswith("aten::") and "conv" in name) / sum(spent.values()))


def _n_weights(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())
