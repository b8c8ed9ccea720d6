"""Tracker interface, and `follow`, which passes new records to the trackers.

How to add a tracker: write a class with the methods of `Tracker` and a function that makes it, in a module of this folder or in a plugin, and
enter it in TRACKERS of study/spec/tracking.py.
"""

import threading
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from ganstudy.masked import masked
from study.store.diagnosis import diagnosis, has_failed
from study.store.feasible import excesses
from study.store.lines import read_line
from study.store.records import StudyRecord, TrialRecord
from study.store.store import Store, whole_lines

_POLL_S = 0.25  # between two reads of the records


class Tracker(Protocol):
    """Mirrors a study to another system."""

    def update(self, trial: TrialRecord, study: StudyRecord, *, last: bool) -> bool:
        """Write the new records of a trial. Returns False to be called again even without new records.

        last: the study has ended, so this is the last call for the trial.
        """

    def close(self) -> None:
        """Release resources, after the last update."""


class Tail(Store):
    """Reads the records incrementally."""

    def __init__(self, folder: Path):
        super().__init__(folder, read=False)
        self._position = 0
        self._newest = b""  # the last line that was read

    def read_on(self) -> list[str]:
        """Read new lines. Returns the ids of their trials. An incomplete last line is left for the next call.

        A driver that cannot sync a line to disk takes it back, and may write another one in its place.
        """
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            file.seek(before := self._position - len(self._newest))
            data = whole_lines(file.read())
        new = data.removeprefix(self._newest) if data.startswith(self._newest) else data
        self._position = before + len(data)
        each = new.splitlines(keepends=True)
        self._newest = each[-1] if each else self._newest if data else b""
        lines = [read_line(line) for line in each]
        for line in lines:
            self.learn(line)
        return [line.trial for line in lines if line.trial]


def follow(tail: Tail, makers: Mapping[str, Callable[[StudyRecord], Tracker]], ending: threading.Event) -> bool:
    """Update the trackers until `ending` is set and all records are written. Returns False if a tracker failed."""
    active = dict(makers)
    trackers: dict[str, Tracker] = {}
    waiting: dict[str, set[str]] = {name: set() for name in makers}
    while active:
        last = ending.is_set()  # checked before reading, so that the last read sees the last line
        fresh = tail.read_on()
        for name in list(active) if tail.study else []:
            assert tail.study
            try:
                if name not in trackers:
                    trackers[name] = active[name](tail.study)
                todo = dict.fromkeys([*waiting[name], *fresh, *(tail.trials if last else ())])
                waiting[name] = {each for each in todo if not trackers[name].update(tail.trials[each], tail.study, last=last)}
                if last:
                    trackers[name].close()
            except Exception:  # clients raise anything; one tracker must not stop the other
                log(f"{name} tracker failed and is disabled:\n{traceback.format_exc()}")
                del active[name]
        if last:
            break
        ending.wait(_POLL_S)
    return len(active) == len(makers)


def closing_fields(trial: TrialRecord, study: StudyRecord) -> dict[str, Any]:
    """Fields of a finished trial: how it ended, diagnosis, reason, and number of failures; with constraints or several objectives, whether it is feasible."""
    assert trial.closed
    judged = (study.limits or len(study.objectives) > 1) and (beyond := excesses([trial], study))
    return {
        **({"feasible": max(beyond.values()) <= 0} if judged else {}),
        "ended": str(trial.closed.ended),
        **diagnosis_fields(trial, study),
        "reason": trial.closed.reason[-1000:],  # the end of a traceback is the most useful part
        "failures": trial.failures,
    }


def diagnosis_fields(trial: TrialRecord, study: StudyRecord) -> dict[str, Any]:
    """Diagnosis from the ticks so far: outcome, whether the trial failed, evidence, and onset in kimg."""
    found = diagnosis(trial, study)
    return {
        "outcome": found.outcome,
        "failed": has_failed(trial, study, found),
        "diagnosis": found.evidence,
        "onset_kimg": found.onset_kimg,
    }


def log(line: str) -> None:
    """Print a line with the local time, without passwords; the tracking process's output is its log file."""
    print(time.strftime("%Y-%m-%d %H:%M:%S"), masked(line), flush=True)
