"""The scheduler for GANs: it stops a trial only where values tell what they will come to, and says where that is from the study's own runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from ganstudy.direction import Direction
from ganstudy.units import KIMG
from study.spec.allowance import allowance, pace
from study.spec.rule import SCHEDULERS, Scheduler

_SMOOTHED = 3  # ticks whose median is a trial's value


@SCHEDULERS.register("gan")
class Gan(Scheduler):
    """Stop a trial that is unlikely to be among the best, but only at ticks whose values agree with the end in the runs so far."""

    name: str = "gan"
    correlation: Annotated[float, Field(gt=0, le=1)] = 0.7
    """rank correlation of a tick with the end, from which trials are stopped there"""
    full_runs: Annotated[int, Field(ge=3, le=10_000)] = 8
    """runs that reach the end of the budget before any is stopped"""
    reduction_factor: Annotated[float, Field(ge=1.1, le=1e9)] = 3.0
    """one trial of so many continues"""

    def start(self, *, budget_kimg: float, direction: Direction) -> "GanRule":
        return GanRule(self, budget_kimg=budget_kimg, direction=direction)


@dataclass
class _Trial:
    """The measurements of one trial; less is better."""

    allowance: float = 0.0  # images
    pace: float = 1.0
    images: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    smooth: list[float] = field(default_factory=list)


class GanRule:
    def __init__(self, settings: Gan, *, budget_kimg: float, direction: Direction):
        self.settings, self._budget, self._sign = settings, KIMG * budget_kimg, direction.sign
        self.trials: dict[str, _Trial] = {}
        self.full: list[_Trial] = []
        self.first: int | None = None  # tick from which on ticks agree with the end; None: no tick does, as far as is known

    def begins(self, trial_id: str, settings: Mapping[str, Any]) -> None:
        self.trials[trial_id] = _Trial(allowance(settings, budget_kimg=self._budget / KIMG), pace(settings))

    def should_continue(self, trial_id: str, images: int, value: float) -> bool:
        own = self.trials.setdefault(trial_id, _Trial())
        own.images.append(images)
        own.values.append(self._sign * value)
        own.smooth.append(float(np.median(own.values[-_SMOOTHED:])))
        if images >= self._budget:
            self.full.append(own)
            self.first = self._first_tick()
            return True
        tick = len(own.images) - 1
        if self.first is None or tick < self.first or images < own.allowance:
            return True
        others = [other.smooth[tick] for other in self.trials.values() if other is not own and len(other.smooth) > tick]
        return bool(own.smooth[tick] <= np.quantile(others, 1 / self.settings.reduction_factor))

    def _first_tick(self) -> int | None:
        """Return the first tick from which on the rank correlation of smoothed values with those at the end is high enough, in full runs."""
        if len(self.full) < self.settings.full_runs:
            return None
        n = min(len(trial.smooth) for trial in self.full)
        values = np.array([[*trial.smooth[: n - 1], trial.smooth[-1]] for trial in self.full])
        ranks = values.argsort(axis=0).argsort(axis=0).astype(np.float64)
        ranks -= ranks.mean(0)
        with np.errstate(invalid="ignore"):
            agree = (ranks * ranks[:, -1:]).sum(0) / np.sqrt((ranks**2).sum(0) * (ranks[:, -1] ** 2).sum())
        below = np.flatnonzero(~(agree[:-1] >= self.settings.correlation))
        first = int(below[-1]) + 1 if len(below) else 0
        return first if first < n - 1 else None
