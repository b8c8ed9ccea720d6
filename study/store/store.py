"""The study folder's memory: records.jsonl, one line of facts per event, append-only, written by one driver.

    {"format": 2, "study": {"spec": {...}, "protocol": {...}, "baselines": {...}, "n_modes": 10, "provenance": {...}}}
    {"trial": "3f..-s4", "opened": {"phase": "explore", "flat": {...}}}
    {"trial": "3f..-s4", "measured": {"images": 2000, "seconds": 1.2, "evaluation_seconds": 0.1, "values": {"fd": 31.0}}}
    {"trial": "3f..-s4", "saved": {"images": 2000, "path": "..."}}
    {"trial": "3f..-s4", "measured": {...}, "closed": {"ended": "scheduler", "reason": ""}}

A last measurement and its ending share a line, so that no kill can part them.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO, Any

from ganstudy.files import users_path
from study.store.format import FORMAT, upgraded
from study.store.layout import Layout
from study.store.lock import driving
from study.store.records import Closed, Ended, Measurement, Saved, StudyRecord, TrialRecord


class Store:
    """Reads the records. `Store.writing(folder)` also appends to them."""

    def __init__(self, folder: Path, *, read: bool = True):
        self.folder = folder
        self.studies: list[StudyRecord] = []  # one a driver
        self.trials: dict[str, TrialRecord] = {}
        self._file: IO[bytes] | None = None
        if read:
            with users_path(self.path, "be a file that can be read", do="Check its permissions"):
                data = self.path.read_bytes() if self.path.exists() else b""
            for line in whole_lines(data).splitlines():
                self._learn(json.loads(line))

    @property
    def study(self) -> StudyRecord | None:
        """What the newest driver said."""
        return self.studies[-1] if self.studies else None

    @property
    def layout(self) -> Layout:
        return Layout(self.folder)

    @property
    def path(self) -> Path:
        return self.layout.records

    def generators(self, trial_id: str) -> list[Saved]:
        """A trial's checkpoints whose generator is kept, the newest last."""
        return [each for each in self.trials[trial_id].saved if self.layout.generator(each).exists()]

    @classmethod
    @contextmanager
    def writing(cls, folder: Path) -> Iterator["Store"]:
        """The one writer. Raises UserError while another process writes, or where the folder cannot be written."""
        with driving(folder):
            layout = Layout(folder)
            with users_path(
                layout.records, "be a file that can be written", do="Change its permissions, or give another folder (--folder)"
            ):
                file = layout.records.open("ab")
            with file:
                file.truncate(len(whole_lines(layout.records.read_bytes())))
                layout.stop.unlink(missing_ok=True)
                store = cls(folder)
                store._file = file
                yield store

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles whatever it is given, for a restore that we never make. A copy is a reader."""
        return vars(self) | {"_file": None}

    def write_study(self, study: StudyRecord) -> None:
        self._append({"format": FORMAT, "study": asdict(study)})

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
        line = upgraded(line)
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
