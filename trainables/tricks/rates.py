"""Tricks that change the size of an update: gradient clipping and learning-rate schedules."""

from typing import Annotated

from pydantic import Field
from torch import Tensor
from torch.nn.utils import clip_grads_with_norm_

from trainables.schedules import Fading, between, fade, rise
from trainables.sections import Positive, Share
from trainables.tricks.base import Trick, trick


@trick("gradient_clipping")
class GradientClipping(Trick):
    """Rescale the gradient of each network to a norm of at most `norm` before its update. Pascanu et al. 2013, algorithm 1."""

    norm: Positive = 1.0
    """largest norm of each network's gradient"""

    def on_gradients(self, parameters: list[Tensor], norm: Tensor) -> None:
        clip_grads_with_norm_(parameters, self.norm, norm)


@trick("lr_schedule")
class LrSchedule(Trick):
    """Both learning rates rise over `warmup` of the budget (Goyal et al. 2017), then fall to `end` times themselves (Gulrajani et al. 2017: linearly to 0).

    `shape`: linear, cosine (Loshchilov & Hutter 2017; Huang et al. 2024) or constant. `start`: the share of the budget at which the decay starts
    (Zhu et al. 2017: half).
    """

    shape: Fading = "linear"
    """how the rates change"""
    warmup: Share = 0.0
    """share of the budget over which the rates rise from 0"""
    start: Share = 0.0
    """share of the budget at which the rates begin to change"""
    end: Annotated[float, Field(ge=0, le=1)] = 0.0
    """final rates, as a share of the full ones"""

    def rate(self, t: float) -> float:
        fallen = max(0.0, t - self.start) / (1 - self.start)
        return rise(t, self.warmup) * between(1.0, self.end, fade(fallen, 1.0, self.shape))
