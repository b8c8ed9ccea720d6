"""W&B tracker: writes trials as Weights & Biases runs. The only module that imports wandb.

A run depends only on its trial's record. An interrupted online run resumes after the last step that the server has. An interrupted offline
run is rewritten from the start, since `wandb sync` cannot append a second file to a run. So each tick is logged once, even if a process was
killed.
"""

import json
import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ganstudy.files import write_whole
from study.spec.tracking import Mode, WandbConfig
from study.store.layout import Layout
from study.store.records import Ended, StudyRecord, TrialRecord, mark
from study.tracking.tracker import diagnosis_fields, log

if TYPE_CHECKING:
    import wandb

_IMAGE_S = 5.0  # how long to wait for a tick's image, which is written after its measurement
DOWN_S = 60.0  # after a failure, how long runs are written offline before the server is tried again
_INTERRUPTED = 255  # W&B's exit code for an interrupted run


@dataclass
class _OpenRun:
    """A W&B run that is being written."""

    run: "wandb.Run"
    logged: int  # ticks logged
    seen: int = 0  # ticks in the record at the last update
    since: float = 0.0  # monotonic time at which `seen` changed


class WandbTracker:
    """Writes one W&B run per trial. All runs share one wandb-core process, so only the first one takes half a second to start.

    patience_s: the total time limit at the end of a study. Starting a run may take a sixth of it and finishing a third, which leaves time to
    write a run offline if the server fails at the end.
    """

    def __init__(self, folder: Path, config: WandbConfig, *, mode: Mode, patience_s: float):
        self.layout = Layout(folder)
        self.config = config
        self.mode = mode
        self.patience_s = patience_s
        self.done = mirrored(folder)
        self.open: dict[str, _OpenRun] = {}
        self.down_until = 0.0
        if config.base_url:
            os.environ["WANDB_BASE_URL"] = config.base_url
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")

    def update(self, trial: TrialRecord, study: StudyRecord, *, last: bool) -> bool:
        if self.done.get(trial.trial_id) == state(trial) or not (trial.measurements or trial.closed):
            return True
        if trial.trial_id not in self.open:
            self.open[trial.trial_id] = self._start(trial, study)
        entry = self.open[trial.trial_id]
        if entry.seen < len(trial.measurements):
            entry.seen, entry.since = len(trial.measurements), time.monotonic()
        complete = last or _has_last_image(trial) or time.monotonic() - entry.since > _IMAGE_S
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
        """Close the runs of interrupted trials. They resume with the study."""
        for entry in self.open.values():
            with suppress(TimeoutError):
                entry.run.finish(exit_code=_INTERRUPTED)

    def _start(self, trial: TrialRecord, study: StudyRecord) -> _OpenRun:
        import wandb  # here, since a study without this tracker must not import wandb

        from study.tracking.wandb_fields import run_config, run_name, run_tags  # here, since it imports torch

        run_id = f"{mark(study)}-{trial.trial_id}"
        for file in self.layout.tracking.glob(f"*run-*/run-{run_id}.wandb"):
            shutil.rmtree(file.parent, ignore_errors=True)  # an unfinished run, which is rewritten from the start
        online = self.mode == "online" and time.monotonic() > self.down_until
        try:
            run = wandb.init(
                id=run_id,
                name=run_name(trial, study),
                entity=self.config.entity,
                project=self.config.project,
                group=study.spec["name"],
                job_type=trial.phase,
                tags=run_tags(trial),
                config=run_config(trial, study),
                dir=self.layout.folder,
                mode="online" if online else "offline",
                resume="allow" if online else None,
                reinit="create_new",
                settings=wandb.Settings(
                    console="off",
                    silent=True,
                    disable_git=True,
                    disable_code=True,
                    x_disable_meta=True,
                    x_disable_stats=True,
                    x_disable_machine_info=True,
                    x_save_requirements=False,
                    init_timeout=self.patience_s / 6,
                    finish_timeout=self.patience_s / 3,
                    finish_timeout_raises=True,
                ),
            )
        except wandb.Error as error:
            if not online:
                raise
            self._down(error)
            wandb.teardown(_INTERRUPTED)  # wandb-core would keep the id of the failed run in use
            self.open.clear()  # the teardown closed these too; they restart at their next update
            return self._start(trial, study)
        run.define_metric("*", step_metric="images")
        return _OpenRun(run, logged=run.starting_step)

    def _log_tick(self, run: "wandb.Run", trial: TrialRecord, study: StudyRecord, tick: int) -> None:
        import wandb  # here, since a study without this tracker must not import wandb

        from study.tracking.wandb_fields import baselines_beside, has_picture  # here, since it imports torch

        measured = trial.measurements[tick]
        row: dict[str, Any] = {
            "images": measured.images,
            "seconds": measured.seconds,
            "evaluation_seconds": measured.evaluation_seconds,
            **measured.values,
            **baselines_beside(measured.values, study),
        }
        grid = self.layout.grid(trial.trial_id, measured.images)
        if has_picture(trial, tick, self.config.max_images) and grid.exists():
            row["samples"] = wandb.Image(str(grid))
        run.log(row, step=tick, commit=True)

    def _finish(self, trial: TrialRecord, study: StudyRecord) -> None:
        from study.tracking.wandb_fields import run_summary, run_tags  # here, since it imports torch

        assert trial.closed
        run, summary = self.open.pop(trial.trial_id).run, run_summary(trial, study)
        run.summary.update(summary)
        run.tags = tuple(run_tags(trial, summary["outcome"]))
        try:
            run.finish(exit_code=int(trial.closed.ended is Ended.ERROR))
        except TimeoutError as error:
            self._down(error)
            self.update(trial, study, last=True)  # writes the run again, offline
            return
        self.done[trial.trial_id] = state(trial)
        write_whole(self.layout.mirrored, json.dumps(self.done))

    def _down(self, error: Exception) -> None:
        log(f"W&B server unavailable; runs are written offline for {DOWN_S:g} s: {error}")
        self.down_until = time.monotonic() + DOWN_S


def wandb_tracker(folder: Path, config: WandbConfig, study: StudyRecord, limit_s: float) -> WandbTracker:
    """For TRACKERS. config.mode is resolved already."""
    return WandbTracker(folder, config, mode=cast(Mode, config.mode), patience_s=limit_s)


def _has_last_image(trial: TrialRecord) -> bool:
    """Whether the image of the last tick has been written, or never will be."""
    if trial.closed and trial.closed.ended in (Ended.DEAD, Ended.ERROR):
        return True
    return trial.last is None or (bool(trial.saved) and trial.saved[-1].images >= trial.last.images)


def mirrored(folder: Path) -> dict[str, Any]:
    """Trial id -> `state` of the trials whose runs are complete."""
    path = Layout(folder).mirrored
    return dict(json.loads(path.read_text())) if path.exists() else {}


def state(trial: TrialRecord) -> list[Any]:
    """What a complete run of the trial contains: its number of ticks and how it ended."""
    return [len(trial.measurements), trial.closed and str(trial.closed.ended)]
