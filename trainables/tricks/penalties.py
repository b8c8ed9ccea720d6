"""Penalties on the gradient of D's logits by its images: terms of D's loss. Each is *where* the gradient is taken times *what* its norm should be.

Images are those that D is shown: after noise, augmentations and packing. (The codes of StyleGAN2-ADA and R3GAN differentiate by images before their
augmentations; without any the two are the same.)
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import relu

from trainables.sections import Count, Positive
from trainables.tricks.base import Step, trick
from trainables.tricks.scheduled import Scheduled

Where = Literal["line", "around", "real", "fake", "both"]
Target = Literal["one", "at_most_one", "zero"]


# What: squared norms [N] -> how far each is from where it should be [N] --------------------------------


def norm(squared: Tensor) -> Tensor:
    return (squared + 1e-12).sqrt()  # 1e-12: sqrt has no gradient at 0


TARGETS: dict[Target, Callable[[Tensor], Tensor]] = {
    "one": lambda squared: (norm(squared) - 1).square(),
    "at_most_one": lambda squared: relu(norm(squared) - 1).square(),
    "zero": lambda squared: squared,
}


# Where: a step -> squared norms of gradients [N], a tensor for each side that is looked at --------------


def squared_gradient(logits: Tensor, images: Tensor) -> Tensor:
    """|d logit / d image|^2 of each sample: [N], [N, *shape] -> [N]."""
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient.square().flatten(1).sum(1)


def squared_gradient_at(step: Step, images: Tensor) -> Tensor:
    """The same at images that D has not judged yet; of a conditional D, as images of the real ones' classes, on lines to fakes too."""
    images = images.detach().requires_grad_()
    return squared_gradient(step.d(images, side="real"), images)


def one_each(images: Tensor, rng: torch.Generator) -> Tensor:
    """Uniform numbers, one an image, of a shape that multiplies with them: [N, 1, ...]."""
    return torch.rand(len(images), *[1] * (images.ndim - 1), generator=rng, device=images.device)


def at_real(step: Step) -> list[Tensor]:
    real, logits = step.reals()
    return [squared_gradient(logits, real)]


def at_fake(step: Step) -> list[Tensor]:
    return [squared_gradient(step.fake_logits, step.fake)]


def on_lines(step: Step) -> list[Tensor]:
    real, _ = step.reals()
    return [squared_gradient_at(step, torch.lerp(real, step.fake, one_each(real, step.rng)))]


def around_real(step: Step) -> list[Tensor]:
    real, _ = step.reals()
    noise = 0.5 * real.std() * torch.rand(real.shape, generator=step.rng, device=real.device)
    return [squared_gradient_at(step, real + one_each(real, step.rng) * noise)]


PLACES: dict[Where, Callable[[Step], list[Tensor]]] = {
    "line": on_lines,
    "around": around_real,
    "real": at_real,
    "fake": at_fake,
    "both": lambda step: at_real(step) + at_fake(step),
}


def penalty(step: Step, where: Where, to: Target) -> Tensor:
    """E of the distance, summed over the sides that are looked at: a scalar."""
    return torch.stack([TARGETS[to](squared).mean() for squared in PLACES[where](step)]).sum()


# Tricks ------------------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class GradientTrick(Scheduled):
    """A penalty on gradients, which may be lazy: at every `interval`-th D step only, as many times as strong."""

    of_gradients = True
    where: ClassVar[Where]
    interval: Count = 1

    def needs_image_grad(self, updates: int) -> bool:
        return self.where in ("real", "fake", "both") and updates % self.interval == 0

    def term(self, step: Step, weight: float, to: Target) -> Tensor | None:
        """None where the step is left out, or the weight is 0 at its time."""
        if step.updates % self.interval or not (strength := self.strength(step)):
            return None
        return self.interval * strength * weight * penalty(step, self.where, to)


@trick("gradient_penalty")
class GradientPenalty(GradientTrick):
    """weight E of a distance of |grad D(x)| from 1 (Gulrajani et al. 2017), from at most 1 (one-sided: Petzka et al. 2018) or from 0 (Mescheder et al. 2018).

    `where`: on lines between real and fake, around real images (Kodali et al. 2017), at the real, the fake, or both (their sum); R1 is at the
    real to zero, with gamma/2 as weight. `interval`: at every n-th D step only, n times as strong (Karras et al. 2020, StyleGAN2, section 3.1);
    it shares D's loss and optimiser, so StyleGAN2's corrections of Adam for a step of its own have no place here. The weight rises from 0 over
    `warmup` of the budget, and goes to `end` of itself at `until` of it: along a cosine (Huang et al. 2024, R3GAN, gamma), a line, or at once.
    """

    where: Where = "line"  # type: ignore[misc]  # a setting here, fixed in the named ones
    to: Target = "one"
    weight: Positive = 10.0

    def d_term(self, step: Step) -> Tensor | None:
        return self.term(step, self.weight, self.to)


@trick("r1")
class R1(GradientTrick):
    """gamma/2 E|grad D(real)|^2. Mescheder et al. 2018, eq. 9; `interval` and the schedule of gamma as in gradient_penalty."""

    where: ClassVar[Where] = "real"
    gamma: Positive = 10.0

    def d_term(self, step: Step) -> Tensor | None:
        return self.term(step, self.gamma / 2, "zero")


@trick("r2")
class R2(R1):
    """gamma/2 E|grad D(fake)|^2. Mescheder et al. 2018, eq. 10; `interval` and the schedule of gamma as in gradient_penalty."""

    where = "fake"


@trick("wgan_gp")
class WganGp(GradientTrick):
    """weight E(|grad D(x)| - 1)^2 on lines between real and fake. Gulrajani et al. 2017, eq. 3; `interval` and schedule as in gradient_penalty."""

    where: ClassVar[Where] = "line"
    weight: Positive = 10.0

    def d_term(self, step: Step) -> Tensor | None:
        return self.term(step, self.weight, "one")


@trick("dragan")
class Dragan(GradientTrick):
    """weight E(|grad D(x)| - 1)^2 around real images only. Kodali et al. 2017, algorithm 1 and its code (half a standard deviation).

    `interval` and schedule as in gradient_penalty.
    """

    where: ClassVar[Where] = "around"
    weight: Positive = 10.0

    def d_term(self, step: Step) -> Tensor | None:
        return self.term(step, self.weight, "one")
