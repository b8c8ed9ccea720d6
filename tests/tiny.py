"""Tiny trials: networks of width 8 on 50 images, three ticks of four steps; and another value for any setting."""

import io
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor

from study.spec.ranges import RANGES
from study.spec.space import extremes
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
    "batch_size": 12,  # a multiple of every packing; epochs end inside a batch
    "data.size": 50,
    "budget_kimg": 0.144,
    "tick_kimg": 0.048,
}


BESIDE: dict[str, dict[str, Any]] = {  # what a setting goes with, where that is not its need
    "lookahead.k": {"budget_kimg": 20.0},  # with updates of G for all of its range
    "g.gain": {"g.init": "orthogonal"},
    "d.gain": {"d.init": "orthogonal"},
    "g.output": {"data": "digits"},
    "g.upsampling": {"g.kernel": 3},  # which suits all ways of resizing
    "d.downsampling": {"d.kernel": 3},
    "g.condition": {"g.condition": "concat", "d.condition": "concat"},  # both networks are conditional, or neither
    "d.condition": {"g.condition": "concat", "d.condition": "concat"},
    "g.embedding": {"d.condition": "concat"},
    "d.class_weight": {"g.condition": "concat"},
}


@cache
def source_of(data: DataConfig) -> Source:
    return load(data)


def tiny_config(settings: Mapping[str, Any] = {}) -> TrialConfig:
    """A tiny trial with `settings` on top. The data are those of the architecture."""
    arch = settings.get("arch", "mlp")
    also: dict[str, Any] = {"g.depth": 1, "d.depth": 1} if arch == "r3" else {}
    also |= {"d.init": "kaiming"} if arch == "r3" and settings.get("spectral_norm") else {}  # which refuses weights that begin at 0
    return TrialConfig.from_flat({**BASE, "arch": arch, "data": DATA_OF.get(arch, "ring8"), **also, **settings})


def tiny(settings: Mapping[str, Any] = {}) -> Run:
    config = tiny_config(settings)
    return Run(config, source_of(DataConfig(name=config.data.name, resolution=config.data.resolution)))


def needs(name: str) -> dict[str, Any]:
    """What else must be set for a setting to have a meaning."""
    head = name.partition(".")[0]
    also: dict[str, Any] = {} if name == "arch" else {"arch": "mlp"}
    if head in TRICKS and issubclass(TRICKS[head], ImageTrick):
        also["data"] = "digits"
    if (need := need_of(name)) and not lives(name, also):
        also |= need.first
    return also | BESIDE.get(name, {})


def together(names: Iterable[str], settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with these tricks on, each left out that is refused beside those before it."""
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
    """A value of a setting that is not its default: of its range, where it has one."""
    default = settings()[name]
    if name in RANGES:
        return next(value for value in reversed(extremes(RANGES[name].domain)) if value != default)
    without_range = {"data": "grid25", "data.size": 40, "data.resolution": 16, "data.root": "elsewhere", "data.download": True}
    without_range |= {"data.classes": "0,3", "data.imbalance": 4.0, "data.modes": 3, "data.radius": 2.0, "data.std": 0.5}
    without_range |= {"data.side": 3, "data.spacing": 1.0, "data.turns": 2.5, "data.dim": 1300, "data.inner": 20}
    return without_range.get(name, not default if isinstance(default, bool) else 2 * (default or 1))


def through_a_file(state: dict[str, Any]) -> dict[str, Any]:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    loaded: dict[str, Any] = torch.load(file, weights_only=True)
    return loaded


def equal(a: Any, b: Any) -> bool:
    """Bit for bit, in nested containers."""
    if isinstance(a, Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)
