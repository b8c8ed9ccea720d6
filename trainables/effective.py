"""Effective settings: values read back from the optimisers, networks, data and tricks, to prove that each setting was applied."""

from typing import Any

from torch import optim
from torch.optim import Optimizer

from trainables.entries import settings_of
from trainables.losses import LOSSES
from trainables.models.conditional import AuxiliaryDiscriminator, ConcatGenerator, unconditional
from trainables.optimisers import SGD, Adam, AdamW, RMSprop
from trainables.readback import latent_dim, network, of_discriminator, of_generator
from trainables.run import Run
from trainables.tables import D_CONDITIONS, G_CONDITIONS
from trainables.tricks.base import Nets
from trainables.updates import UPDATES

_OPTIMISER_NAMES: dict[type[Optimizer], str] = {
    Adam: "adam", AdamW: "adamw", SGD: "sgd", RMSprop: "rmsprop",
    optim.Adam: "adam", optim.AdamW: "adamw", optim.SGD: "sgd",  # of a plugin
}  # fmt: skip


def effective(run: Run) -> dict[str, Any]:
    """Return setting -> the value read back from the object that uses it. Settings that only the loop reads (budget, tick, seed) are absent."""
    g, d = unconditional(run.nets.g), unconditional(run.nets.d)
    of_g, of_d = _optimiser(run.g_opt), _optimiser(run.d_opt)
    inputs = latent_dim(g)
    rule = next((name for name, cls in UPDATES.items() if type(run.rule) is cls), "another")
    return {
        "data": run.source.name,
        "data.size": run.batches.size,
        "loss": next((name for name, loss in LOSSES.items() if loss.source == run.loss.source), "another"),
        "margin": run.loss.margin,
        "g.lr": _rate(run.g_opt),
        "d.lr": _rate(run.d_opt),
        "optimiser": of_g["optimiser"],
        "d.optimiser": of_d["optimiser"] if of_d["optimiser"] != of_g["optimiser"] else None,
        "beta1": of_g["beta1"],
        "beta2": of_d["beta2"],
        "weight_decay": of_d["weight_decay"] if of_g["weight_decay"] is None else of_g["weight_decay"],
        "precision": "bf16" if getattr(run.nets.g, "bf16", False) else "tf32" if run.tf32 else "fp32",
        "update": rule,
        **{f"{rule}.{setting}": value for setting, value in settings_of(run.rule).items()},
        "batch_size": run.batches.batch_size,
        "latent.dim": None if inputs is None else inputs - getattr(run.nets.g, "more", 0),
        **{f"g.{k}": v for k, v in (network(g) | of_generator(g)).items()},
        **{f"d.{k}": v for k, v in (network(d) | of_discriminator(d)).items()},
        **_conditions(run.nets),
        **dict.fromkeys(run.tricks, True),
        **{f"{name}.{setting}": value for name, trick in run.tricks.items() for setting, value in settings_of(trick).items()},
    }


def _conditions(nets: Nets) -> dict[str, Any]:
    """Return how the networks use classes."""
    embedding = nets.g.embedding if isinstance(nets.g, ConcatGenerator) else None
    return {
        "g.condition": next((name for name, cls in G_CONDITIONS.items() if type(nets.g) is cls), None),
        "g.embedding": None if embedding is None else embedding.embedding_dim,
        "d.condition": next((name for name, cls in D_CONDITIONS.items() if type(nets.d) is cls), None),
        "d.class_weight": nets.d.class_weight if isinstance(nets.d, AuxiliaryDiscriminator) else None,
    }


def _rate(opt: Optimizer) -> float:
    """Return the learning rate; with a schedule, that which it scales."""
    group = opt.param_groups[0]
    return float(group.get("initial_lr", group["lr"]))


def _optimiser(opt: Optimizer) -> dict[str, Any]:
    """Return the optimiser's name and numbers under the names of the settings; None for a number that it does not use."""
    group = opt.param_groups[0]
    return {
        "optimiser": _OPTIMISER_NAMES.get(type(opt), "another"),
        "beta1": group["betas"][0] if "betas" in group else group.get("momentum"),
        "beta2": group["betas"][1] if "betas" in group else group.get("alpha"),
        "weight_decay": group["weight_decay"] if isinstance(opt, optim.AdamW) else None,
    }
