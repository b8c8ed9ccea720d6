"""Tiny trials for tests: networks of width 8, 50 images, three ticks of four steps. Also a second value for every setting."""

import io
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor

from study.spec.domains import extremes
from study.spec.ranges import RANGES
from trainables.config import TrialConfig, lives, need_of, settings
from trainables.data import Source, load
from trainables.run import Run
from trainables.sections import DataConfig
from trainables.tricks import TRICKS
from trainables.tricks.base import ImageTrick

DATA_OF = {"mlp": "ring8", "dcgan": "digits", "resnet": "digits", "infogan": "digits", "r3": "digits"}
BASE = {
    "g.width": 8,
    "d.width": 8,
    "latent.dim": 6,
    "batch_size": 12,  # divisible by every packing; epochs end within a batch
    "data.size": 50,
    "budget_kimg": 0.144,
    "tick_kimg": 0.048,
}


BESIDE: dict[str, dict[str, Any]] = {  # further settings that a setting requires or that its test needs
    "lookahead.k": {"budget_kimg": 20.0},  # enough updates of G for its whole range
    "g.gain": {"g.init": "orthogonal"},
    "d.gain": {"d.init": "orthogonal"},
    "g.output": {"data": "digits"},
    "g.upsampling": {"g.kernel": 3},  # valid for all upsampling methods
    "d.downsampling": {"d.kernel": 3},
    "g.condition": {"g.condition": "concat", "d.condition": "concat"},  # both networks must be conditional
    "d.condition": {"g.condition": "concat", "d.condition": "concat"},
    "g.embedding": {"d.condition": "concat"},
    "d.class_weight": {"g.condition": "concat"},
}


@cache
def source_of(data: DataConfig) -> Source:
    """Load a data set once per process."""
    return load(data)


def tiny_config(settings: Mapping[str, Any] = {}) -> TrialConfig:
    """Return the config of a tiny trial, changed by `settings`. The default data set depends on the architecture."""
    arch = settings.get("arch", "mlp")
    also: dict[str, Any] = {"g.depth": 1, "d.depth": 1} if arch == "r3" else {}
    also |= {"d.init": "kaiming"} if arch == "r3" and settings.get("spectral_norm") else {}  # it refuses weights initialised to 0
    return TrialConfig.from_flat({**BASE, "arch": arch, "data": DATA_OF.get(arch, "ring8"), **also, **settings})


def tiny(settings: Mapping[str, Any] = {}) -> Run:
    """Return the run of a tiny trial, changed by `settings`."""
    config = tiny_config(settings)
    return Run(config, source_of(DataConfig(name=config.data.name, resolution=config.data.resolution)))


def needs(name: str) -> dict[str, Any]:
    """Return the other settings that must be given so that a setting applies."""
    head = name.partition(".")[0]
    also: dict[str, Any] = {} if name == "arch" else {"arch": "mlp"}
    if head in TRICKS and issubclass(TRICKS[head], ImageTrick):
        also["data"] = "digits"
    if (need := need_of(name)) and not lives(name, also):
        also |= need.first
    return also | BESIDE.get(name, {})


def together(names: Iterable[str], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings with these tricks enabled, except those refused together with earlier ones."""
    on = dict(settings)
    images = len(source_of(DataConfig(name=on.get("data", DATA_OF[on.get("arch", "mlp")]))).shape) == 3
    for name in names:
        if images or not issubclass(TRICKS[name], ImageTrick):
            try:
                TrialConfig.from_flat({**BASE, "arch": "mlp", **on, name: True})
            except ValueError:
                continue
            on[name] = True
    return on


def another(name: str) -> Any:
    """Return a value of a setting other than its default, from its range if it has one."""
    default = settings()[name]
    if name in RANGES:
        return next(value for value in reversed(extremes(RANGES[name].domain)) if value != default)
    without_range = {"data": "grid25", "data.size": 40, "data.resolution": 16, "data.root": "elsewhere", "data.download": True}
    without_range |= {"data.classes": "0,3", "data.imbalance": 4.0, "data.modes": 3, "data.radius": 2.0, "data.std": 0.5}
    without_range |= {"precision": "fp32", "data.side": 3, "data.spacing": 1.0, "data.turns": 2.5, "data.dim": 1300, "data.inner": 20}
    return without_range.get(name, not default if isinstance(default, bool) else 2 * (default or 1))


def through_a_file(state: dict[str, Any]) -> dict[str, Any]:
    """Save a state and load it again."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    loaded: dict[str, Any] = torch.load(file, weights_only=True)
    return loaded


def equal(a: Any, b: Any) -> bool:
    """Return whether nested containers are equal bit for bit."""
    if isinstance(a, Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)
