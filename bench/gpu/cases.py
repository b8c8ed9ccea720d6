"""What is trained: noise as data, networks of the sizes that people use, and every table entry alone."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch

from trainables.config import TrialConfig
from trainables.cuda_graphs import cuda_recorder
from trainables.data import Source
from trainables.losses import LOSSES
from trainables.models import ARCHS
from trainables.optimisers import OPTIMISERS
from trainables.run import Run
from trainables.tricks import TRICKS
from trainables.updates import UPDATES

Settings = dict[str, Any]
DEVICE = torch.device("cuda")
ENDLESS = {"tick_kimg": 1000.0, "budget_kimg": 1e6}
_WIDE = {"g.width": 64, "d.width": 64, "batch_size": 64}
SPEED: dict[str, tuple[Settings, tuple[int, ...]]] = {
    "mlp, 2-D, batch 256": ({"arch": "mlp", "g.width": 128, "d.width": 128, "batch_size": 256}, (2,)),
    "dcgan 28": (_WIDE, (1, 28, 28)),
    "dcgan 32": (_WIDE, (3, 32, 32)),
    "dcgan 32, r1": (_WIDE | {"r1": True}, (3, 32, 32)),
    "dcgan 64, batch 128": (_WIDE | {"batch_size": 128}, (3, 64, 64)),
    "resnet 32, width 128": ({"arch": "resnet", "loss": "hinge", "g.width": 128, "d.width": 128, "batch_size": 64}, (3, 32, 32)),
    "r3 32, r1, r2": (_WIDE | {"arch": "r3", "loss": "relativistic", "r1": True, "r2": True}, (3, 32, 32)),
}


@cache
def noise(shape: tuple[int, ...]) -> Source:
    """Return 20,000 random images or points of ten classes."""
    rng, n = np.random.default_rng(0), 20_000
    rows = rng.standard_normal((n, *shape)).astype(np.float32) if len(shape) == 1 else rng.integers(0, 256, (n, *shape), dtype=np.uint8)
    labels = rng.integers(0, 10, n)
    return Source(
        name="noise", train=rows, heldout=rows[:1000], train_labels=labels, heldout_labels=labels[:1000], classes=tuple("abcdefghij")
    )


def entries() -> dict[str, Settings]:
    """Return the settings that turn on each table entry alone, by its name."""
    found: dict[str, Settings] = {"defaults": {}}
    for name, table in (("arch", ARCHS), ("loss", LOSSES), ("update", UPDATES), ("optimiser", OPTIMISERS)):
        found |= {f"{name}: {entry}": {name: entry} for entry in table}
    found |= {name: {name: True} for name in TRICKS}
    found["arch: r3"] |= {"g.depth": 1, "d.depth": 1}
    found["experience_replay"] |= {"experience_replay.images": 40}
    found |= {f"{name}, lazy": {name: True, f"{name}.interval": 3} for name in ("r1", "wgan_gp")}
    found |= {"r1, scheduled": {"r1": True, "r1.warmup": 0.5, "r1.end": 0.1}, "d_steps 3, g_steps 2": {"d_steps": 3, "g_steps": 2}}
    for g in ("concat", "batchnorm"):
        found |= {f"classes: {g}, {d}": {"g.condition": g, "d.condition": d} for d in ("concat", "projection", "auxiliary")}
    choices = {
        "g.upsampling": ("nearest", "bilinear", "pixel_shuffle"),
        "d.downsampling": ("average", "max"),
        "d.norm": ("batch", "layer", "instance", "group"),
        "g.output": ("sigmoid", "linear"),
        "latent.distribution": ("uniform", "sphere", "truncated"),
    }
    found |= {f"{name}: {value}": {name: value} for name, values in choices.items() for value in values}
    return found | {"dropout": {"g.dropout": 0.3, "d.dropout": 0.3}}


def make(settings: Settings, shape: tuple[int, ...], *, captured: bool) -> Run:
    """Return a run on the GPU, on the current stream."""
    run = Run(TrialConfig.from_flat({"arch": "dcgan", "data": "digits", **ENDLESS, **settings}), noise(shape), device=DEVICE)
    if captured:
        run.capture(cuda_recorder(run.rng))
    return run


def stepper(run: Run) -> Callable[[], None]:
    """Return what trains one round."""
    return run.rounds or run.round


def weights(run: Run) -> torch.Tensor:
    """Return all weights of both networks as one vector."""
    return torch.cat([p.detach().flatten() for net in (run.nets.g, run.nets.d) for p in net.parameters()])
