"""Tracker interface, and `follow`, which passes new records to the trackers.

How to add a tracker: write a class with the methods of `Tracker` and a function that makes it, in a module of this folder or in a plugin, and
enter it in TRACKERS of study/spec/tracking.py.
"""

import re
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from ganstudy.masked import masked
from study.store.diagnosis import diagnosis, has_failed
from study.store.feasible import excesses
from study.store.lines import read_line
from study.store.records import StudyRecord, TrialRecord
from study.store.store import Store, whole_lines

_POLL_S = 0.25  # between two reads of the records
_SAID = 300  # characters of an error in the terminal
_REFUSED = re.compile(
    r"host='(?P<host>[^']*)', port=(?P<port>\d+)\).*\[Errno -?\d+\] (?P<reason>[^'\")]+)", re.DOTALL
)  # as urllib3 says it
_OBJECT = re.compile(r"<?[\w.]+ object at 0x[0-9a-f]+>:? ?")


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


class _Served:
    """A tracker in a thread of its own, so that a slow one delays no other. Its thread makes, updates and closes it."""

    def __init__(self, name: str, make: Callable[[StudyRecord], Tracker], tail: Tail, ended: Callable[[str, str], None]):
        self.name, self.make, self.tail, self.ended = name, make, tail, ended
        self.problem: str | None = None  # why it failed; "" once it has everything
        self._changed = threading.Condition()
        self._fresh: dict[str, None] = {}  # ids of trials with new records
        self._last = False
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)  # damaged records end the process
        self._thread.start()

    def tell(self, fresh: Iterable[str], *, last: bool) -> None:
        """Say which trials have new records, and whether these are the last ones."""
        with self._changed:
            self._fresh |= dict.fromkeys(fresh)
            self._last = last
            self._changed.notify()

    def join(self) -> None:
        """Wait until the tracker has all records and is closed, or has failed."""
        self._thread.join()

    def _serve(self) -> None:
        problem = ""
        try:
            self._update_until_last()
        except (Exception, SystemExit) as error:  # clients raise anything; one tracker must not stop the others
            problem = _in_a_line(error)
            log(f"{self.name} tracker failed and is disabled:\n{traceback.format_exc()}")
        self.problem = problem
        self.ended(self.name, problem)

    def _update_until_last(self) -> None:
        tracker: Tracker | None = None
        waiting: set[str] = set()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._fresh or self._last, timeout=_POLL_S if waiting else None)
                fresh, last, self._fresh = self._fresh, self._last, {}
            study = self.tail.study
            if study is not None:
                tracker = tracker or self.make(study)
                todo = dict.fromkeys([*waiting, *fresh, *(list(self.tail.trials) if last else ())])
                waiting = {each for each in todo if not tracker.update(self.tail.trials[each], study, last=last)}
            if last:
                if tracker is not None:
                    tracker.close()
                return


def follow(
    tail: Tail,
    makers: Mapping[str, Callable[[StudyRecord], Tracker]],
    ending: threading.Event,
    ended: Callable[[str, str], None] = lambda name, problem: None,
) -> bool:
    """Update the trackers until `ending` is set and all records are written. Returns False if a tracker failed.

    ended: called by the thread of a tracker that has ended, with its name and why it failed; "" if it has everything.
    """
    served = [_Served(name, make, tail, ended) for name, make in makers.items()]
    last = False
    while not last:
        last = ending.is_set()  # checked before reading, so that the last read sees the last line
        fresh = tail.read_on()
        for each in served:
            if fresh or last:
                each.tell(fresh, last=last)
        if not last:
            ending.wait(_POLL_S)
    for each in served:
        each.join()
    return all(each.problem == "" for each in served)  # None: its thread has ended without a word


def _in_a_line(error: BaseException) -> str:
    """Return what an error says first, and what caused it: clients wrap errors in their own, and add advice in further lines.

    Of a server that takes no connection, only its address and the reason.
    """
    if found := _REFUSED.search(f"{error} {error.__cause__ or ''}"):
        return f"cannot connect to {found['host']}:{found['port']} ({found['reason'].strip().lower()})"
    lines = [
        f"{type(each).__name__}: {_OBJECT.sub('', str(each)).strip().partition(chr(10))[0]}"
        for each in (error, error.__cause__)
        if each is not None
    ]
    # the middle of a long one is left out: clients of servers say the address first and the reason last
    short = [line if len(line) <= _SAID else f"{line[: _SAID // 2]}…{line[-_SAID // 2 :]}" for line in lines]
    return str(masked(" ← ".join(short)))


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
    """Print a line with the local time, without passwords; the tracking process's output is its log file. A full disk loses the line."""
    with suppress(OSError):
        print(time.strftime("%Y-%m-%d %H:%M:%S"), masked(line), flush=True)
