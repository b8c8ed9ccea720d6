"""Averages over the course of training."""

import copy
from typing import Any

import torch
from torch import nn

from trainables.config import Positive, TrialConfig
from trainables.tricks.base import Nets, Trick, trick

RAMP = 0.05  # the half-life is at most this share of the images so far. Karras et al. 2020 (ADA), ema_rampup


@trick("ema")
class Ema(Trick):
    """Judge an exponential moving average of G, its half-life in thousands of images. Yazici et al. 2019; Karras et al. 2020."""

    halflife_kimg: Positive = 10.0

    def build(self, nets: Nets, config: TrialConfig) -> None:
        self.average = copy.deepcopy(nets.g).requires_grad_(False)
        self.images = 0

    @torch.no_grad()
    def after_g(self, nets: Nets, images: int) -> None:
        halflife = min(1000 * self.halflife_kimg, RAMP * images)
        new = 1 - 0.5 ** ((images - self.images) / halflife)
        self.images = images
        torch._foreach_lerp_(list(self.average.parameters()), list(nets.g.parameters()), new)
        for mean, now in zip(self.average.buffers(), nets.g.buffers(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(now, new)  # running statistics that belong to the averaged weights
            else:
                mean.copy_(now)

    def sampler(self, g: nn.Module) -> nn.Module:
        return self.average

    def state_dict(self) -> dict[str, Any]:
        return {"average": self.average.state_dict(), "images": self.images}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.average.load_state_dict(state["average"])
        self.images = state["images"]
