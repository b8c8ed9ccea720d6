"""Asynchronous successive halving whose rungs can be told the past. Li et al. 2020, the stopping variant that Ray Tune calls ASHA."""

from typing import Any

import numpy as np
from ray.tune.schedulers import FIFOScheduler

from ganstudy.units import KIMG
from study.spec.study_spec import StudySpec
from study.store.records import TrialRecord


class Halving(FIFOScheduler):
    """At each rung a trial goes on if it is within the best 1/reduction_factor of those that came to it before. Decides as Ray's ASHAScheduler does."""

    def __init__(self, spec: StudySpec):
        assert spec.scheduler
        super().__init__()  # type: ignore[no-untyped-call]
        self.objective, self.sign = spec.objective.metric, -spec.objective.direction.sign  # more is better here
        self.keep = 1 / spec.scheduler.reduction_factor
        self.rungs: dict[int, dict[str, float]] = {}  # images -> trial id -> signed score
        images, budget = KIMG * spec.scheduler.grace_kimg, KIMG * spec.budget_kimg
        while images < budget:
            self.rungs[round(images)] = {}
            images *= spec.scheduler.reduction_factor

    def goes_on(self, trial_id: str, images: int, objective: float) -> bool:
        rung = max((r for r in self.rungs if r <= images), default=None)
        if rung is None or trial_id in self.rungs[rung]:
            return True
        before = list(self.rungs[rung].values())
        self.rungs[rung][trial_id] = self.sign * objective
        return not before or bool(self.sign * objective >= np.percentile(before, 100 * (1 - self.keep)))

    def replay(self, record: TrialRecord) -> None:
        for m in record.measurements:
            self.goes_on(record.trial_id, m.images, m.values[self.objective])

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        on = self.goes_on(
            trial.config["trial_id"], result["images"], result[f"values/{self.objective}"]
        )  # Tune flattens what schedulers see
        return str(self.CONTINUE if on else self.STOP)

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Tune does not ask about the last result of a trial; it counts all the same."""
        if result.get("finished"):
            self.goes_on(trial.config["trial_id"], result["images"], result[f"values/{self.objective}"])
