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
from ganstudy.command import command
from ganstudy.files import room_for, users_path
from study.store.checkpoints import Checkpoints, InStore, OnDisk
from study.store.format import FORMAT
from study.store.layout import Layout, shown
from study.store.lines import BadLine, Line, line_of, read_line
from study.store.lock import driving
from study.store.object_lock import ObjectLock
from study.store.records import Closed, Ended, Measurement, Saved, StudyRecord, TrialRecord
from study.store.segments import update
from study.store.sending import Sending, sending
from study.store.values import Values

_BLOCK = 2**20  # bytes that are read at once to find the end of the last line


class Store:
    """The records of a study folder. `Store(folder)` reads them; `Store.writing(folder)` also appends.

    Raises UserError if the records cannot be read or have a newer format. Facts that this version does not know are ignored, and stay in the
    file; so are repeated ones.
    """

    def __init__(self, folder: Path, *, read: bool = True):
        self.folder = folder
        self.studies: list[StudyRecord] = []  # one per driver
        self.trials: dict[str, TrialRecord] = {}
        self._lines = 0  # that are learned
        self.unwritten: UserError | None = None  # why the last line could not be written
        self.interrupted = False  # whether Ctrl-C or SIGTERM has stopped the driver
        self.had_work = False  # whether the driver had trials to train
        self._torn: BaseException | None = None  # the same, if a part of the line is left in the file
        self._file: IO[bytes] | None = None
        self._sending: Sending | None = None  # of the driver of a study in an object store
        if read:
            with users_path(self.path, "be a file that can be read", do="Check its permissions"):
                for number, line in enumerate(_lines(self.path), start=1):
                    self.read(number, line)

    def read(self, number: int, data: bytes) -> Line:
        """Learn a line of the file, and return it. Raises UserError if it is damaged."""
        try:
            self.learn(line := read_line(data))
        except BadLine as error:
            do = "Restore the file from a backup" + (
                "; the line holds the study, so do not delete it"
                if number == 1
                else f", or let {command('doctor', self.folder, '--repair')} split or cut the line; what is cut is lost"
            )
            if self.layout.origin.exists():
                do = f"It is a copy: remove the folder {self.folder}, and the next command fetches it again from {shown(self.folder)}"
            raise UserError(f"line {number} of {self.path} must be a record in JSON; it is damaged: {error}. {do}") from None
        return line

    @property
    def study(self) -> StudyRecord | None:
        """The study record of the newest driver; None for an empty folder."""
        return self.studies[-1] if self.studies else None

    def first_in(self, space: Mapping[str, Any]) -> int:
        """Return the launch since which the space is this one, as StudySpec.as_dict() has it. Trials of earlier launches were proposed in another."""
        return next((i + 1 for i in reversed(range(len(self.studies))) if self.studies[i].spec["space"] != space), 0)

    @property
    def layout(self) -> Layout:
        return Layout(self.folder)

    @property
    def path(self) -> Path:
        return self.layout.records

    @property
    def checkpoints(self) -> Checkpoints:
        """Where the driver's checkpoints are."""
        return InStore(self.layout, self._sending) if self._sending else OnDisk(self.layout)

    @property
    def is_lost(self) -> bool:
        """Whether the driver cannot go on to write: another one has the study."""
        return self._sending is not None and self._sending.problem is not None

    def publish(self, path: Path) -> None:
        """Make a file of the folder readable elsewhere, if the study is in an object store."""
        if self._sending:
            self._sending.send(path.relative_to(self.folder).as_posix(), path.read_bytes())

    @classmethod
    @contextmanager
    def writing(cls, folder: Path) -> Iterator["Store"]:
        """Lock the folder and open the records as the only writer. Raises UserError if another process writes, or if the folder cannot be written."""
        with driving(folder) as object_lock, cls.appending(folder, object_lock) as store:
            yield store

    @classmethod
    @contextmanager
    def appending(cls, folder: Path, object_lock: ObjectLock | None) -> Iterator["Store"]:
        """Open the records to write them. The caller holds the lock of the folder. Raises UserError if they cannot be written."""
        layout = Layout(folder)
        if object_lock:
            update(folder, object_lock.objects, mine=True)
        with users_path(layout.records, "be a file that can be written", do="Change its permissions, or give another folder (--folder)"):
            file = layout.records.open("ab", buffering=0)  # a buffer would keep what could not be written, and write it again later
        with file:
            file.truncate(_end_of_lines(layout.records))
            store = cls(folder)
            store._file = file
            if object_lock is None:
                yield store
                return
            with sending(folder, object_lock) as store._sending:
                yield store

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the open file. Tune pickles the store for a restore that we never use; a copy can only read."""
        return vars(self) | {"_file": None, "_sending": None}

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
        code: str | None = None,
        measured: Measurement | None = None,
        saved: Saved | None = None,
        closed: Closed | None = None,
        failures: int | None = None,
    ) -> bool:
        """Append one line with the given facts about a trial. Returns whether `measured` was new.

        What is already recorded is left out: after a resume, ticks since the checkpoint are trained again. failures: the number of errors that
        count against the trial, if it is not that of all its errors.
        """
        record = self.trials.get(trial_id)
        assert record or opened, "a trial must be opened first"
        if record:
            measured = measured if measured and _is_later(measured, record.last) else None
            effective = effective if effective != record.effective else None
            if closed and not measured and closed.ended is not Ended.ERROR:
                closed = closed if closed != record.closed else None
        facts = {
            "opened": opened,
            "effective": effective or None,
            "eager": eager or None,
            "code": code,
            "measured": measured and asdict(measured),
            "saved": saved and asdict(saved),
            "closed": closed and asdict(closed),
            "failures": failures,
        }
        if given := {key: fact for key, fact in facts.items() if fact is not None}:
            self._append({"trial": trial_id, **given})
        return measured is not None

    def _append(self, line: Mapping[str, Any]) -> None:
        """Write a line to disk whole, or leave the file as it was. Raises UserError if the disk is full or cannot be written, or if another driver has the study."""
        assert self._file, "only Store.writing(folder) writes"
        if self._torn:
            raise self._torn
        data = json.dumps(line, allow_nan=False).encode() + b"\n"
        before = os.fstat(self._file.fileno()).st_size
        try:
            if self._sending:
                self._sending.check()
            with room_for(self.path):
                left = memoryview(data)
                while left:
                    left = left[self._file.write(left) :]
                os.fsync(self._file.fileno())
        except BaseException as error:
            self.unwritten = error if isinstance(error, UserError) else None
            try:
                self._file.truncate(before)
            except OSError:  # of a disk that cannot be written; the next driver cuts off what is left of the line
                self._torn = error
            raise
        self.unwritten = None
        if self._sending:
            self._sending.appended(before + len(data))
        self.learn(line_of(line))

    def learn(self, line: Line) -> bool:
        """Update the records in memory. Returns whether the line told anything new. Raises BadLine if it is about an unknown trial."""
        self._lines += 1
        if line.study:
            self.studies.append(line.study)
            return True
        known = self.trials.get(line.trial)
        if known is None and line.opened is None:
            raise BadLine(f"no line before it opens the trial {line.trial}")
        record = known or TrialRecord(
            trial_id=line.trial, number=len(self.trials), launch=max(len(self.studies) - 1, 0), opened_at=self._lines, **vars(line.opened)
        )
        changes: dict[str, Any] = {}
        if line.effective:
            changes["effective"] = line.effective
        if line.eager:
            changes["eager"] = line.eager
        if line.code and line.code not in record.codes:
            changes["codes"] = (*record.codes, line.code)
        if line.measured and _is_later(line.measured, record.last):
            compact = replace(line.measured, values=Values(line.measured.values))
            changes |= {"measurements": (*record.measurements, compact), "closed": None}
        if line.saved and line.saved not in record.saved:
            # a trial that went on from an older checkpoint writes the later ones again
            changes["saved"] = (*(each for each in record.saved if each.images < line.saved.images), line.saved)
        if line.closed and (line.closed != changes.get("closed", record.closed) or line.closed.ended is Ended.ERROR):  # errors may repeat
            changes |= {"closed": line.closed, "closed_at": self._lines, "failures": record.failures + (line.closed.ended is Ended.ERROR)}
        if line.failures is not None:
            changes["failures"] = line.failures
        record = record.changed(**changes)
        self.trials[line.trial] = record
        return record != known


def _is_later(measured: Measurement, last: Measurement | None) -> bool:
    return last is None or measured.images > last.images


def _lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of the records, if there are any, up to an incomplete one, which a writer has not finished."""
    if path.exists():
        with path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    return
                yield line


def _end_of_lines(path: Path) -> int:
    """Return where the last whole line of a file ends. Reads no more than its end, since a large study has gigabytes of records."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        while end:
            start = max(end - _BLOCK, 0)
            file.seek(start)
            if found := len(whole_lines(file.read(end - start))):
                return start + found
            end = start
    return 0


def whole_lines(data: bytes) -> bytes:
    """Return the data without an incomplete last line, which a killed writer may leave."""
    return data[: data.rfind(b"\n") + 1]
