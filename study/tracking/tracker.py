"""What shows a study elsewhere: Tracker, what it is told, and `follow`, which reads the records as they grow."""

import json
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from study.store.diagnosis import diagnosis
from study.store.records import StudyRecord, TrialRecord
from study.store.store import Store, whole_lines

POLL_S = 0.25


class Tracker(Protocol):
    def update(self, trial: TrialRecord, study: StudyRecord, *, last: bool) -> bool:
        """Write what is new of a trial; `last` means that nothing more will come. False if it must be called again, new lines or not."""

    def close(self) -> None: ...


class Tail(Store):
    """The records, read on from where the last reading stopped."""

    def __init__(self, folder: Path):
        super().__init__(folder, read=False)
        self._position = 0

    def read_on(self) -> list[str]:
        """The ids of the trials with new lines. A line that is still being written waits for the next time."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            file.seek(self._position)
            data = whole_lines(file.read())
        self._position += len(data)
        lines = [json.loads(line) for line in data.splitlines()]
        for line in lines:
            self._learn(line)
        return [line["trial"] for line in lines if "trial" in line]


def follow(tail: Tail, makers: Mapping[str, Callable[[StudyRecord], Tracker]], ending: threading.Event) -> bool:
    """Mirror until `ending` is set and all that was written by then is mirrored. False if a mirror broke."""
    left = dict(makers)
    trackers: dict[str, Tracker] = {}
    waiting: dict[str, set[str]] = {name: set() for name in makers}
    while left:
        last = ending.is_set()  # looked at before the reading, so that the last reading comes after the last line
        fresh = tail.read_on()
        for name in list(left) if tail.study else []:
            assert tail.study
            try:
                if name not in trackers:
                    trackers[name] = left[name](tail.study)
                todo = dict.fromkeys([*waiting[name], *fresh, *(tail.trials if last else ())])
                waiting[name] = {each for each in todo if not trackers[name].update(tail.trials[each], tail.study, last=last)}
                if last:
                    trackers[name].close()
            except Exception:  # whatever a client throws, it must not take the other mirror down
                log(f"{name} is no longer mirrored:\n{traceback.format_exc()}")
                del left[name]
        if last:
            break
        ending.wait(POLL_S)
    return len(left) == len(makers)


def verdict(trial: TrialRecord, study: StudyRecord) -> dict[str, Any]:
    """How it ended and what it came to, for people who look at it elsewhere."""
    assert trial.closed
    return {
        "ended": str(trial.closed.ended),
        **told(trial, study),
        "reason": trial.closed.reason[-1000:],  # the end of a traceback says most
        "failures": trial.failures,
    }


def told(trial: TrialRecord, study: StudyRecord) -> dict[str, Any]:
    """Its diagnosis, as far as it came."""
    found = diagnosis(trial, study)
    return {"outcome": found.outcome, "diagnosis": found.evidence, "onset_kimg": found.onset_kimg}


def log(line: str) -> None:
    print(time.strftime("%Y-%m-%d %H:%M:%S"), line, flush=True)
