"""The columns of a large study as Parquet files beside its records, so that it is opened in a second.

The files are a cache of `records.jsonl` and can be deleted. They are written when a study is first read, and again when the records, our code or a
plugin of the study has changed. Trials are read in batches, so writing needs little memory.
"""

import json
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ganstudy.files import room_for, users_path
from ganstudy.versions import code_hash
from study.store.columns import VALUES, Columns, study_of, tick_columns, trial_columns
from study.store.layout import Layout
from study.store.lines import read_line
from study.store.records import StudyRecord, TrialRecord
from study.store.store import Store

log = logging.getLogger(__name__)

LARGE = 4 * 2**20  # bytes of records; those of a smaller study are read in a fraction of a second
_BATCH = 2000  # trials in memory at a time
_GROUP = 10_000  # trials in a row group of their file, which is the least that is read of a column
_STARTS = "starts"  # column of trials: where each of its lines begins in the records
_STATE = b"ganstudy"  # key of the metadata of both files: what they were made from
_TRIAL = b'{"trial": "'  # how the Store begins a line about a trial


class Cached:
    """The records of a large study (`study.store.columns.Recorded`). `columns` writes the cache if there is none that fits.

    Raises UserError if the records hold no study; `columns` if a record is damaged.
    """

    def __init__(self, folder: Path):
        self.folder, self._layout = folder, Layout(folder)
        self._files = self._layout.trials_cache, self._layout.ticks_cache
        self._state = _state(self._layout)
        if made := _made_of(self._files[0], self._state):
            self.studies = [StudyRecord(**study) for study in made["studies"]]
        else:
            self.studies = _index(self._layout, self._state["size"]).studies

    @staticmethod
    def is_for(folder: Path) -> bool:
        """Whether the records of a folder are so large that a cache is worth its place."""
        path = Layout(folder).records
        return path.exists() and path.stat().st_size >= LARGE

    @cached_property
    def columns(self) -> Columns:
        return self._opened[0]

    @cached_property
    def _opened(self) -> tuple[Columns, pq.ParquetFile]:
        """The columns, and the file of trials. Only now are the plugins of the study imported, which know defaults of settings."""
        made = {
            **self._state,
            "plugins": _plugins(self.studies[-1]),
            "studies": json.loads(json.dumps([asdict(each) for each in self.studies])),
        }
        trials, ticks = _opened(self._files, made) or self._written(made)
        columns = Columns(
            study=self.studies[-1],
            # without threads and without a copy into blocks: a third of the CPU time
            trials=trials.read([name for name in trials.schema_arrow.names if name != _STARTS], use_threads=False).to_pandas(
                split_blocks=True
            ),
            # column by column, so that Arrow's copy of each is freed before the next
            ticks=lambda names: ticks.read(None if names is None else list(names)).to_pandas(split_blocks=True, self_destruct=True),
            names=tuple(sorted(name.removeprefix(VALUES) for name in ticks.schema_arrow.names if name.startswith(VALUES))),
        )
        return columns, trials

    def _written(self, made: Mapping[str, Any]) -> tuple[pq.ParquetFile, pq.ParquetFile]:
        """Write the files, and return them opened. Warns if they cannot be kept: on a full disk, or in a folder of someone else."""
        with tempfile.TemporaryDirectory() as scratch:  # what is mapped stays readable when it is deleted
            files = Path(scratch) / self._files[0].name, Path(scratch) / self._files[1].name
            _write(self._layout, files, made)
            found = _opened(files, made)
            assert found
            try:
                for file, path in zip(files, self._files, strict=True):
                    with _whole(path) as part:
                        shutil.copyfile(file, part)
            except OSError as error:
                told = f"{self._files[0].parent} cannot be written ({error.strerror or error})"
                log.warning("%s, so the records of %s are read anew each time: %d MB", told, self.folder, made["size"] // 2**20)
            return found

    @property
    def trial_ids(self) -> Sequence[str]:
        return self.columns.trials["trial_id"].tolist()

    @cached_property
    def store(self) -> Store:
        """All records in memory, which takes minutes and gigabytes for a study of 100,000 trials. May be newer than the columns."""
        return Store(self.folder)

    def record(self, trial_id: str) -> TrialRecord:
        rows = np.flatnonzero(self.columns.trials["trial_id"] == trial_id)
        if not len(rows):
            raise KeyError(trial_id)
        one, (group, at) = Store(self.folder, read=False), divmod(int(rows[0]), _GROUP)
        with one.path.open("rb") as file:
            for start in self._opened[1].read_row_group(group, [_STARTS])[_STARTS][at].as_py():
                file.seek(start)
                one.learn(read_line(file.readline()))
        return one.trials[trial_id].changed(number=int(rows[0]), launch=int(self.columns.trials["launch"].iloc[rows[0]]))


def _state(layout: Layout) -> dict[str, Any]:
    """Return the state of the records and of our code."""
    with users_path(layout.records, "be a file that can be read", do="Check its permissions"):
        found = layout.records.stat()
    return {"size": found.st_size, "modified_ns": found.st_mtime_ns, "code": code_hash()}


def _plugins(study: StudyRecord) -> dict[str, str]:
    """Return the state of the plugins of a study: the hash of the file of each; "" if it is not imported."""
    modules = {name: sys.modules.get(name) for name in study.spec["plugins"]}
    files = {name: module and module.__file__ for name, module in modules.items()}
    return {name: sha256(Path(file).read_bytes()).hexdigest() if file else "" for name, file in files.items()}


def _made_of(path: Path, state: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what a file of the cache was made from; None if it is missing or damaged, or does not fit the state of the records and the code."""
    try:
        made = json.loads(pq.read_schema(path).metadata[_STATE])
    except (OSError, pa.ArrowInvalid, KeyError, TypeError, ValueError):
        return None
    return made if isinstance(made, dict) and state.items() <= made.items() else None


def _opened(files: tuple[Path, Path], made: Mapping[str, Any]) -> tuple[pq.ParquetFile, pq.ParquetFile] | None:
    """Return both files opened; None unless both are whole and made from the same. Another process may replace them, one after the other."""
    try:
        trials = pq.ParquetFile(files[0], memory_map=True, read_dictionary=["settings"])
        ticks = pq.ParquetFile(files[1], memory_map=True)
        fits = all(json.loads(file.schema_arrow.metadata[_STATE]) == made for file in (trials, ticks))
    except (OSError, pa.ArrowInvalid, KeyError, TypeError, ValueError):
        return None
    return (trials, ticks) if fits else None


# Writing ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class _Index:
    """The lines of the records, without what they say about trials."""

    studies: list[StudyRecord]
    starts: npt.NDArray[np.int64]  # [L + 1]: where each line begins, and the end of the last one
    trials: npt.NDArray[np.int64]  # [L]: the number of the trial that a line is about; -1 for none
    n_trials: int


def _index(layout: Layout, size: int) -> _Index:
    """Index the whole lines among the first `size` bytes. Raises UserError if none is about the study, or one that is about no trial is damaged."""
    store, numbers, starts, trials = Store(layout.folder, read=False), dict[str, int](), [0], []
    with users_path(layout.records, "be a file that can be read", do="Check its permissions"), layout.records.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n") or starts[-1] + len(line) > size:
                break
            trial_id = _trial_of(line)
            if trial_id is None:
                store.read(len(starts), line)
            trials.append(-1 if trial_id is None else numbers.setdefault(trial_id, len(numbers)))
            starts.append(starts[-1] + len(line))
    study_of(layout.folder, store.studies, len(numbers))
    return _Index(studies=store.studies, starts=np.array(starts), trials=np.array(trials), n_trials=len(numbers))


def _write(layout: Layout, files: tuple[Path, Path], made: Mapping[str, Any]) -> None:
    """Write both files from the records, up to the size that `made` tells, to an empty folder. Raises UserError if its disk is full."""
    index = _index(layout, made["size"])
    study, starts, n = index.studies[-1], index.starts, index.n_trials
    by_trial = np.argsort(index.trials, kind="stable")
    ends = np.searchsorted(index.trials[by_trial], np.arange(n + 1))  # in by_trial
    launches = np.searchsorted(np.flatnonzero(index.trials < 0), by_trial[ends[:-1]]) - 1
    trials, parts, mark = [], [], {_STATE: json.dumps(made).encode()}
    readable = partial(users_path, layout.records, "be a file that can be read", do="Check its permissions")
    with readable():
        file = layout.records.open("rb")
    with file, room_for(files[0].parent):
        for first in range(0, max(n, 1), _BATCH):  # without trials too, for the columns
            until = min(first + _BATCH, n)
            part = Store(layout.folder, read=False)
            with readable():
                for line in np.sort(by_trial[ends[first] : ends[until]]).tolist():
                    file.seek(starts[line])
                    part.read(line + 1, file.read(starts[line + 1] - starts[line]))
            records = [record.changed(number=first + i, launch=int(launches[first + i])) for i, record in enumerate(part.trials.values())]
            rows = trial_columns(records, study)
            rows[_STARTS] = pd.Series([starts[by_trial[ends[i] : ends[i + 1]]] for i in range(first, until)], dtype=object)
            trials.append(rows)
            ticks = tick_columns(records)
            ticks["trial"] += first
            parts.append(files[1].with_name(f"{first}.parquet"))
            pq.write_table(_table(ticks), parts[-1], compression="zstd", use_dictionary=False)
        schema = pa.unify_schemas([pq.read_schema(each) for each in parts]).with_metadata(mark)  # a trial may have values that others lack
        with pq.ParquetWriter(files[1], schema, compression="zstd", use_dictionary=False) as writer:
            for each in parts:
                writer.write_table(pa.concat_tables([schema.empty_table(), pq.read_table(each)], promote_options="default"))
                each.unlink()
        table = _table(pd.concat(trials, ignore_index=True)).replace_schema_metadata(mark)
        pq.write_table(table, files[0], compression="zstd", row_group_size=_GROUP)


def _trial_of(line: bytes) -> str | None:
    """Return the trial that a line is about, without reading all of it; None if it is about none or damaged."""
    if line.startswith(_TRIAL) and (end := line.find(b'"', len(_TRIAL))) > 0:
        return line[len(_TRIAL) : end].decode(errors="replace")
    with suppress(ValueError, AttributeError):
        found = json.loads(line).get("trial")
        return found if isinstance(found, str) else None
    return None


def _table(frame: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """Give a path to write to, whose file then replaces `path`: a reader sees the old file or the new one, never a part."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(exist_ok=True)
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
