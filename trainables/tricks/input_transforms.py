"""Tricks that transform the inputs of D, real and fake images in the same way."""

import torch
from torch import Tensor

from ganstudy.errors import UserError
from trainables.config import TrialConfig
from trainables.models.base import Shape
from trainables.schedules import Fading, fade
from trainables.sections import Count, NotNegative
from trainables.tricks.base import Trick, trick


@trick("instance_noise")
class InstanceNoise(Trick):
    """Add Gaussian noise to real and fake images; std falls linearly to 0 at `until` of the budget. Sonderby et al. 2017; Arjovsky & Bottou 2017.

    `shape`: how std falls. With "constant", as in Mescheder et al. 2018, it keeps its value up to `until`.
    """

    std: NotNegative = 0.1
    """standard deviation of the noise at the start"""
    until: NotNegative = 1.0
    """share of the budget at which the noise has faded"""
    shape: Fading = "linear"
    """how the noise fades"""

    def view(self, images: Tensor, rng: torch.Generator) -> Tensor:
        std = self.clock.number(lambda: self.std * fade(self.clock.t, self.until, self.shape))
        return images + std * torch.randn(images.shape, generator=rng, device=images.device)


@trick("packing")
class Packing(Trick):
    """D gets packs of `samples` images, concatenated along the channels. Lin et al. 2018 (PacGAN)."""

    samples: Count = 2
    """images in a pack"""

    def check(self, config: TrialConfig) -> None:
        if config.batch_size % self.samples:
            raise UserError(f"batch_size must be a multiple of packing.samples = {self.samples}; given {config.batch_size}")
        if config.d.norm == "batch" and config.batch_size == self.samples:
            raise UserError(
                f"batch_size must be at least {2 * self.samples} with packing.samples = {self.samples} and d.norm: batch; given {config.batch_size}"
            )
        if config.d.condition is not None:
            raise UserError(
                f"packing must be off with d.condition: {config.d.condition}: D gives a pack one logit, and its samples have several classes"
            )

    def d_shape(self, shape: Shape) -> Shape:
        return (self.samples * shape[0], *shape[1:])

    def view(self, images: Tensor, rng: torch.Generator) -> Tensor:
        return images.reshape(len(images) // self.samples, -1, *images.shape[2:])
