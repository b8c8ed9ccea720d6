"""Conditions: whether a run's networks are told classes, which, and how often each."""

import torch
from torch import Tensor, nn

from trainables.config import TrialConfig
from trainables.data.source import Source
from trainables.losses import LOSSES
from trainables.models.conditional import AuxiliaryDiscriminator
from trainables.tricks.base import TRICKS, Step, Trick


def check_conditions(config: TrialConfig) -> None:
    """ValueError for conditions that make no sense."""
    from trainables.run import LOOPS

    g, d = config.g, config.d
    if (g.condition is None) != (d.condition is None):
        raise ValueError(
            "g.condition and d.condition go together: a class that D does not judge by teaches G nothing, and one that G is not told it "
            f"cannot answer for; given {g.condition!r} and {d.condition!r}"
        )
    if g.embedding is not None and g.condition != "concat":
        raise ValueError(f"g.embedding needs g.condition: concat, which puts it beside z; given {g.embedding} with {g.condition!r}")
    if d.class_weight is not None and d.condition != "auxiliary":
        raise ValueError(f"d.class_weight needs d.condition: auxiliary, whose loss it weighs; given {d.class_weight} with {d.condition!r}")
    if g.condition == "batchnorm" and g.norm != "batch":
        raise ValueError(f"g.condition: batchnorm needs g.norm: batch, whose gains and biases it makes the class's own; given {g.norm!r}")
    if g.condition is not None and LOSSES.pick(config.loss).paired:
        for name in config.tricks:
            if (trick := TRICKS.pick(name)).fakes is not Trick.fakes or trick.classes is not Trick.classes:
                raise ValueError(
                    f"{name} must be off with g.condition and loss: {config.loss}: pairs are of one class, and it gives fakes others"
                )
    if g.condition is not None and not getattr(LOOPS.pick(config.loop), "conditional", False):
        able = sorted(name for name, loop in LOOPS.items() if getattr(loop, "conditional", False))
        raise ValueError(f"g.condition needs a loop that hands out classes (conditional = True), one of {able}; given {config.loop!r}")


def classes_of(config: TrialConfig, source: Source) -> int | None:
    """How many classes the networks are told; None where they are told none. ValueError for a conditional config of unlabelled data."""
    if config.g.condition is None:
        return None
    if source.train_labels is None:
        raise ValueError(f"g.condition: {config.g.condition} needs labelled data; {source.name} has no labels")
    return len(source.classes)


def draw_classes(n: int, shares: Tensor, rng: torch.Generator) -> Tensor:
    """int64 [n], class k with probability shares[k] (float64 [K], on rng's device).

    The shares of the training set, as Odena et al. 2017 draw c ~ p_c: where real and fake images have the same classes equally often,
    D learns nothing from the class alone (in Miyato & Koyama 2018, eq. 2, the ratio of q(y) and p(y) is 1).
    """
    edges = shares.cumsum(0)
    u = torch.rand(n, generator=rng, device=rng.device, dtype=torch.float64)
    return torch.searchsorted(edges / edges[-1], u, right=True)  # a class without a share is never reached


def class_terms(d: nn.Module, step: Step, *, side: str) -> dict[str, Tensor]:
    """{"d/class": …} or {"g/class": …} where D tells the classes: D learns from real and fake images, G from its own. Odena et al. 2017, eq. 3."""
    if not isinstance(d, AuxiliaryDiscriminator):
        return {}
    seen = [(step.fake_features, step.fake_labels)]
    if side == "d":
        seen.append((step.real_features, step.real_labels))
    losses = []
    for features, labels in seen:
        assert features is not None
        assert labels is not None
        losses.append(d.class_loss(features, labels))
    return {f"{side}/class": d.class_weight * torch.stack(losses).sum()}
