"""The schedulers of a study on Ray Tune. The rules of early stopping are in study/spec/schedulers.py."""

import time
from collections.abc import Callable
from typing import Any

from ray.tune.schedulers import FIFOScheduler

from study.spec.planned import GOALS
from study.spec.schedulers import Informed
from study.spec.study_spec import StudySpec
from study.store.records import TrialRecord
from study.store.store import Store

PATIENCE_S = 300.0  # longer than a worker takes to start


def scheduler_of(spec: StudySpec, store: Store) -> "InOrder":
    """The scheduler of the study. That of phase optimise has the recorded trials replayed."""
    if "optimise" not in spec.phase_names or (of_phase := spec.of_phase("optimise")).scheduler is None:
        return InOrder()
    scheduler = EarlyStopping(of_phase, store)
    for record in store.trials.values():
        if record.phase in GOALS:
            scheduler.replay(record)
    return scheduler


class InOrder(FIFOScheduler):
    """Lets each trial run to its end. A trial that has waited for PATIENCE_S gets the next free worker; until then, Tune chooses.

    Tune's own schedulers always name the oldest trial that waits. Its worker process is often still starting. Tune then ends that process, gives the
    trial a worker that is free, and starts another process for the next trial, and so on. They also look through all trials at each event.

    If a scheduler names no trial, Tune gives a free worker to the newest one. A trial that waits for resources, or whose worker hangs while it
    starts, would then wait until no new trials come.

    clock: returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        super().__init__()  # type: ignore[no-untyped-call]
        self._clock = clock
        self._waiting: dict[Any, float] = {}  # Tune's trial -> when it was proposed

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        self._waiting[trial] = self._clock()

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        """Return the oldest trial that waits, if it has waited for PATIENCE_S. None leaves the choice to Tune."""
        self._waiting = {trial: since for trial, since in self._waiting.items() if trial.status == trial.PENDING}
        trial, since = next(iter(self._waiting.items()), (None, 0.0))
        return trial if self._clock() - since > PATIENCE_S else None


class EarlyStopping(InOrder):
    """Asks the rule of the study's scheduler about every measurement in phase optimise. The rule knows those of phase explore too."""

    def __init__(self, spec: StudySpec, store: Store):
        assert spec.scheduler
        super().__init__()
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
