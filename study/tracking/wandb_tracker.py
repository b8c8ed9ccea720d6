"""Trials as Weights & Biases runs. The only module that imports wandb.

A run is a function of its trial's record: online, an interrupted one goes on after the last step that the server has; offline, it is
written anew and whole. So every tick is there once, whoever was killed. (A second file with the rest alone would not do: `wandb sync`
writes each file from the run's first row on.)
"""

import json
import os
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ganstudy.files import write_whole
from study.spec.tracking import Mode, WandbConfig
from study.store.layout import Layout
from study.store.records import Ended, StudyRecord, TrialRecord, mark
from study.tracking.tracker import log, told, verdict

if TYPE_CHECKING:
    import wandb

PICTURE_S = 5.0  # a tick's picture is written shortly after its measurement
DOWN_S = 60.0  # after a failure, runs are written offline for so long before the server is tried again
INTERRUPTED = 255  # W&B's exit code of a run that was stopped


@dataclass
class OpenRun:
    run: "wandb.Run"
    logged: int  # ticks that are in it
    seen: int = 0  # ticks of the record when it was last looked at, and
    since: float = 0.0  # when that changed


class WandbTracker:
    """One wandb-core for all runs: the first costs half a second, a further one hundredths.

    A server is given a sixth of `patience_s` to take up a run and a third to take its rest, so that a failure at the very end leaves
    time to write the run offline.
    """

    def __init__(self, folder: Path, config: WandbConfig, *, mode: Mode, patience_s: float):
        self.layout = Layout(folder)
        self.config = config
        self.mode = mode
        self.patience_s = patience_s
        self.done = mirrored(folder)
        self.open: dict[str, OpenRun] = {}
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
        complete = last or _has_last_picture(trial) or time.monotonic() - entry.since > PICTURE_S
        until = len(trial.measurements) - (not complete)
        for tick in range(entry.logged, until):
            self._log_tick(entry.run, trial, tick)
        if until > entry.logged:
            entry.run.summary.update(told(trial, study))
        entry.logged = max(entry.logged, until)
        if complete and trial.closed:
            self._finish(trial, study)
        return complete

    def close(self) -> None:
        """The runs of trials that were interrupted; they go on when the study does."""
        for entry in self.open.values():
            with suppress(TimeoutError):
                entry.run.finish(exit_code=INTERRUPTED)

    def _start(self, trial: TrialRecord, study: StudyRecord) -> OpenRun:
        import wandb  # here, since a study that has no such tracker must not pay for it

        run_id = f"{mark(study)}-{trial.trial_id}"
        for file in self.layout.tracking.glob(f"*run-*/run-{run_id}.wandb"):
            shutil.rmtree(file.parent, ignore_errors=True)  # an unfinished one; all that it held is written again
        online = self.mode == "online" and time.monotonic() > self.down_until
        try:
            run = wandb.init(
                id=run_id,
                name=trial.trial_id,
                entity=self.config.entity,
                project=self.config.project,
                group=study.spec["name"],
                job_type=trial.phase,
                tags=[name for name, value in trial.flat.items() if value is True],
                config={
                    **nested({**trial.settings, "trial_id": trial.trial_id, "config_id": trial.config_id}),
                    "protocol": dict(study.protocol),
                    "baselines": dict(study.baselines),
                },
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
            wandb.teardown(INTERRUPTED)  # the core would hold the failed run's id for ever
            self.open.clear()  # so these are started again too when they have news
            return self._start(trial, study)
        run.define_metric("*", step_metric="images")
        return OpenRun(run, logged=run.starting_step)

    def _log_tick(self, run: "wandb.Run", trial: TrialRecord, tick: int) -> None:
        import wandb  # here, since a study that has no such tracker must not pay for it

        measured = trial.measurements[tick]
        row: dict[str, Any] = {
            "images": measured.images,
            "seconds": measured.seconds,
            "evaluation_seconds": measured.evaluation_seconds,
            **measured.values,
        }
        picture = self.layout.grid(trial.trial_id, measured.images)
        if picture.exists():
            row["samples"] = wandb.Image(str(picture))
        run.log(row, step=tick, commit=True)

    def _finish(self, trial: TrialRecord, study: StudyRecord) -> None:
        assert trial.closed
        run = self.open.pop(trial.trial_id).run
        run.summary.update(verdict(trial, study))
        try:
            run.finish(exit_code=int(trial.closed.ended is Ended.ERROR))
        except TimeoutError as error:
            self._down(error)
            self.update(trial, study, last=True)  # again, offline
            return
        self.done[trial.trial_id] = state(trial)
        write_whole(self.layout.mirrored, json.dumps(self.done))

    def _down(self, error: Exception) -> None:
        log(f"W&B's server cannot be used, so runs are written offline for {DOWN_S:g} s: {error}")
        self.down_until = time.monotonic() + DOWN_S


def wandb_tracker(folder: Path, config: WandbConfig, study: StudyRecord, limit_s: float) -> WandbTracker:
    """For TRACKERS. config.mode is resolved already."""
    return WandbTracker(folder, config, mode=cast(Mode, config.mode), patience_s=limit_s)


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """{"g.lr": 1e-3, "r1": True, "r1.gamma": 2} -> {"g": {"lr": 1e-3}, "r1": {"on": True, "gamma": 2}}, which W&B shows dotted again.

    A switch is always `r1.on`, so that it is one column whether there are settings beside it or not; the data's name is `data.name`.
    """
    out: dict[str, Any] = {}
    heads = {name.partition(".")[0] for name in flat if "." in name}
    for name, value in flat.items():
        head, _, rest = name.partition(".")
        if isinstance(value, bool) and not rest:
            out.setdefault(head, {})["on"] = value
        elif rest or head in heads:
            out.setdefault(head, {})[rest or "name"] = value
        else:
            out[head] = value
    return out


def _has_last_picture(trial: TrialRecord) -> bool:
    """Or will never have it."""
    if trial.closed and trial.closed.ended in (Ended.DEAD, Ended.ERROR):
        return True
    return trial.last is None or (bool(trial.saved) and trial.saved[-1].images >= trial.last.images)


def mirrored(folder: Path) -> dict[str, Any]:
    """The states of the trials whose runs are complete."""
    path = Layout(folder).mirrored
    return dict(json.loads(path.read_text())) if path.exists() else {}


def state(trial: TrialRecord) -> list[Any]:
    """What of a trial a run can hold: it is complete when it held all this."""
    return [len(trial.measurements), trial.closed and str(trial.closed.ended)]
