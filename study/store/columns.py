"""A study as columns: what all its tables are made of. A row per trial, and a row per tick.

Columns of values at a trial's last tick, or at a tick, are `values.NAME`; those of grades (analysis.grades) are `grades.NAME`.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from analysis import Diagnosis
from analysis.words import plural
from ganstudy import UserError
from ganstudy.known_settings import KnownSettings
from study.store.diagnosis import diagnosis, grades_of, has_failed
from study.store.layout import Layout, shown
from study.store.records import StudyRecord, TrialRecord
from study.store.settings import settings_of
from study.store.store import Store

VALUES, GRADES = "values.", "grades."
_FACTS = {  # of a trial -> type
    **dict.fromkeys(("trial_id", "config_id", "phase", "ended", "outcome", "diagnosis", "reason", "node", "codes", "settings"), "str"),
    **dict.fromkeys(("number", "launch", "seed", "ticks", "images", "saved_images", "failures"), "int64"),
    **dict.fromkeys(("onset_kimg", "seconds", "evaluation_seconds"), "float64"),
    "failed": "bool",
}
_TICK = {"trial": "int64", "images": "int64", "seconds": "float64", "evaluation_seconds": "float64"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Columns:
    """The trials and the ticks of a study."""

    study: StudyRecord
    trials: pd.DataFrame  # [T]: see trial_columns
    ticks: Callable[[Sequence[str] | None], pd.DataFrame]  # columns, or all of them -> [ticks of all trials]: see tick_columns
    names: tuple[str, ...]  # of the values of any tick, sorted


class Recorded(Protocol):
    """The records of a study, as tables and single trials are made of them."""

    @property
    def folder(self) -> Path: ...

    @property
    def studies(self) -> Sequence[StudyRecord]:
        """One per driver, and at least one."""

    @property
    def columns(self) -> Columns: ...

    @property
    def trial_ids(self) -> Sequence[str]:
        """The trials in the order in which they were proposed."""

    def record(self, trial_id: str) -> TrialRecord:
        """Return all that is recorded about a trial. Raises KeyError for an unknown one."""

    @property
    def store(self) -> Store:
        """All records in memory."""


class InMemory:
    """The records of a study that were read into memory."""

    def __init__(self, store: Store):
        """Raises UserError if the folder holds no study."""
        self.store, self.folder, self.studies = store, store.folder, store.studies
        self.study = study_of(store.folder, store.studies, len(store.trials))

    @property
    def trial_ids(self) -> Sequence[str]:
        return list(self.store.trials)

    def record(self, trial_id: str) -> TrialRecord:
        return self.store.trials[trial_id]

    @cached_property
    def columns(self) -> Columns:
        return columns_of(list(self.store.trials.values()), self.study)


def columns_of(records: Sequence[TrialRecord], study: StudyRecord) -> Columns:
    """Return records of trials as columns."""
    ticks = cache(lambda: tick_columns(records))
    return Columns(
        study=study,
        trials=trial_columns(records, study),
        ticks=lambda names: ticks() if names is None else ticks()[list(names)],
        names=tuple(sorted({name for record in records for m in record.measurements for name in m.values})),
    )


def study_of(folder: Path, studies: Sequence[StudyRecord], n_trials: int) -> StudyRecord:
    """Return the record of the newest driver of a folder. Raises UserError if there is none."""
    if studies:
        return studies[-1]
    problem = "contains no records" if folder.is_dir() else "is not a folder" if folder.exists() else "does not exist"
    if n_trials:
        problem = f"has records of {plural(n_trials, 'trial')} but none of the study. Restore the file from a backup"
    raise UserError(f"{shown(folder)} must be a study folder, which contains {Layout(folder).records.name}; it {problem}")


def trial_columns(records: Iterable[TrialRecord], study: StudyRecord) -> pd.DataFrame:
    """Return a row per trial: what is recorded about it, its diagnosis, and values and grades at its last tick.

    `settings` is the JSON of all its settings that apply, in which the seed is null: trials of one config share it. onset_kimg is NaN without
    an onset; ticks is the number of ticks; codes are separated by spaces.
    """
    from trainables.config import known_settings  # here, since importing torch takes seconds, which a study without trials does not need

    return _typed([_row(record, study, known_settings()) for record in records], _FACTS)


def _row(record: TrialRecord, study: StudyRecord, known: KnownSettings) -> dict[str, Any]:
    last, found, settings = record.last, ended_as(record, study), settings_of(record, study, known)
    return {
        "trial_id": record.trial_id,
        "number": record.number,
        "launch": record.launch,
        "config_id": record.config_id,
        "seed": settings["seed"],
        "phase": record.phase,
        "ended": record.closed.ended.value if record.closed else "",
        "outcome": found.outcome,
        "failed": has_failed(record, study, found),
        "onset_kimg": found.onset_kimg,
        "ticks": len(record.measurements),
        "images": last.images if last else 0,
        "saved_images": record.saved_images,
        "seconds": last.seconds if last else 0.0,
        "evaluation_seconds": last.evaluation_seconds if last else 0.0,
        "diagnosis": found.evidence,
        "reason": record.closed.reason if record.closed else "",
        "node": record.closed.node if record.closed else "",
        "failures": record.failures,
        "codes": " ".join(record.codes),
        "settings": json.dumps({**settings, "seed": None}),
        **{VALUES + name: value for name, value in (last.values.items() if last else ())},
        **{GRADES + name: value for name, value in grades_of(record, study, found).items()},
    }


def tick_columns(records: Iterable[TrialRecord]) -> pd.DataFrame:
    """Return a row per tick, in the order of trials: the row of its trial, images, seconds, evaluation_seconds and values; NaN where not measured."""
    ticks = [(i, m) for i, record in enumerate(records) for m in record.measurements]
    facts = {name: [getattr(m, name) for _, m in ticks] for name in _TICK if name != "trial"}
    alike: dict[tuple[str, ...], list[int]] = {}  # the names of values -> the ticks that have them, which are most of a study
    for tick, (_, m) in enumerate(ticks):
        alike.setdefault(tuple(m.values), []).append(tick)
    values = {name: np.full(len(ticks), np.nan) for names in alike for name in names}
    for names, at in alike.items():
        numbers = np.array([[value for _, value in ticks[tick][1].values.items()] for tick in at]).reshape(len(at), len(names))
        for name, column in zip(names, numbers.T, strict=True):
            values[name][at] = column
    return pd.DataFrame({"trial": [i for i, _ in ticks], **facts} | {VALUES + name: column for name, column in values.items()}).astype(
        _TICK
    )


def _typed(rows: list[dict[str, Any]], types: Mapping[str, str]) -> pd.DataFrame:
    """Return the rows as a frame: the columns of `types` first, then all others, which are numbers."""
    frame = pd.DataFrame(rows, columns=None if rows else list(types))
    others = [name for name in frame if name not in types]
    return frame[[*types, *others]].astype({**types, **dict.fromkeys(others, "float64")})


def ended_as(record: TrialRecord, study: StudyRecord) -> Diagnosis:
    """Return the diagnosis of a trial that ended. The outcome of an unfinished trial is ""."""
    return diagnosis(record, study) if record.closed else Diagnosis("", "unfinished: no evidence yet")
