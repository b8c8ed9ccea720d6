"""Store: records.jsonl of a study folder, append-only, one line per event, written by one driver.

    {"format": 2, "study": {"spec": {...}, "protocol": {...}, "baselines": {...}, "n_modes": 10, "provenance": {...}}}
    {"trial": "3f..-s4", "opened": {"phase": "explore", "flat": {...}}}
    {"trial": "3f..-s4", "measured": {"images": 2000, "seconds": 1.2, "evaluation_seconds": 0.1, "values": {"fd": 31.0}}}
    {"trial": "3f..-s4", "saved": {"images": 2000, "path": "..."}}
    {"trial": "3f..-s4", "measured": {...}, "closed": {"ended": "scheduler", "reason": ""}}

The last measurement and the end of a trial share a line, so that a kill cannot separate them.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO, Any

from ganstudy import UserError
from ganstudy.files import users_path
from study.store.format import FORMAT, upgraded
from study.store.layout import Layout
from study.store.lock import driving
from study.store.records import Closed, Ended, Measurement, Saved, StudyRecord, TrialRecord


class Store:
    """The records of a study folder. `Store(folder)` reads them; `Store.writing(folder)` also appends.

    Raises UserError if the records cannot be read or have a newer format.
    """

    def __init__(self, folder: Path, *, read: bool = True):
        self.folder = folder
        self.studies: list[StudyRecord] = []  # one per driver
        self.trials: dict[str, TrialRecord] = {}
        self._file: IO[bytes] | None = None
        if read:
            with users_path(self.path, "be a file that can be read", do="Check its permissions"):
                data = self.path.read_bytes() if self.path.exists() else b""
            for number, line in enumerate(whole_lines(data).split(b"\n")[:-1], start=1):
                try:
                    self._learn(json.loads(line))
                except UserError:
                    raise
                except (ValueError, KeyError, TypeError, AttributeError) as error:
                    raise UserError(
                        f"line {number} of {self.path} must be a record in JSON; it is damaged: {_damage(error)}. Restore the file from a backup"
                        + (
                            "; the line holds the study, so do not delete it"
                            if number == 1
                            else ", or delete the line, which loses that record"
                        )
                    ) from None

    @property
    def study(self) -> StudyRecord | None:
        """The study record of the newest driver; None for an empty folder."""
        return self.studies[-1] if self.studies else None

    @property
    def layout(self) -> Layout:
        return Layout(self.folder)

    @property
    def path(self) -> Path:
        return self.layout.records

    def generators(self, trial_id: str) -> list[Saved]:
        """Return a trial's checkpoints that still have a generator file, newest last."""
        return [each for each in self.trials[trial_id].saved if self.layout.generator(each).exists()]

    @classmethod
    @contextmanager
    def writing(cls, folder: Path) -> Iterator["Store"]:
        """Open the records as the only writer. Raises UserError if another process writes, or if the folder cannot be written."""
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
        """Return the state without the open file. Tune pickles the store for a restore that we never use; a copy can only read."""
        return vars(self) | {"_file": None}

    def write_study(self, study: StudyRecord) -> None:
        """Append the record of a driver that starts."""
        self._append({"format": FORMAT, "study": asdict(study)})

    def write(
        self,
        trial_id: str,
        *,
        opened: Mapping[str, Any] | None = None,
        effective: Mapping[str, Any] | None = None,
        eager: str | None = None,
        measured: Measurement | None = None,
        saved: Saved | None = None,
        closed: Closed | None = None,
    ) -> bool:
        """Append one line with the given facts about a trial. Returns whether `measured` was new.

        A measurement that is already recorded is left out: after a resume, ticks since the checkpoint are trained again.
        """
        if measured and (last := self.trials[trial_id].last) and measured.images <= last.images:
            measured = None
        facts = {
            "opened": opened,
            "effective": effective or None,
            "eager": eager or None,
            "measured": measured and asdict(measured),
            "saved": saved and asdict(saved),
            "closed": closed and asdict(closed),
        }
        if given := {key: fact for key, fact in facts.items() if fact is not None}:
            self._append({"trial": trial_id, **given})
        return measured is not None

    def _append(self, line: Mapping[str, Any]) -> None:
        assert self._file, "only Store.writing(folder) writes"
        self._file.write(json.dumps(line, allow_nan=False).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._learn(line)

    def _learn(self, line: Mapping[str, Any]) -> None:
        """Update the records in memory with one line."""
        line = upgraded(line)
        if "study" in line:
            self.studies.append(StudyRecord(**line["study"]))
            return
        trial_id = line["trial"]
        if "opened" in line:
            self.trials[trial_id] = TrialRecord(trial_id=trial_id, number=len(self.trials), **line["opened"])
        if trial_id not in self.trials:
            raise _Unopened(f"no line before it opens the trial {trial_id}")
        record = self.trials[trial_id]
        if "effective" in line:
            record = replace(record, effective=line["effective"])
        if "eager" in line:
            record = replace(record, eager=line["eager"])
        if "measured" in line:
            record = replace(record, measurements=(*record.measurements, Measurement(**line["measured"])), closed=None)
        if "saved" in line:
            record = replace(record, saved=(*record.saved, Saved(**line["saved"])))
        if "closed" in line:
            closed = Closed(ended=Ended(line["closed"]["ended"]), reason=line["closed"]["reason"])
            record = replace(record, closed=closed, failures=record.failures + (closed.ended is Ended.ERROR))
        self.trials[trial_id] = record


class _Unopened(ValueError):
    """A line is about a trial that is not known."""


def _damage(error: Exception) -> str:
    """Return in words why a line could not be read."""
    if isinstance(error, _Unopened):
        return str(error)
    return "it is no JSON" if isinstance(error, (json.JSONDecodeError, UnicodeDecodeError)) else "it has another form"


def whole_lines(data: bytes) -> bytes:
    """Return the data without an incomplete last line, which a killed writer may leave."""
    return data[: data.rfind(b"\n") + 1]
