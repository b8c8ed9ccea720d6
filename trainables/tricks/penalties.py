"""Gradient penalties: terms of D's loss on the norm of |d D(x) / dx|. Each is a choice of *where* x is and *what* the norm should be.

The gradient is taken by the inputs of D: images after noise, augmentations and packing. The codes of StyleGAN2-ADA and R3GAN differentiate by images
before their augmentations; without augmentations the two are the same.
"""

from collections.abc import Callable
from typing import ClassVar, Literal

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.nn.functional import relu

from trainables.entries import SETTINGS
from trainables.sections import Count, Positive
from trainables.tricks.base import Step, trick
from trainables.tricks.scheduled import Scheduled

Where = Literal["line", "around", "real", "fake", "both"]
Target = Literal["one", "at_most_one", "zero"]


# What: squared norms [N] -> squared distances from the target [N] ---------------------------------------


def _norm(squared: Tensor) -> Tensor:
    return (squared + 1e-12).sqrt()  # 1e-12: sqrt has no gradient at 0


TARGETS: dict[Target, Callable[[Tensor], Tensor]] = {
    "one": lambda squared: (_norm(squared) - 1).square(),
    "at_most_one": lambda squared: relu(_norm(squared) - 1).square(),
    "zero": lambda squared: squared,
}


# Where: a step -> squared norms of gradients [N], one tensor per set of images --------------------------


def _squared_gradient(logits: Tensor, images: Tensor) -> Tensor:
    """Return |d logit / d image|^2 of each sample: [N], [N, *shape] -> [N]."""
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient.square().flatten(1).sum(1)


def _squared_gradient_at(step: Step, images: Tensor) -> Tensor:
    """Return the same at further images. A conditional D gets the classes of the real images, also on lines to fake ones."""
    images = images.detach().requires_grad_()
    return _squared_gradient(step.d(images, side="real"), images)


def _one_each(images: Tensor, rng: torch.Generator) -> Tensor:
    """Return one number per image from U(0, 1), of a shape that broadcasts: [N, 1, ...]."""
    return torch.rand(len(images), *[1] * (images.ndim - 1), generator=rng, device=images.device)


def _at_real(step: Step) -> list[Tensor]:
    real, logits = step.reals()
    return [_squared_gradient(logits, real)]


def _at_fake(step: Step) -> list[Tensor]:
    return [_squared_gradient(step.fake_logits, step.fake)]


def _on_lines(step: Step) -> list[Tensor]:
    real, _ = step.reals()
    return [_squared_gradient_at(step, torch.lerp(real, step.fake, _one_each(real, step.rng)))]


def _around_real(step: Step) -> list[Tensor]:
    real, _ = step.reals()
    noise = 0.5 * real.std() * torch.rand(real.shape, generator=step.rng, device=real.device)
    return [_squared_gradient_at(step, real + _one_each(real, step.rng) * noise)]


PLACES: dict[Where, Callable[[Step], list[Tensor]]] = {
    "line": _on_lines,
    "around": _around_real,
    "real": _at_real,
    "fake": _at_fake,
    "both": lambda step: _at_real(step) + _at_fake(step),
}


def _penalty(step: Step, where: Where, to: Target) -> Tensor:
    """Return the mean squared distance from the target, summed over the sets of images: a scalar."""
    return torch.stack([TARGETS[to](squared).mean() for squared in PLACES[where](step)]).sum()


# Tricks ------------------------------------------------------------------------------------------------


@dataclass(kw_only=True, config=SETTINGS)
class GradientTrick(Scheduled):
    """The base class of gradient penalties. Lazy: only in every `interval`-th step of D, times `interval`."""

    of_gradients = True
    where: ClassVar[Where]
    interval: Count = 1
    """steps of D from one penalty to the next; the weight is multiplied by it"""

    def needs_image_grad(self) -> bool:
        return self.where in ("real", "fake", "both") and self.clock.choice(self._due)

    def term(self, step: Step, weight: float, to: Target) -> Tensor | None:
        """Return the weighted penalty; None if `interval` skips this step or the scheduled weight is 0."""
        if not self.clock.choice(self._due):
            return None
        return self.scaled(self.interval * weight) * _penalty(step, self.where, to)

    def _due(self) -> bool:
        """Whether this step has the penalty."""
        return self.clock.d_updates % self.interval == 0 and (self.constant or self.strength() != 0)


@trick("gradient_penalty")
class GradientPenalty(GradientTrick):
    """weight E(|grad D(x)| - 1)^2 (Gulrajani et al. 2017), or only for norms above 1 (Petzka et al. 2018), or |grad D(x)|^2 (Mescheder et al. 2018).

    `to`: the target of the norm: one, at_most_one (one-sided) or zero.

    `where`: x on lines between real and fake images, around real images (Kodali et al. 2017), at real, at fake, or at both (their sum). R1 is
    `where: real`, `to: zero` and gamma/2 as weight.

    `interval`: only in every n-th step of D, times n (Karras et al. 2020, StyleGAN2, section 3.1). The penalty is part of D's loss and uses its optimiser,
    so StyleGAN2's corrections of Adam, which are for a separate step, do not apply.

    The weight rises from 0 over `warmup` of the budget and changes to `end` times itself at `until` of it: along a cosine (Huang et al. 2024, R3GAN,
    gamma), linearly, or at once.
    """

    where: Where = "line"  # type: ignore[misc]  # a setting here, a constant in the named penalties
    """the images at which the gradient is taken"""
    to: Target = "one"
    """target of the gradient's norm"""
    weight: Positive = 10.0
    """weight of the penalty"""

    def d_term(self, step: Step) -> Tensor | None:
        return self.term(step, self.weight, self.to)


@trick("r1")
class R1(GradientTrick):
    """gamma/2 E|grad D(real)|^2. Mescheder et al. 2018, eq. 9; `interval` and the schedule of gamma as in gradient_penalty."""

    where: ClassVar[Where] = "real"
    gamma: Positive = 10.0
    """weight of the penalty"""

    def d_term(self, step: Step) -> Tensor | None:
        return self.term(step, self.gamma / 2, "zero")


@trick("r2")
class R2(R1):
    """gamma/2 E|grad D(fake)|^2. Mescheder et al. 2018, eq. 10; `interval` and the schedule of gamma as in gradient_penalty."""

    where = "fake"


@trick("wgan_gp")
class WganGp(GradientTrick):
    """weight E(|grad D(x)| - 1)^2 on lines between real and fake images. Gulrajani et al. 2017, eq. 3; `interval` and schedule as in gradient_penalty."""

    where: ClassVar[Where] = "line"
    weight: Positive = 10.0
    """weight of the penalty"""

    def d_term(self, step: Step) -> Tensor | None:
        return self.term(step, self.weight, "one")


@trick("dragan")
class Dragan(GradientTrick):
    """weight E(|grad D(x)| - 1)^2 around real images. Kodali et al. 2017, algorithm 1 and its code (half a standard deviation).

    `interval` and schedule as in gradient_penalty.
    """

    where: ClassVar[Where] = "around"
    weight: Positive = 10.0
    """weight of the penalty"""

    def d_term(self, step: Step) -> Tensor | None:
        return self.term(step, self.weight, "one")
