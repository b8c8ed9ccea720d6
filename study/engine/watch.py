"""Watches how long trials take from tick to tick, and says which ones seem to hang."""

import logging
import time
from collections import defaultdict, deque
from collections.abc import Callable
from statistics import median
from typing import Any

from ray import tune

log = logging.getLogger(__name__)

_TIMES = 10  # a trial seems to hang after so many times its usual interval
_RECENT = 100
_LEAST_S = 60.0  # but not before, since a short tick may have to wait for the machine


class Watch(tune.Callback):
    """Tune callback that warns, once for each tick, of a trial whose tick takes ten times as long as usual.

    clock: returns seconds.
    """

    def __init__(self, *, timeout_min: float | None, clock: Callable[[], float] = time.monotonic):
        self.timeout_min, self._clock = timeout_min, clock
        self._since: dict[str, float] = {}  # trial -> when it was started or had its last tick
        self._warned: set[str] = set()
        self._usual: dict[str, list[float]] = defaultdict(list)  # running trial -> seconds from tick to tick
        self._recent: deque[float] = deque(maxlen=_RECENT)  # the same of all trials, the newest

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._since.setdefault(trial.config["trial_id"], self._clock())

    def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any) -> None:
        trial_id, now = trial.config["trial_id"], self._clock()
        if result["images"]:  # else the worker's start counts in
            self._usual[trial_id].append(now - self._since[trial_id])
            self._recent.append(now - self._since[trial_id])
        self._since[trial_id] = now
        self._warned.discard(trial_id)
        if result["done"]:
            self._forget(trial_id)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._forget(trial.config["trial_id"])

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Warn of trials that seem to hang. Tune calls this several times a second."""
        for trial_id, since in self._since.items():
            usual = self._usual.get(trial_id) or self._recent
            waited = self._clock() - since
            if trial_id in self._warned or not usual or waited < max(_LEAST_S, _TIMES * median(usual)):
                continue
            self._warned.add(trial_id)
            log.warning(
                "%s has had no tick for %.0f s; usual are %.0f s. %s",
                trial_id,
                waited,
                median(usual),
                f"It is ended and tried again after {self.timeout_min:g} min"
                if self.timeout_min
                else "`ganstudy stop` ends it; resources.timeout_min would end it and try it again",
            )

    def overdue(self, trial_id: str) -> str:
        """Return that a trial has exceeded the time limit of a tick; "" if it has not, or if there is no limit."""
        if self.timeout_min is None or self._clock() - self._since.get(trial_id, self._clock()) < 60 * self.timeout_min:
            return ""
        return no_tick(self.timeout_min)

    def _forget(self, trial_id: str) -> None:
        self._since.pop(trial_id, None)
        self._usual.pop(trial_id, None)
        self._warned.discard(trial_id)


def no_tick(timeout_min: float) -> str:
    """Return why a trial was ended that exceeded the time limit."""
    return f"no tick within {timeout_min:g} min (resources.timeout_min), so the process that trained this trial was ended"
