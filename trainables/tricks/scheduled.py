"""Scheduled, the base class of penalties whose weight changes over training."""

from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from trainables.entries import SETTINGS
from trainables.schedules import Fading, between, fade, rise
from trainables.sections import NotNegative, Share
from trainables.tricks.base import Trick


@dataclass(kw_only=True, config=SETTINGS)
class Scheduled(Trick):
    """A penalty whose weight rises from 0 over `warmup` of the budget and changes to `end` times itself at `until` of it.

    `shape`: along a cosine (Huang et al. 2024, R3GAN, gamma), linearly, or at once ("constant").
    """

    warmup: Share = 0.0
    """share of the budget over which the weight rises from 0"""
    end: NotNegative = 1.0
    """final weight, as a multiple of the full one"""
    until: Annotated[float, Field(gt=0, le=1)] = 1.0
    """share of the budget at which the final weight is reached"""
    shape: Fading = "cosine"
    """how the weight changes from the full to the final one"""

    def scaled(self, weight: float) -> Tensor | float:
        """Return the weight in this step: a scalar on the device if it changes over training."""
        return weight if self.constant else self.clock.number(lambda: self.strength() * weight)

    @property
    def constant(self) -> bool:
        """Whether the weight is the same in all of training."""
        return self.warmup == 0 and self.end == 1

    def strength(self) -> float:
        """Return the current factor of the weight."""
        t = self.clock.t
        return rise(t, self.warmup) * between(1.0, self.end, fade(t, self.until, self.shape))
