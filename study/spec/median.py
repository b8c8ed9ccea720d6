"""The median stopping rule."""

from bisect import bisect_right
from dataclasses import dataclass, field

import numpy as np

from ganstudy.direction import Direction
from ganstudy.units import KIMG
from study.spec.rule import SCHEDULERS, Scheduler, check_grace
from trainables.sections import Count, Kimg


@SCHEDULERS.register("median")
class Median(Scheduler):
    """Stop a trial whose best value is worse than the median of the running averages of the others. Golovin et al. 2017 (Vizier), as in Ray Tune"""

    name: str = "median"
    grace_kimg: Kimg
    """thousands of images that every trial gets"""
    min_samples_required: Count = 3
    """number of other trials that must have come as far"""

    def check(self, *, budget_kimg: float, tick_kimg: float) -> None:
        check_grace(self.grace_kimg, budget_kimg=budget_kimg, tick_kimg=tick_kimg)

    def start(self, *, budget_kimg: float, direction: Direction) -> "MedianRule":
        return MedianRule(self, direction=direction)


@dataclass
class _Ticks:
    """The measurements of one trial; less is better."""

    best: float = float("inf")
    last: int = 0  # images at the last tick
    images: list[int] = field(default_factory=list)  # of the ticks from the grace period on
    averages: list[float] = field(default_factory=list)  # of the values from the grace period to each of them

    def average(self, images: int) -> float | None:
        """Return the average up to so many images; None if nothing was measured between the grace period and them."""
        n = bisect_right(self.images, images)
        return self.averages[n - 1] if n else None


class MedianRule:
    """It decides as Ray's MedianStoppingRule does: the averages are over the values from the grace period to the images of the trial in question."""

    def __init__(self, settings: Median, *, direction: Direction):
        self._grace, self._least, self._sign = KIMG * settings.grace_kimg, settings.min_samples_required, direction.sign
        self.trials: dict[str, _Ticks] = {}

    def should_continue(self, trial_id: str, images: int, value: float) -> bool:
        own = self.trials.setdefault(trial_id, _Ticks())
        own.best, own.last = min(own.best, self._sign * value), images
        if images < self._grace:
            return True
        n = len(own.images)
        own.averages.append((n * (own.averages[-1] if n else 0.0) + self._sign * value) / (n + 1))
        own.images.append(images)
        others = (other.average(images) for other in self.trials.values() if other is not own and other.last >= images)
        averages = [average for average in others if average is not None]
        return len(averages) < self._least or own.best <= float(np.median(averages))
