"""Scheduled, the base class of penalties whose weight changes over training."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from trainables.schedules import Fading, between, fade, rise
from trainables.sections import NotNegative, Share
from trainables.tricks.base import Step, Trick


@dataclass(kw_only=True)
class Scheduled(Trick):
    """A penalty whose weight rises from 0 over `warmup` of the budget and changes to `end` times itself at `until` of it.

    `shape`: along a cosine (Huang et al. 2024, R3GAN, gamma), linearly, or at once ("constant").
    """

    warmup: Share = 0.0
    end: NotNegative = 1.0
    until: Annotated[float, Field(gt=0, le=1)] = 1.0
    shape: Fading = "cosine"

    def strength(self, step: Step) -> float:
        """Return the factor of the weight in this step."""
        return rise(step.t, self.warmup) * between(1.0, self.end, fade(step.t, self.until, self.shape))
