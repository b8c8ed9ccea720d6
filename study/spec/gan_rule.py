"""The scheduler for GANs: it stops a trial only where values tell what they will come to, and says where that is from the study's own runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.stats import rankdata

from ganstudy.direction import Direction
from ganstudy.units import KIMG
from study.spec.allowance import allowance, pace
from study.spec.rule import SCHEDULERS, Scheduler, check_grace

Floats = npt.NDArray[np.float64]

_SMOOTHED = 3  # ticks whose median is a trial's value


@SCHEDULERS.register("gan")
class Gan(Scheduler):
    """Stop a trial that is not among the best, but only at ticks that agree with the end in the study's own runs, and after its own slow start"""

    name: str = "gan"
    correlation: Annotated[float, Field(gt=0, le=1)] = 0.7
    """rank correlation of a tick with the end, from which on trials are stopped there"""
    full_runs: Annotated[int, Field(ge=3, le=10_000)] = 8
    """number of runs to the end of the budget before any is stopped"""
    reduction_factor: Annotated[float, Field(ge=1.1, le=1e9)] = 4.0
    """one trial of so many continues from a rung; the images double from rung to rung"""

    def check(self, *, budget_kimg: float, tick_kimg: float) -> None:
        check_grace(tick_kimg, budget_kimg=budget_kimg, tick_kimg=tick_kimg)

    def start(self, *, budget_kimg: float, direction: Direction) -> "GanRule":
        return GanRule(self, budget_kimg=budget_kimg, direction=direction)


@dataclass
class _Trial:
    """The measurements of one trial; less is better."""

    allowance: float = 0.0  # images before which it is not judged
    pace: float = 1.0  # images of D for an update of G
    images: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    smooth: list[float] = field(default_factory=list)


class GanRule:
    """Successive halving whose first rung is the first tick at which, and after which, ticks agree with the end. Each further rung has twice the images.

    At a rung a trial continues if it is within the best 1/reduction_factor of those that came as far. Its value is the median of its last three
    ticks. Nothing is stopped before enough full runs are known, nor at all if no tick agrees with the end. A trial meets its first rung only when
    its allowance is over (`study.spec.allowance`), and when G has had as many updates as the fastest trial had at the first rung.
    """

    def __init__(self, settings: Gan, *, budget_kimg: float, direction: Direction):
        self.settings, self._budget, self._sign = settings, KIMG * budget_kimg, direction.sign
        self.trials: dict[str, _Trial] = {}
        self.full: list[_Trial] = []
        self.first: int | None = None  # the first rung; None: there is none, as far as is known

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
        if self.first is None or not self._is_rung(own, self.first):
            return True
        others = [other.smooth[tick] for other in self.trials.values() if other is not own and len(other.smooth) > tick]
        return bool(own.smooth[tick] <= np.quantile(others, 1 / self.settings.reduction_factor))

    def _is_rung(self, own: _Trial, first: int) -> bool:
        """Whether the last tick of a trial is the first one at or after a rung. It follows from the images alone, so that a resumed study does the same."""
        if len(own.images) <= max(first, 1):
            return False
        fastest = min(trial.pace for trial in self.trials.values())
        rung = max(own.allowance, own.images[first] * own.pace / fastest, own.images[1])
        before, now = own.images[-2:]
        while rung <= before:
            rung *= 2
        return rung <= now

    def _first_tick(self) -> int | None:
        """Return the first tick from which on ticks agree with the end; None if the last one before the end does not, or too few runs are known."""
        if len(self.full) < self.settings.full_runs:
            return None
        end = rankdata([trial.smooth[-1] for trial in self.full])
        first = None
        for tick in reversed(range(min(len(trial.smooth) for trial in self.full) - 1)):
            if not self._agreement(tick, end) >= self.settings.correlation:
                break
            first = tick
        return first

    def _agreement(self, tick: int, end: Floats) -> float:
        """Return the rank correlation of values at a tick with those at the end, for all trials.

        Only full runs are known at the end, and most of them were not stopped because they were good. Among these, values differ less, so that
        their correlation is too low: it is corrected for their smaller spread (Thorndike 1949, case 2).
        """
        here = np.array([trial.smooth[tick] for trial in self.full])
        every = rankdata([*here, *(trial.smooth[tick] for trial in self._others(tick))])
        of_full = every[: len(here)]
        if np.ptp(here) == 0 or np.ptp(end) == 0:
            return 0.0
        among_full, spread = np.corrcoef(rankdata(here), end)[0, 1], every.std() / of_full.std()
        return float(among_full * spread / np.sqrt(1 + among_full**2 * (spread**2 - 1)))

    def _others(self, tick: int) -> list[_Trial]:
        """Return the trials that were measured at a tick, but not at the end."""
        return [trial for trial in self.trials.values() if len(trial.smooth) > tick and trial.images[-1] < self._budget]
