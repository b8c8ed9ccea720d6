"""W&B tracker: writes trials as Weights & Biases runs, and a run for the study.

A run depends only on its trial's record. An interrupted online run resumes after the last step that the server has. An interrupted offline
run is rewritten from the start, since `wandb sync` cannot append a second file to a run. So each tick is logged once, even if a process was
killed.
"""

import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from study.spec.tracking import Mode, WandbConfig
from study.store.layout import Layout
from study.store.records import Ended, StudyRecord, TrialRecord, mark
from study.tracking.computing import computing_of
from study.tracking.handed import handed
from study.tracking.pictures import PICTURE_S, caption, has_last_picture, has_picture
from study.tracking.runs import Ends, note, state, written
from study.tracking.tracker import diagnosis_fields, log
from study.tracking.wandb_client import INTERRUPTED, Client
from study.tracking.wandb_study import StudyRun

if TYPE_CHECKING:
    import wandb


@dataclass
class _OpenRun:
    """A W&B run that is being written."""

    run: "wandb.Run"
    logged: int  # ticks logged
    seen: int = 0  # ticks in the record at the last update
    since: float = 0.0  # monotonic time at which `seen` changed


class WandbTracker:
    """Writes one W&B run per trial, and one for the study. patience_s: see Client."""

    def __init__(self, folder: Path, config: WandbConfig, study: StudyRecord, *, mode: Mode, patience_s: float):
        self.layout, given = Layout(folder), handed()
        self.known = given.settings
        self.config = config
        self.client = Client(self.layout, config, mode=mode, patience_s=patience_s)
        self.done = written(self.layout.sent("wandb"))
        self.open: dict[str, _OpenRun] = {}
        self.client.forget.append(self.open.clear)  # they restart at their next update
        self.computing = computing_of(folder, trust_plugins=given.trusts(study))
        self.study_run: StudyRun | None = StudyRun(self.client, self.computing)
        self.study: StudyRecord | None = None
        self.ended = Ends()

    def update(self, trial: TrialRecord, study: StudyRecord, *, last: bool) -> bool:
        complete = self._update_trial(trial, study, last=last)
        self.study, n_ended = study, self.ended.count(trial)
        with self._without_study_run_if_it_fails():
            if self.study_run:
                self.study_run.update(study, n_ended)
        return complete

    def _update_trial(self, trial: TrialRecord, study: StudyRecord, *, last: bool) -> bool:
        if self.done.get(trial.trial_id) == state(trial) or not (trial.measurements or trial.closed):
            return True
        if trial.trial_id not in self.open:
            self.open[trial.trial_id] = self._start(trial, study)
        entry = self.open[trial.trial_id]
        if entry.seen < len(trial.measurements):
            entry.seen, entry.since = len(trial.measurements), time.monotonic()
        complete = last or has_last_picture(trial) or time.monotonic() - entry.since > PICTURE_S
        until = len(trial.measurements) - (not complete)
        for tick in range(entry.logged, until):
            self._log_tick(entry.run, trial, study, tick)
        if until > entry.logged:
            entry.run.summary.update(diagnosis_fields(trial, study))
        entry.logged = max(entry.logged, until)
        if complete and trial.closed:
            self._finish(trial, study)
        return complete

    def close(self) -> None:
        """Close the runs of interrupted trials, which resume with the study, and the run of the study."""
        for entry in self.open.values():
            with suppress(TimeoutError):
                entry.run.finish(exit_code=INTERRUPTED)
        with self._without_study_run_if_it_fails():
            if self.study_run and self.study:
                self.study_run.close(self.study, complete=self.ended.are_all(self.study))

    @contextmanager
    def _without_study_run_if_it_fails(self) -> Iterator[None]:
        """Go on with the runs of trials after any error of the run of the study."""
        try:
            yield
        except (Exception, SystemExit):  # clients raise anything
            log(f"the W&B run of the study failed and is left out:\n{traceback.format_exc()}")
            if self.study_run:
                self.study_run.pages.close()
            self.study_run = None

    def _start(self, trial: TrialRecord, study: StudyRecord) -> _OpenRun:
        from study.tracking.names import run_name  # here, since it imports pandas, which takes a second
        from study.tracking.wandb_fields import run_config, run_tags

        run = self.client.start(
            f"{mark(study)}-{trial.trial_id}",
            name=run_name(trial, study, self.known),
            group=study.spec["name"],
            job_type=trial.phase,
            tags=run_tags(trial),
            config=run_config(trial, study, self.known),
        )
        run.define_metric("*", step_metric="images")
        return _OpenRun(run, logged=run.starting_step)

    def _log_tick(self, run: "wandb.Run", trial: TrialRecord, study: StudyRecord, tick: int) -> None:
        import wandb  # here, since a study without this tracker must not import wandb

        from study.tracking.wandb_fields import baselines_beside  # here for the same reason

        measured = trial.measurements[tick]
        row: dict[str, Any] = {
            "images": measured.images,
            "seconds": measured.seconds,
            "evaluation_seconds": measured.evaluation_seconds,
            **measured.values,
            **baselines_beside(measured.values, study),
        }
        grid = self.layout.grid(trial.trial_id, measured.images)
        if has_picture(trial, study, tick, self.known, self.config.max_images) and grid.exists():
            row["samples"] = wandb.Image(str(grid), caption=caption(trial, study) or None)
        run.log(row, step=tick, commit=True)

    def _finish(self, trial: TrialRecord, study: StudyRecord) -> None:
        from study.tracking.wandb_fields import run_summary, run_tags  # here for the same reason

        assert trial.closed
        run, summary = self.open.pop(trial.trial_id).run, run_summary(trial, study)
        run.summary.update(summary)
        run.tags = tuple(run_tags(trial, summary["outcome"]))
        try:
            run.finish(exit_code=int(trial.closed.ended is Ended.ERROR))
        except TimeoutError as error:
            self.client.failed(error)
            self._update_trial(trial, study, last=True)  # writes the run again, offline
            return
        self.done[trial.trial_id] = state(trial)
        note(self.layout.sent("wandb"), trial.trial_id, state(trial))


def wandb_tracker(folder: Path, config: WandbConfig, study: StudyRecord, limit_s: float) -> WandbTracker:
    """For TRACKERS. config.mode is resolved already."""
    return WandbTracker(folder, config, study, mode=cast(Mode, config.mode), patience_s=limit_s)
