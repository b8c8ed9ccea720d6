"""The study's scheduler on Ray Tune. The rules themselves are in study/spec/schedulers.py."""

from collections.abc import Iterable
from typing import Any

from ray.tune.schedulers import FIFOScheduler

from study.spec.study_spec import StudySpec
from study.store.records import TrialRecord


def early_stopping(spec: StudySpec, records: Iterable[TrialRecord]) -> "EarlyStopping | None":
    """The study's scheduler with the recorded trials replayed; None if the study has no scheduler."""
    if spec.scheduler is None:
        return None
    scheduler = EarlyStopping(spec)
    for record in records:
        scheduler.replay(record)
    return scheduler


class EarlyStopping(FIFOScheduler):
    """Asks the rule of the study's scheduler about every measurement."""

    def __init__(self, spec: StudySpec):
        assert spec.scheduler
        super().__init__()  # type: ignore[no-untyped-call]
        self._objective = spec.objective.metric
        self.rule = spec.scheduler.start(budget_kimg=spec.budget_kimg, direction=spec.objective.direction)

    def replay(self, record: TrialRecord) -> None:
        """Give the measurements of a recorded trial to the rule."""
        for measured in record.measurements:
            if self._objective in measured.values:  # untrained networks have no signals
                self.rule.should_continue(record.trial_id, measured.images, measured.values[self._objective])

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        return str(self.CONTINUE if self._ask(trial, result) else self.STOP)

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Give the rule the last result of a trial too, for which Tune does not call `on_trial_result`."""
        if result.get("finished"):
            self._ask(trial, result)

    def _ask(self, trial: Any, result: dict[str, Any]) -> bool:
        value = result.get(f"values/{self._objective}")  # Tune flattens what schedulers get
        return value is None or self.rule.should_continue(trial.config["trial_id"], result["images"], value)
