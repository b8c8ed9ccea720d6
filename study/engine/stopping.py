"""Early stopping other than the scheduler: hopeless trials, stop requests, the study's time limit and faults of the machine."""

import time
from typing import Any

from ray import tune

from analysis.diagnose import hopeless
from ganstudy.units import to_images
from study.store.diagnosis import curves_of
from study.store.records import HOPELESS
from study.store.store import Store


class Stopping(tune.Stopper):
    """Stops a trial that `analysis.diagnose.hopeless` finds hopeless, if `stop_hopeless`, and each trial at its tick after `hours`.

    Stops the Tune run at once if `ganstudy stop` requests it, if the machine is at fault, or if `fewer_if_full` is set and a trial ran out of a
    GPU's memory (`full`), so that fewer can share it.
    """

    def __init__(self, store: Store, *, budget_kimg: float, stop_hopeless: bool, hours: float | None = None):
        self.stop_hopeless = stop_hopeless
        self.fewer_if_full = self.full = False
        self.store, self.budget = store, to_images(budget_kimg)
        self.file = store.layout.stop.absolute()
        self.fault = ""  # what is wrong with the machine; set by the Recorder
        self._end = None if hours is None else time.monotonic() + 3600 * hours
        self.reasons: dict[str, str] = {}  # trial id -> why it was stopped

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Whether to stop the trial. Tune calls this before the Recorder, so the Store does not hold `result` yet."""
        study, record = self.store.study, self.store.trials[result["config"]["trial_id"]]
        assert study
        if result["finished"] or result["diverged"]:
            return False
        if not self.stop_hopeless:
            return self.time_is_up()
        ticks = [(m.images, m.values) for m in record.measurements if m.images < result["images"]]
        images, curves = curves_of([*ticks, (result["images"], result["values"])])
        reason = hopeless(images, curves, budget=self.budget, baselines=study.baselines, n_modes=study.n_modes)
        if reason:
            self.reasons[record.trial_id] = f"{HOPELESS} {reason}"
        return bool(reason) or self.time_is_up()

    def time_is_up(self) -> bool:
        """Whether the hours of the study are over. Its trials stay unfinished, for the next launch."""
        return self._end is not None and time.monotonic() >= self._end

    def is_asked(self) -> bool:
        """Whether `ganstudy stop` has asked to stop the study."""
        return self.file.exists()

    def stop_all(self) -> bool:
        """Whether to stop the Tune run, with ticks in progress. The next launch or Tune run resumes the study."""
        return bool(self.fault) or self.full or self.is_asked()
