"""What trackers with a run per trial share: which trials are complete, which runs are open, when a tick can be written, and when the best trials are shown."""

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Generic, TypeVar

from study.store.records import Ended, StudyRecord, TrialRecord
from study.tracking.computing import EVERY_S, Computing
from study.tracking.pictures import PICTURE_S, has_last_picture
from study.tracking.tracker import log

BEST = "best"  # stands in the place of a trial's id for the pictures of the best trials
T = TypeVar("T")
Pictures = Mapping[
    str, Sequence[Mapping[str, str]]
]  # name -> {"path", "caption"} of each, the best trial first: see study.tracking.best_pictures


@dataclass
class _Open(Generic[T]):
    """A run that is being written."""

    run: T
    trial: TrialRecord
    written: int = 0  # ticks
    seen: int = 0  # ticks in the record at the last update
    since: float = 0.0  # monotonic time at which `seen` changed


class Ends:
    """Which trials have ended. They are counted as they end: adding all up at each update would take long in a study of many trials."""

    def __init__(self) -> None:
        self.n = 0
        self._of: dict[str, bool] = {}  # trial id -> whether it has ended

    def count(self, trial: TrialRecord) -> int:
        """Learn whether a trial has ended; one that is tried again has not any more. Return how many trials have."""
        ended = trial.closed is not None
        self.n += ended - self._of.get(trial.trial_id, False)
        self._of[trial.trial_id] = ended
        return self.n

    def are_all(self, study: StudyRecord) -> bool:
        """Whether all trials of a study are there and have ended."""
        return self.n == len(self._of) >= study.planned


class RunTracker(ABC, Generic[T]):
    """Writes a run per trial, tick by tick, and pictures of the best trials. T is what a run is written to.

    sent: the file that lists what has been written. place: where; what was written to another place is written again. computing: what knows the best
    trials; a study that has ended waits for it, for a third of `limit_s` at most.
    """

    def __init__(self, sent: Path, place: str, computing: Computing, *, limit_s: float):
        self.sent, self.place, self.computing, self.limit_s = sent, place, computing, limit_s
        self.study: StudyRecord | None = None
        self.ended = Ends()
        self.began = time.monotonic()
        self.shown: Pictures = {}
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

    @abstractmethod
    def show(self, pictures: Pictures, study: StudyRecord, n_ended: int) -> None:
        """Show pictures of the best trials. n_ended: how many trials they are the best of."""

    @abstractmethod
    def finish_study(self, study: StudyRecord, *, complete: bool) -> None:
        """Close what holds the pictures of the best trials. complete: whether all trials have ended."""

    def update(self, trial: TrialRecord, study: StudyRecord, *, last: bool) -> bool:
        complete = self.update_trial(trial, study, last=last)
        self.study, n_ended = study, self.ended.count(trial)
        if not last and n_ended and time.monotonic() - self.began > EVERY_S:
            if (found := self.computing.results) is None or n_ended > found["ended"]:
                self.computing.ask_again()
            self._show(study)
        return complete

    def update_trial(self, trial: TrialRecord, study: StudyRecord, *, last: bool) -> bool:
        """Write what is new of a trial. Returns as `update`."""
        if self._is_written(trial) or not (trial.measurements or trial.closed):
            return True
        if trial.trial_id not in self.open:
            self.open[trial.trial_id] = _Open(self.start(trial, study), trial)
        entry = self.open[trial.trial_id]
        entry.trial = trial
        if entry.seen < len(trial.measurements):
            entry.seen, entry.since = len(trial.measurements), time.monotonic()
        complete = last or has_last_picture(trial) or time.monotonic() - entry.since > PICTURE_S
        ticks = range(entry.written, len(trial.measurements) - (not complete))
        if ticks:
            self.write(entry.run, trial, study, ticks)
            entry.written = ticks.stop
        if complete and trial.closed:
            self.finish(entry.run, trial, study)
            del self.open[trial.trial_id]
            self._keep(trial.trial_id, state(trial))
        return complete

    def close(self) -> None:
        """Close the runs of trials that have not ended, which go on with the study, and show the best trials."""
        for entry in self.open.values():
            self.interrupt(entry.run)
            self._keep(entry.trial.trial_id, state(entry.trial))
        if self.study is None or self.is_study_written():
            return
        complete = self.ended.are_all(self.study)
        if complete and not self.computing.current:
            self.computing.ask()
            if not self.computing.wait(self.limit_s / 3):
                log(f"{type(self).__name__}: the best trials of all were not computed within {self.limit_s / 3:g} s")
        self._show(self.study)
        self.finish_study(self.study, complete=complete)
        if complete and self.computing.current:
            self._keep(BEST, self._all())

    def is_study_written(self) -> bool:
        """Whether the best of all trials are shown, and nothing is left to be closed."""
        return self.done.get(BEST) == [*self._all(), self.place]

    def _all(self) -> list[Any]:
        """What is shown if nothing is missing: the size of the records."""
        return [self.computing.layout.records.stat().st_size, None]

    def _show(self, study: StudyRecord) -> None:
        found = self.computing.results
        if found and found["pictures"] and found["pictures"] != self.shown:
            self.show(found["pictures"], study, found["ended"])
            self.shown = found["pictures"]

    def _is_written(self, trial: TrialRecord) -> bool:
        return self.done.get(trial.trial_id) == [*state(trial), self.place]

    def _keep(self, name: str, state: list[Any]) -> None:
        """Note what is written of a trial or of the study."""
        self.done[name] = [*state, self.place]
        note(self.sent, name, self.done[name])


def state(trial: TrialRecord) -> list[Any]:
    """What a run holds if all of the trial is written: the number of ticks, and how it ended."""
    return [len(trial.measurements), trial.closed and str(trial.closed.ended)]


def written(sent: Path) -> dict[str, list[Any]]:
    """Trial id -> [ticks, how it ended, place] of what has been written. Lines that are torn or damaged are left out: their runs are written again."""
    found = {}
    for line in sent.read_bytes().splitlines() if sent.exists() else ():
        try:
            trial_id, *rest = json.loads(line)
        except ValueError:
            continue
        found[trial_id] = rest
    return found


def note(sent: Path, name: str, state: list[Any]) -> None:
    """Add a line to the list of what has been written. It begins with its line break, since a kill may have torn the one before."""
    with sent.open("a") as file:
        file.write("\n" + json.dumps([name, *state]))


def begun(study: StudyRecord) -> float:
    """When the study began, in seconds since 1970. Records have no times of trials, so trackers add seconds of training to this one."""
    return datetime.fromisoformat(study.created).timestamp() if study.created else 0.0


def final_values(trial: TrialRecord, study: StudyRecord) -> dict[str, float]:
    """Return the objectives at the end of the budget, as {"final/fd": 12.3}. A trial that ended earlier has none."""
    if not (trial.closed and trial.closed.ended is Ended.BUDGET and trial.last):
        return {}
    return {f"final/{name}": trial.last.values[name] for name in study.objectives if name in trial.last.values}
