"""Recorder: writes what Ray Tune reports to the Store, then passes it to the searcher."""

import logging
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.result import NODE_IP

from ganstudy.checksums import SUMS
from ganstudy.files import write_whole
from study.engine.nodes import address
from study.engine.progress import Progress
from study.engine.reasons import TOO_LARGE, explained, gpu_is_full
from study.engine.searcher import Search
from study.engine.stopping import Stopping
from study.engine.watch import Watch
from study.store.checkpoints import WHOLE
from study.store.raised import raised
from study.store.records import Closed, Ended, Measurement, Saved
from study.store.store import Store
from trainables.generators import GENERATOR_FILE
from trainables.trial import SAMPLES, STATE

log = logging.getLogger(__name__)


class Recorder(tune.Callback):
    """Tune callback that records measurements, checkpoints and ends of trials. The only writer of trial records."""

    def __init__(self, store: Store, search: Search, stopping: Stopping, display: Progress, watch: Watch):
        self.store, self.search, self.stopping, self.display, self.watch = store, search, stopping, display, watch
        self.faults = stopping.faults

    def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any) -> None:
        """Record a measurement, and the end of the trial if `done`.

        `done` is set by the trial (budget, dead), the stopper (dead, or paused) or the scheduler. A trial that diverged at once has no values. One
        that is paused stays unfinished.
        """
        hopeless = self.stopping.reasons.get(trial.config["trial_id"], "")
        ended = None
        if result["done"]:
            dead = result["diverged"] or hopeless
            if not self.stopping.pauses() or result["finished"] or dead:
                ended = Ended.BUDGET if result["finished"] else Ended.DEAD if dead else Ended.SCHEDULER
            if dead:
                self.faults.worked(result.get(NODE_IP, ""))
        measured = Measurement(**{k: result[k] for k in ("images", "seconds", "evaluation_seconds", "values")})
        self._record(
            trial,
            measured if result["values"] else None,
            Closed(ended=ended, reason=result["diverged"] or hopeless, node=result.get(NODE_IP, "")) if ended else None,
            effective=result["effective"],
            eager=result["eager"],
            code=result["code"],
        )

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Record the end of a trial that crashed, unless it ran out of the memory of a GPU that it shared: then it is tried alone.

        A config that is refused, or that does not fit on a GPU alone, is not tried again.

        A crash after the last result, for example while saving the checkpoint, is not recorded. If the checkpoint is missing, the next
        launch reruns the trial (`needs_run`).
        """
        trial_id = trial.config["trial_id"]
        if (before := self.store.trials[trial_id].closed) and before.ended is not Ended.ERROR:
            return
        reason = explained(
            Path(trial.error_file).read_text() if trial.error_file else "the worker is gone", overdue=self.watch.overdue(trial_id)
        )
        if self.stopping.shared and gpu_is_full(reason):
            self.stopping.full.add(trial_id)
            return
        too_large = self.stopping.alone and gpu_is_full(reason)
        if too_large:
            reason = f"{reason.rstrip()}\n{TOO_LARGE}"
        used_up = self.search.spec.max_failures + 1 if too_large or raised(reason).refused else None
        tried = self.store.trials[trial_id].failures
        self.store.write(trial_id, closed=Closed(ended=Ended.ERROR, reason=reason, node=address(reason)), failures=used_up)
        record = self.store.trials[trial_id]
        for given_back, tries in self.faults.failed(record, before=before, tries=record.failures - tried).items():
            self.store.write(given_back, failures=self.store.trials[given_back].failures - tries)
        self._told(trial_id)

    def on_checkpoint(self, iteration: int, trials: list[Any], trial: Any, checkpoint: tune.Checkpoint, **info: Any) -> None:
        """Record a checkpoint that is on disk or in the object store, and delete what older ones no longer need.

        The newest two are kept whole, so that a damaged one costs a tick and not the trial; of the best one, the generator. Tune's
        num_to_keep would write the state of the whole run at every tick.
        """
        record, kept = self.store.trials[trial.config["trial_id"]], self.store.checkpoints
        images, before, allowed = trial.last_result["images"], record.saved, self.search.spec.max_failures
        lacked_it = record.closed and record.needs_run(allowed)
        if images:
            self.faults.worked(trial.last_result.get(NODE_IP, ""))
        saved = Saved(images=images, path=kept.made(checkpoint.path))
        self.store.publish(write_whole(self.store.layout.grid(record.trial_id, images), kept.read(saved, SAMPLES)))
        self.store.write(record.trial_id, saved=saved)
        record = self.store.trials[record.trial_id]
        if lacked_it and not record.needs_run(allowed):
            self.display.update(record)
        best = record.best_images(self.search.spec.objective.metric, self.search.spec.objective.direction)
        for old in set(before) - set(record.saved[-WHOLE:]):
            keep = old in record.saved and old.images == best
            kept.remove(old, (STATE, SAMPLES) if keep else (STATE, SAMPLES, GENERATOR_FILE, SUMS))

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
        facts: dict[str, Any] = {
            "measured": measured,
            "closed": closed,
            "effective": effective,
            "eager": eager,
            "code": code,
        }
        if self.store.write(trial_id, **facts) and measured:
            self.search.measured(trial_id, measured)
        self._told(trial_id)

    def _told(self, trial_id: str) -> None:
        """Tell the searcher of a trial that ended, and the display."""
        record = self.store.trials[trial_id]
        if record.closed:
            self.search.closed(record)
        self.display.update(record)
