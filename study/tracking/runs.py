"""What trackers with a run per trial share: which trials are complete, which runs are open, and when a tick can be written."""

import json
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Generic, TypeVar

from study.store.records import Ended, StudyRecord, TrialRecord
from study.tracking.pictures import has_last_picture

_PICTURE_S = 5.0  # how long to wait for a tick's sample grid
T = TypeVar("T")


@dataclass
class _Open(Generic[T]):
    """A run that is being written."""

    run: T
    trial: TrialRecord
    written: int = 0  # ticks
    seen: int = 0  # ticks in the record at the last update
    since: float = 0.0  # monotonic time at which `seen` changed


class RunTracker(ABC, Generic[T]):
    """Writes a run per trial, tick by tick. T is what a run is written to.

    sent: the file that lists what has been written. place: where; what was written to another place is written again.
    """

    def __init__(self, sent: Path, place: str):
        self.sent, self.place = sent, place
        self.done = {trial_id: found for trial_id, found in written(sent).items() if found[-1] == place}
        self.open: dict[str, _Open[T]] = {}

    @abstractmethod
    def start(self, trial: TrialRecord, study: StudyRecord) -> T:
        """Begin the run of a trial, or go on with one that an earlier process began."""

    @abstractmethod
    def write(self, run: T, trial: TrialRecord, study: StudyRecord, ticks: range) -> None:
        """Write these ticks. After `start`, they begin with the first one of the trial; each must be there once in the end."""

    @abstractmethod
    def finish(self, run: T, trial: TrialRecord, study: StudyRecord) -> None:
        """Write how the trial ended, and close the run."""

    @abstractmethod
    def interrupt(self, run: T) -> None:
        """Close the run of a trial that has not ended."""

    def update(self, trial: TrialRecord, study: StudyRecord, *, last: bool) -> bool:
        if self._is_written(trial) or not (trial.measurements or trial.closed):
            return True
        if trial.trial_id not in self.open:
            self.open[trial.trial_id] = _Open(self.start(trial, study), trial)
        entry = self.open[trial.trial_id]
        entry.trial = trial
        if entry.seen < len(trial.measurements):
            entry.seen, entry.since = len(trial.measurements), time.monotonic()
        complete = last or has_last_picture(trial) or time.monotonic() - entry.since > _PICTURE_S
        ticks = range(entry.written, len(trial.measurements) - (not complete))
        if ticks:
            self.write(entry.run, trial, study, ticks)
            entry.written = ticks.stop
        if complete and trial.closed:
            self.finish(entry.run, trial, study)
            del self.open[trial.trial_id]
            self._keep(trial)
        return complete

    def close(self) -> None:
        """Close the runs of trials that have not ended. They go on with the study."""
        for entry in self.open.values():
            self.interrupt(entry.run)
            self._keep(entry.trial)

    def _is_written(self, trial: TrialRecord) -> bool:
        return self.done.get(trial.trial_id) == [*state(trial), self.place]

    def _keep(self, trial: TrialRecord) -> None:
        """Note that the run holds all that is known of the trial. The line begins with its line break, since a kill may have torn the one before."""
        self.done[trial.trial_id] = [*state(trial), self.place]
        with self.sent.open("a") as file:
            file.write("\n" + json.dumps([trial.trial_id, *self.done[trial.trial_id]]))


def state(trial: TrialRecord) -> list[Any]:
    """What a run holds if all of the trial is written: the number of ticks, and how it ended."""
    return [len(trial.measurements), trial.closed and str(trial.closed.ended)]


def written(sent: Path) -> dict[str, list[Any]]:
    """Trial id -> [ticks, how it ended, place] of what has been written. Lines that a kill has torn are left out."""
    found = {}
    for line in sent.read_text().splitlines() if sent.exists() else ():
        try:
            trial_id, *rest = json.loads(line)
        except ValueError:
            continue
        found[trial_id] = rest
    return found


def begun(study: StudyRecord) -> float:
    """When the study began, in seconds since 1970. Records have no times of trials, so trackers add seconds of training to this one."""
    return datetime.fromisoformat(study.created).timestamp() if study.created else 0.0


def final_values(trial: TrialRecord, study: StudyRecord) -> dict[str, float]:
    """Return the objectives at the end of the budget, as {"final/fd": 12.3}. A trial that ended earlier has none."""
    if not (trial.closed and trial.closed.ended is Ended.BUDGET and trial.last):
        return {}
    return {f"final/{name}": trial.last.values[name] for name in study.objectives if name in trial.last.values}
