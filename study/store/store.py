"""The study folder's memory: records.jsonl, one line of facts per event, append-only, written by one driver.

    {"study": {"spec": {...}, "ruler": {...}, "floors": {...}, "n_modes": 10, "provenance": {...}}}
    {"trial": "3f..-s4", "opened": {"phase": "explore", "flat": {...}}}
    {"trial": "3f..-s4", "measured": {"images": 2000, "seconds": 1.2, "judge_seconds": 0.1, "values": {"fd": 31.0}}}
    {"trial": "3f..-s4", "saved": {"images": 2000, "path": "..."}}
    {"trial": "3f..-s4", "measured": {...}, "closed": {"ended": "scheduler", "reason": ""}}

A last measurement and its ending share a line, so that no kill can part them.
"""

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO, Any

from study.store.records import Closed, Ended, Measurement, Saved, StudyRecord, TrialRecord

RECORDS = "records.jsonl"
LOCK = "lock"
RULER = "ruler.safetensors"  # the classifier that judges, where it is not a shipped one
STOP = "stop"  # a file whose presence asks the driver to stop


class Store:
    """Reads the records. `Store.writing(folder)` also appends to them."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.studies: list[StudyRecord] = []  # one a driver
        self.trials: dict[str, TrialRecord] = {}
        self._file: IO[bytes] | None = None
        if self.path.exists():
            for line in whole_lines(self.path.read_bytes()).splitlines():
                self._learn(json.loads(line))

    @property
    def study(self) -> StudyRecord | None:
        """What the newest driver said."""
        return self.studies[-1] if self.studies else None

    @property
    def path(self) -> Path:
        return self.folder / RECORDS

    @classmethod
    @contextmanager
    def writing(cls, folder: Path) -> Iterator["Store"]:
        """The one writer. The lock goes with the process, however it ends. RuntimeError while another holds it; OSError if the folder cannot be written."""
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / LOCK).open("a+") as lock, (folder / RECORDS).open("ab") as file:
            for _ in range(5):  # driver() holds it for a moment when somebody looks
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    time.sleep(0.1)
            else:
                raise RuntimeError(
                    f"{folder} has a driver already: {driver(folder)}. `ganstudy status {folder}` looks at it, `ganstudy stop {folder}` ends it"
                )
            lock.truncate(0)
            lock.write(f"process {os.getpid()} on {socket.gethostname()}")
            lock.flush()
            file.truncate(len(whole_lines((folder / RECORDS).read_bytes())))
            (folder / STOP).unlink(missing_ok=True)
            store = cls(folder)
            store._file = file
            yield store

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles whatever it is given, for a restore that we never make. A copy is a reader."""
        return vars(self) | {"_file": None}

    def write_study(self, study: StudyRecord) -> None:
        self._append({"study": asdict(study)})

    def write(
        self,
        trial_id: str,
        *,
        opened: Mapping[str, Any] | None = None,
        effective: Mapping[str, Any] | None = None,
        measured: Measurement | None = None,
        saved: Saved | None = None,
        closed: Closed | None = None,
    ) -> bool:
        """Append one line of facts. Leaves out a measurement that is known, as those replayed after a checkpoint are; True if it was new."""
        if measured and (last := self.trials[trial_id].last) and measured.images <= last.images:
            measured = None
        facts = {
            "opened": opened,
            "effective": effective or None,
            "measured": measured and asdict(measured),
            "saved": saved and asdict(saved),
            "closed": closed and asdict(closed),
        }
        if told := {key: fact for key, fact in facts.items() if fact is not None}:
            self._append({"trial": trial_id, **told})
        return measured is not None

    def _append(self, line: Mapping[str, Any]) -> None:
        assert self._file, "only Store.writing(folder) writes"
        self._file.write(json.dumps(line, allow_nan=False).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._learn(line)

    def _learn(self, line: Mapping[str, Any]) -> None:
        """Fold one line into the records."""
        if "study" in line:
            self.studies.append(StudyRecord(**line["study"]))
            return
        trial_id = line["trial"]
        if "opened" in line:
            self.trials[trial_id] = TrialRecord(trial_id=trial_id, number=len(self.trials), **line["opened"])
        record = self.trials[trial_id]
        if "effective" in line:
            record = replace(record, effective=line["effective"])
        if "measured" in line:
            record = replace(record, measurements=(*record.measurements, Measurement(**line["measured"])), closed=None)
        if "saved" in line:
            record = replace(record, saved=(*record.saved, Saved(**line["saved"])))
        if "closed" in line:
            closed = Closed(ended=Ended(line["closed"]["ended"]), reason=line["closed"]["reason"])
            record = replace(record, closed=closed, failures=record.failures + (closed.ended is Ended.ERROR))
        self.trials[trial_id] = record


def whole_lines(data: bytes) -> bytes:
    """Without the torn last line that a killed writer may leave."""
    return data[: data.rfind(b"\n") + 1]


def driver(folder: Path) -> str | None:
    """Who drives the study now, in words; None if nobody does."""
    path = folder / LOCK
    if not path.exists():
        return None
    with path.open("r") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return lock.read() or "a process that is just starting"
    return None
