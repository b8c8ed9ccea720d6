"""Images per second of training, beside the loop of Ray Tune's own example of a DCGAN (`ray.tune.examples.pbt_dcgan_mnist`), on one thread.

That example is imported from the installed ray, not copied. Its networks are ours of width 32 with latent.dim 100 and d.norm batch.
Its loop as it is scores every batch with a small classifier and starts two loader processes anew every five steps; so it is also
measured without the two, and with nothing but its updates.
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

N_IMAGES = 10_000
STEPS = 20  # a measurement: a multiple of the five that the example runs at a time
N = 7
LR = 2e-4
SETTINGS = {"g.width": 32, "d.width": 32, "d.norm": "batch", "latent.dim": 100, "g.lr": LR, "d.lr": LR, "batch_size": example.batch_size}
TICK_KIMG = to_kimg(STEPS * example.batch_size)


def figures() -> Figures:
    torch.set_num_threads(1)
    small = np.random.default_rng(0).integers(0, 256, (N_IMAGES, 28, 28), dtype=np.uint8)
    trial = our_trial(np.pad(small, ((0, 0), (2, 2), (2, 2)))[:, None])
    trial.advance()  # to the tick before training
    run = trial.run
    assert isinstance(run, Run)
    with tempfile.TemporaryDirectory() as folder:
        write_mnist(small, Path(folder))
        peer = Example(folder)
        yield from compared("loop as it is", trial.advance, peer.as_it_is)
        yield from compared("loop without its score, loader in the process", trial.advance, peer.without_extras)
        yield from compared("updates alone, batches ready", trial.advance, peer.updates_alone)
    yield Figure("share of our step in convolutions", [100 * share_of_convolutions(trial)], "% of CPU")
    ours, theirs = ([n_weights(net) for net in nets] for nets in ((run.nets.g, run.nets.d), (peer.g, peer.d)))
    yield (
        f"Weights (G, D): ours {ours}, the example's {theirs}: ours have a bias where no norm follows. Ours draws new latents for G's "
        "step (Goodfellow et al. 2014, algorithm 1), which costs a pass of G that the example, showing D the same images again, saves; "
        "the example gathers gradients of D's weights in G's step, which nobody uses. Ours always includes its batches, its signals "
        f"and, every {STEPS} steps, the look at D's gradients."
    )


def our_trial(images: np.ndarray) -> Trial:
    """Without evaluation: the training step alone is timed."""
    config = TrialConfig.from_flat({**SETTINGS, "tick_kimg": TICK_KIMG, "budget_kimg": 1e6})
    return Trial(config, Source(name="noise", train=images, heldout=images[:1000]), lambda generator: {})


def write_mnist(images: np.ndarray, folder: Path) -> None:
    """In MNIST's file format, so that torchvision finds what it would otherwise fetch."""
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part in ("train", "t10k"):
        pixels = struct.pack(">4i", 2051, *images.shape) + images.tobytes()
        labels = struct.pack(">2i", 2049, len(images)) + bytes(len(images))
        for name, data in ((f"{part}-images-idx3-ubyte", pixels), (f"{part}-labels-idx1-ubyte", labels)):
            (raw / name).write_bytes(data)
            (raw / f"{name}.gz").write_bytes(gzip.compress(data, 1))


class Example:
    """Its networks, made as its `dcgan_train` makes them, and its `train_func`."""

    def __init__(self, folder: str):
        self.folder = folder
        self.g, self.d = example.Generator(), example.Discriminator()
        self.g.apply(example.weights_init)
        self.d.apply(example.weights_init)
        self.g_opt, self.d_opt = (torch.optim.Adam(net.parameters(), lr=LR, betas=(example.beta1, 0.999)) for net in (self.g, self.d))
        self.scorer = example.Net().eval()

    def train(self, loader: Any) -> None:
        example.train_func(self.d, self.g, self.g_opt, self.d_opt, nn.BCELoss(), loader, 1, torch.device("cpu"), None)

    def as_it_is(self) -> None:
        with patch.object(example, "ray", SimpleNamespace(get=lambda _: self.scorer)):  # fetching the scorer from Ray is not what is timed
            loader = example.get_data_loader(self.folder)
            for _ in range(STEPS // example.train_iterations_per_step):
                self.train(loader)

    def without_extras(self) -> None:
        with patch.multiple(example, inception_score=lambda *_: (0.0, 0.0), workers=0, train_iterations_per_step=STEPS):
            self.train(example.get_data_loader(self.folder))

    def updates_alone(self) -> None:
        batch = torch.randn(example.batch_size, example.nc, example.image_size, example.image_size)
        with patch.multiple(example, inception_score=lambda *_: (0.0, 0.0), train_iterations_per_step=STEPS):
            self.train([(batch,)] * STEPS)


def compared(what: str, ours: Callable[[], Any], peer: Callable[[], Any]) -> Figures:
    a, b = in_turns(lambda: speed(ours), lambda: speed(peer), n=N)
    yield Figure(f"{what}: ours", a, "images/s")
    yield Figure(f"{what}: Ray's example", b, "images/s")
    yield Figure(f"{what}: ratio", [x / y for x, y in zip(a, b, strict=True)], "×", "≥ 1.3")


def speed(steps: Callable[[], Any]) -> float:
    start = time.perf_counter()
    steps()
    return STEPS * example.batch_size / (time.perf_counter() - start)


def share_of_convolutions(trial: Trial) -> float:
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        trial.advance()
    spent = {event.key: event.self_cpu_time_total for event in profiled.key_averages()}
    return float(sum(spent[name] for name in spent if name.startswith("aten::") and "conv" in name) / sum(spent.values()))


def n_weights(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())
