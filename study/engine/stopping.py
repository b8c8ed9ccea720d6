"""Early stopping other than the scheduler: hopeless trials, stop requests, the study's time limit and faults of the machine."""

import time
from typing import Any

from ray import tune

from analysis.diagnose import hopeless
from ganstudy.units import to_images
from study.engine.faults import Faults
from study.spec.study_spec import StudySpec
from study.store.diagnosis import curves_of
from study.store.records import HOPELESS
from study.store.store import Store


class Stopping(tune.Stopper):
    """Stops a trial that `analysis.diagnose.hopeless` finds hopeless, if `stop_hopeless`, and each trial at its tick after `study_hours`.

    Stops the Tune run at once if `ganstudy stop` or Ctrl-C requests it, if the machine is at fault, or if a trial ran out of the memory of a GPU that
    trials share.
    """

    def __init__(self, store: Store, spec: StudySpec):
        hours = spec.resources.study_hours
        self.stop_hopeless = spec.stop_hopeless
        self.shared = False  # whether trials share GPUs, and a number of ours says how many
        self.full: set[str] = set()  # trials that ran out of the memory of a GPU that they shared
        self.alone = False  # whether trials have a GPU each only to see if they fit, up to their next tick
        self.fit: set[str] = set()  # those that reached it
        self.store, self.budget = store, to_images(spec.budget_kimg)
        self.file = store.layout.stop.absolute()
        self.interrupted = False  # by Ctrl-C
        self.faults = Faults(spec)
        self._end = None if hours is None else time.monotonic() + 3600 * hours
        self.reasons: dict[str, str] = {}  # trial id -> why it was stopped

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Whether to stop the trial. Tune calls this before the Recorder, so the Store does not hold `result` yet."""
        study, record = self.store.study, self.store.trials[result["config"]["trial_id"]]
        assert study
        if self.alone and result["images"]:
            self.fit.add(record.trial_id)
        if result["finished"] or result["diverged"]:
            return False
        pauses = self.pauses() and (not self.alone or record.trial_id in self.fit)
        if not self.stop_hopeless:
            return pauses
        ticks = [(m.images, m.values) for m in record.measurements if m.images < result["images"]]
        images, curves = curves_of([*ticks, (result["images"], result["values"])])
        reason = hopeless(images, curves, budget=self.budget, baselines=study.baselines, n_modes=study.n_modes)
        if reason:
            self.reasons[record.trial_id] = f"{HOPELESS} {reason}"
        return bool(reason) or pauses

    def time_is_up(self) -> bool:
        """Whether the hours of the study are over."""
        return self._end is not None and time.monotonic() >= self._end

    def pauses(self) -> bool:
        """Whether trials that are stopped now stay unfinished, for the next launch or Tune run."""
        return self.alone or self.time_is_up()

    def is_asked(self) -> bool:
        """Whether `ganstudy stop` or Ctrl-C has asked to stop the study."""
        return self.interrupted or self.file.exists()

    def ends(self) -> bool:
        """Whether no more trials are started: the study is asked to stop, or its time is up."""
        return self.is_asked() or self.time_is_up()

    def stop_all(self) -> bool:
        """Whether to stop the Tune run, with ticks in progress. The next launch or Tune run resumes the study."""
        return bool(self.faults.reason) or bool(self.full) or self.is_asked() or self.store.is_lost
