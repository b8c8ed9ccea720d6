"""Recorder: writes what Ray Tune reports to the Store, then passes it to the searcher."""

import logging
from pathlib import Path
from typing import Any

from ray import tune

from ganstudy.checksums import SUMS
from ganstudy.files import sync, write_whole
from study.engine.faults import Faults
from study.engine.progress import Progress
from study.engine.searcher import Search
from study.engine.stopping import Stopping
from study.engine.watch import Watch
from study.store.records import Closed, Ended, Measurement, Saved
from study.store.store import Store
from trainables.generators import GENERATOR_FILE
from trainables.trial import SAMPLES, STATE

log = logging.getLogger(__name__)

_OUT_OF_MEMORY = ("OutOfMemoryError", "CUDA error: out of memory")  # in a traceback: PyTorch's exception, and what CUDA itself says
_WHOLE = 2  # checkpoints of a trial that can be resumed from


class Recorder(tune.Callback):
    """Tune callback that records measurements, checkpoints and ends of trials. The only writer of trial records."""

    def __init__(self, store: Store, search: Search, stopping: Stopping, display: Progress, watch: Watch):
        self.store, self.search, self.stopping, self.display, self.watch = store, search, stopping, display, watch
        self.faults = Faults(n_configs=search.spec.n_configs)

    def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any) -> None:
        """Record a measurement, and the end of the trial if `done`.

        `done` is set by the trial (budget, dead), the stopper (dead, or time is up) or the scheduler. A trial that diverged at once has no
        values. One whose time is up stays unfinished.
        """
        hopeless = self.stopping.reasons.get(trial.config["trial_id"], "")
        ended = None
        if result["done"]:
            dead = result["diverged"] or hopeless
            if not self.stopping.time_is_up() or result["finished"] or dead:
                ended = Ended.BUDGET if result["finished"] else Ended.DEAD if dead else Ended.SCHEDULER
            if dead:
                self.faults.worked()
        measured = Measurement(**{k: result[k] for k in ("images", "seconds", "evaluation_seconds", "values")})
        self._record(
            trial,
            measured if result["values"] else None,
            Closed(ended=ended, reason=result["diverged"] or hopeless) if ended else None,
            effective=result["effective"],
            eager=result["eager"],
            code=result["code"],
        )

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Record the end of a trial that crashed, unless it can go on where fewer trials share a GPU.

        A crash after the last result, for example while saving the checkpoint, is not recorded. If the checkpoint is missing, the next
        launch reruns the trial (`needs_run`).
        """
        if (before := self.store.trials[trial.config["trial_id"]].closed) and before.ended is not Ended.ERROR:
            return
        reason = Path(trial.error_file).read_text() if trial.error_file else "the worker is gone"
        if self.stopping.fewer_if_full and any(text in reason for text in _OUT_OF_MEMORY):
            self.stopping.full = True
            return
        if overdue := self.watch.overdue(trial.config["trial_id"]):
            reason = f"{reason.rstrip()}\n{overdue}"
        self._record(trial, None, Closed(ended=Ended.ERROR, reason=reason))
        for trial_id, tries in self.faults.failed(self.store.trials[trial.config["trial_id"]], before=before).items():
            self.store.write(trial_id, failures=self.store.trials[trial_id].failures - tries)
        self.stopping.fault = self.faults.reason

    def on_checkpoint(self, iteration: int, trials: list[Any], trial: Any, checkpoint: tune.Checkpoint, **info: Any) -> None:
        """Record a checkpoint that is on disk, and delete what older ones no longer need.

        The newest two are kept whole, so that a damaged one costs a tick and not the trial; of the best one, the generator. Tune's
        num_to_keep would write the state of the whole run at every tick.
        """
        record, made = self.store.trials[trial.config["trial_id"]], Path(checkpoint.path)
        images, before = trial.last_result["images"], record.saved
        if images:
            self.faults.worked()
        for path in (*made.iterdir(), made):
            sync(path)
        write_whole(self.store.layout.grid(record.trial_id, images), (made / SAMPLES).read_bytes())
        self.store.write(record.trial_id, saved=Saved(images=images, path=str(made.relative_to(self.store.folder.absolute()))))
        record = self.store.trials[record.trial_id]
        best = record.best_images(self.search.spec.objective.metric, self.search.spec.objective.direction)
        for old in set(before) - set(record.saved[-_WHOLE:]):
            keep = old in record.saved and old.images == best
            for name in (STATE, SAMPLES) if keep else (STATE, SAMPLES, GENERATOR_FILE, SUMS):
                (self.store.layout.checkpoint(old) / name).unlink(missing_ok=True)

    def _record(
        self,
        trial: Any,
        measured: Measurement | None,
        closed: Closed | None,
        *,
        effective: dict[str, Any] | None = None,
        eager: str = "",
        code: str | None = None,
    ) -> None:
        """Write to the Store, then update the searcher and the display."""
        trial_id = trial.config["trial_id"]
        if eager and not self.store.trials[trial_id].eager:
            log.warning("%s launches each operation by itself, which takes several times as long: %s", trial_id, eager)
        else:
            eager = ""
        if code in self.store.trials[trial_id].codes:
            code = None
        if self.store.write(trial_id, measured=measured, closed=closed, effective=effective, eager=eager, code=code) and measured:
            self.search.measured(trial_id, measured)
        if closed:
            self.search.closed(self.store.trials[trial_id])
        self.display.update(self.store.trials[trial_id])
