"""The schedulers of a study on Ray Tune. The rules of early stopping are in study/spec/schedulers.py."""

from typing import Any

from ray.tune.schedulers import FIFOScheduler

from study.spec.planned import GOALS
from study.spec.schedulers import Informed
from study.spec.study_spec import StudySpec
from study.store.records import TrialRecord
from study.store.store import Store


def scheduler_of(spec: StudySpec, store: Store) -> "InOrder":
    """The scheduler of the study. That of phase optimise has the recorded trials replayed."""
    if "optimise" not in spec.phase_names or (of_phase := spec.of_phase("optimise")).scheduler is None:
        return InOrder()  # type: ignore[no-untyped-call]
    scheduler = EarlyStopping(of_phase, store)
    for record in store.trials.values():
        if record.phase in GOALS:
            scheduler.replay(record)
    return scheduler


class InOrder(FIFOScheduler):
    """Starts trials in the order in which they were proposed, and lets each run to its end."""

    def choose_trial_to_run(self, tune_controller: Any) -> None:
        """Leave the choice to Tune, which gives a worker that becomes free to a trial that has none.

        Tune's own schedulers name the oldest trial that waits. It is often one whose worker process is starting: Tune then gives it the free
        worker, ends the process that starts, and starts another one for the next trial, and so on. They also look through all trials at each event.
        """


class EarlyStopping(InOrder):
    """Asks the rule of the study's scheduler about every measurement in phase optimise. The rule knows those of phase explore too."""

    def __init__(self, spec: StudySpec, store: Store):
        assert spec.scheduler
        super().__init__()  # type: ignore[no-untyped-call]
        self._objective, self._store = spec.stops_by.metric, store
        self._introduced: set[str] = set()
        self.rule = spec.scheduler.start(budget_kimg=spec.budget_kimg, direction=spec.stops_by.direction)

    def replay(self, record: TrialRecord) -> None:
        """Give the settings and the measurements of a recorded trial to the rule."""
        self._introduce(record)
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
        trial_id = trial.config["trial_id"]
        phase = self._store.trials[trial_id].phase
        if value is None or phase not in GOALS:
            return True
        self._introduce(self._store.trials[trial_id])
        return self.rule.should_continue(trial_id, result["images"], value) or phase != "optimise"

    def _introduce(self, record: TrialRecord) -> None:
        """Tell a rule that asks for them the settings of a trial, once."""
        if isinstance(self.rule, Informed) and record.trial_id not in self._introduced:
            self._introduced.add(record.trial_id)
            self.rule.begins(record.trial_id, record.flat)
