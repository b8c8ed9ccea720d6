"""Penalties on the gradient of D's logits by its images: terms of D's loss."""

import torch
from torch import Tensor, nn

from trainables.config import Positive
from trainables.tricks.base import Step, Trick, trick


def squared_gradient(logits: Tensor, images: Tensor) -> Tensor:
    """|d logit / d image|^2 of each sample: [N], [N, *shape] -> [N]."""
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient.square().flatten(1).sum(1)


def distance_from_one(d: nn.Module, images: Tensor) -> Tensor:
    """E (|grad D(x)| - 1)^2 at the given images [N, *shape] -> scalar."""
    images = images.detach().requires_grad_()
    norm = (squared_gradient(d(images), images) + 1e-12).sqrt()  # 1e-12: sqrt has no gradient at 0
    return (norm - 1).square().mean()


def one_each(images: Tensor, rng: torch.Generator) -> Tensor:
    """Uniform numbers, one an image, of a shape that multiplies with them: [N, 1, ...]."""
    return torch.rand(len(images), *[1] * (images.ndim - 1), generator=rng, device=images.device)


@trick("r1")
class R1(Trick):
    """gamma/2 E|grad D(real)|^2. Mescheder et al. 2018, eq. 9."""

    image_grad = of_gradients = True
    gamma: Positive = 10.0

    def d_term(self, step: Step) -> Tensor:
        real, logits = step.reals()
        return self.gamma / 2 * squared_gradient(logits, real).mean()


@trick("r2")
class R2(Trick):
    """gamma/2 E|grad D(fake)|^2. Mescheder et al. 2018, eq. 10."""

    image_grad = of_gradients = True
    gamma: Positive = 10.0

    def d_term(self, step: Step) -> Tensor:
        return self.gamma / 2 * squared_gradient(step.fake_logits, step.fake).mean()


@trick("wgan_gp")
class WganGp(Trick):
    """weight E(|grad D(x)| - 1)^2 on lines between real and fake. Gulrajani et al. 2017, eq. 3."""

    of_gradients = True
    weight: Positive = 10.0

    def d_term(self, step: Step) -> Tensor:
        real, _ = step.reals()
        return self.weight * distance_from_one(step.nets.d, torch.lerp(real, step.fake, one_each(real, step.rng)))


@trick("dragan")
class Dragan(Trick):
    """weight E(|grad D(x)| - 1)^2 around real images only. Kodali et al. 2017, algorithm 1 and its code (half a standard deviation)."""

    of_gradients = True
    weight: Positive = 10.0

    def d_term(self, step: Step) -> Tensor:
        real, _ = step.reals()
        noise = 0.5 * real.std() * torch.rand(real.shape, generator=step.rng, device=real.device)
        return self.weight * distance_from_one(step.nets.d, real + one_each(real, step.rng) * noise)
