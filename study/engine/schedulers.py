"""Schedulers: asynchronous successive halving that can be rebuilt from the records of earlier drivers.

How to add a scheduler: write a class here that subclasses Ray Tune's FIFOScheduler and has `replay(record)`, which rebuilds its state from
the Store, and construct it in `scheduler_of` below. Add a class of its settings to study/spec/sections.py and to the type of
`StudySpec.scheduler` in study/spec/study_spec.py.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from ray.tune.schedulers import FIFOScheduler

from ganstudy.units import KIMG
from study.spec.study_spec import StudySpec
from study.store.records import TrialRecord


def scheduler_of(spec: StudySpec, records: Iterable[TrialRecord]) -> FIFOScheduler | None:
    """The study's scheduler with the recorded trials replayed; None if the study has no scheduler."""
    if spec.scheduler is None:
        return None
    scheduler = Halving(spec)
    for record in records:
        scheduler.replay(record)
    return scheduler


class Halving(FIFOScheduler):
    """Asynchronous successive halving. Li et al. 2020; the stopping variant, ASHA in Ray Tune.

    At each rung a trial continues if it is among the best 1/reduction_factor of the trials that reached the rung before it. Makes the same
    decisions as Ray's ASHAScheduler.
    """

    def __init__(self, spec: StudySpec):
        assert spec.scheduler
        super().__init__()  # type: ignore[no-untyped-call]
        self.objective, self.sign = spec.objective.metric, -spec.objective.direction.sign  # higher is better in the rungs
        self.keep = 1 / spec.scheduler.reduction_factor
        self.rungs: dict[int, dict[str, float]] = {}  # images -> trial id -> signed objective
        images, budget = KIMG * spec.scheduler.grace_kimg, KIMG * spec.budget_kimg
        while images < budget:
            self.rungs[round(images)] = {}
            images *= spec.scheduler.reduction_factor

    def keeps(self, trial_id: str, images: int, objective: float) -> bool:
        """Record the objective at the highest rung reached, once per rung. Returns whether the trial continues."""
        rung = max((r for r in self.rungs if r <= images), default=None)
        if rung is None or trial_id in self.rungs[rung]:
            return True
        before = list(self.rungs[rung].values())
        self.rungs[rung][trial_id] = self.sign * objective
        return not before or bool(self.sign * objective >= np.percentile(before, 100 * (1 - self.keep)))

    def replay(self, record: TrialRecord) -> None:
        """Add the measurements of a recorded trial to the rungs."""
        for m in record.measurements:
            self.keeps(record.trial_id, m.images, m.values[self.objective])

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        # Tune flattens the results that schedulers see
        keep = self.keeps(trial.config["trial_id"], result["images"], result[f"values/{self.objective}"])
        return str(self.CONTINUE if keep else self.STOP)

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Record the last result of a trial, for which Tune does not call `on_trial_result`."""
        if result.get("finished"):
            self.keeps(trial.config["trial_id"], result["images"], result[f"values/{self.objective}"])
