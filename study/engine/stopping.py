"""Early stopping other than the scheduler: hopeless trials and stop requests."""

from typing import Any

from ray import tune

from analysis.diagnose import hopeless
from ganstudy.units import to_images
from study.store.diagnosis import curves_of
from study.store.records import HOPELESS
from study.store.store import Store


class Stopping(tune.Stopper):
    """Stops a trial that `analysis.diagnose.hopeless` finds hopeless, if `stop_hopeless`, and the Tune run if `ganstudy stop` requests it.

    fewer_if_full: also stop the Tune run, and set `full`, if a trial runs out of a GPU's memory, so that fewer can share it.
    """

    def __init__(self, store: Store, *, budget_kimg: float, stop_hopeless: bool, fewer_if_full: bool = False):
        self.stop_hopeless, self.fewer_if_full, self.full = stop_hopeless, fewer_if_full, False
        self.store, self.budget = store, to_images(budget_kimg)
        self.file = store.layout.stop.absolute()
        self.reasons: dict[str, str] = {}  # trial id -> why it was stopped

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Whether to stop the trial. Tune calls this before the Recorder, so the Store does not hold `result` yet."""
        study, record = self.store.study, self.store.trials[result["config"]["trial_id"]]
        assert study
        if not self.stop_hopeless or result["finished"] or result["diverged"]:
            return False
        ticks = [(m.images, m.values) for m in record.measurements if m.images < result["images"]]
        images, curves = curves_of([*ticks, (result["images"], result["values"])])
        reason = hopeless(images, curves, budget=self.budget, baselines=study.baselines, n_modes=study.n_modes)
        if reason:
            self.reasons[record.trial_id] = f"{HOPELESS} {reason}"
        return bool(reason)

    def stop_all(self) -> bool:
        """Whether to stop the Tune run: the stop file exists, or a GPU is full. The next launch or Tune run resumes the study."""
        return self.full or self.file.exists()
