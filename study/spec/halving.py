"""Successive halving: asynchronous, as ASHA and as Hyperband."""

from typing import Annotated
from zlib import crc32

import numpy as np
from pydantic import Field

from ganstudy.direction import Direction
from ganstudy.units import KIMG
from study.spec.rule import SCHEDULERS, Scheduler, check_grace
from trainables.sections import Count, Kimg


@SCHEDULERS.register("asha")
class Asha(Scheduler):
    """Asynchronous successive halving, with the names that Ray Tune has. Li et al. 2020"""

    name: str = "asha"
    grace_kimg: Kimg
    """thousands of images that every trial gets: the first rung. Trials are compared at the first tick after a rung"""
    reduction_factor: Annotated[float, Field(ge=1.1, le=1e9)] = 3.0
    """one trial of so many continues from a rung"""

    def check(self, *, budget_kimg: float, tick_kimg: float) -> None:
        check_grace(self.grace_kimg, budget_kimg=budget_kimg, tick_kimg=tick_kimg)

    def start(self, *, budget_kimg: float, direction: Direction) -> "Halving":
        return Halving(self.grace_kimg, self.reduction_factor, budget_kimg=budget_kimg, direction=direction)


@SCHEDULERS.register("hyperband")
class Hyperband(Asha):
    """Asynchronous Hyperband: brackets of successive halving that begin at different rungs, in case early ones mislead. Li et al. 2018, 2020"""

    name: str = "hyperband"
    brackets: Count | None = None
    """number of brackets; null: one for each rung, and one that stops nothing"""

    def start(self, *, budget_kimg: float, direction: Direction) -> "Brackets":  # type: ignore[override]  # another rule
        return Brackets(self, budget_kimg=budget_kimg, direction=direction)


class Halving:
    """At each rung a trial continues if it is within the best 1/reduction_factor of the trials that reached the rung before it.

    The stopping variant of Li et al. 2020; it decides as Ray's ASHAScheduler does.
    """

    def __init__(self, grace_kimg: float, reduction_factor: float, *, budget_kimg: float, direction: Direction):
        self._sign, self._keep = -direction.sign, 1 / reduction_factor  # more is better here
        self.rungs: dict[int, dict[str, float]] = {}  # images -> trial id -> signed value
        images = KIMG * grace_kimg
        while images < KIMG * budget_kimg:
            self.rungs[round(images)] = {}
            images *= reduction_factor

    def should_continue(self, trial_id: str, images: int, value: float) -> bool:
        rung = max((r for r in self.rungs if r <= images), default=None)
        if rung is None or trial_id in self.rungs[rung]:
            return True
        before = list(self.rungs[rung].values())
        self.rungs[rung][trial_id] = self._sign * value
        return not before or bool(self._sign * value >= np.percentile(before, 100 * (1 - self._keep)))


class Brackets:
    """Halving in brackets. Each bracket begins one rung later than the one before, and gets the share of trials that Hyperband gives it.

    Which bracket a trial is in follows from its id, as in Optuna, so that a resumed study puts it into the same one.
    """

    def __init__(self, settings: Hyperband, *, budget_kimg: float, direction: Direction):
        factor, grace = settings.reduction_factor, settings.grace_kimg
        self.brackets: list[Halving] = []
        while len(self.brackets) < (settings.brackets or np.inf):
            bracket = Halving(grace * factor ** len(self.brackets), factor, budget_kimg=budget_kimg, direction=direction)
            self.brackets.append(bracket)
            if not bracket.rungs:  # no later one would differ
                break
        last = len(self.brackets) - 1
        # n = (s_max + 1) / (s + 1) * factor^s trials, where s counts the rungs that are left (Li et al. 2018, algorithm 1)
        sizes = np.array([factor**s / (s + 1) for s in range(last, -1, -1)])
        self._ends = np.cumsum(sizes) / sizes.sum()

    def bracket(self, trial_id: str) -> int:
        """Return the number of the bracket of a trial."""
        return int(np.searchsorted(self._ends, crc32(trial_id.encode()) / 2**32, side="right"))

    def should_continue(self, trial_id: str, images: int, value: float) -> bool:
        return self.brackets[self.bracket(trial_id)].should_continue(trial_id, images, value)
