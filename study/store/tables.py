"""Records as tables: pandas frames, and the TrialTable that the functions of `analysis` take."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis import Diagnosis, Direction, TrialTable
from analysis.metrics import METRICS
from study.store.diagnosis import diagnosis
from study.store.records import StudyRecord, TrialRecord
from study.store.store import Store

COST = "seconds"  # of training, a score beside what is judged
NULL = "default"  # what a level of a list is called that is null; None is left to settings that are not live


def trials_frame(store: Store, *, protocol: str) -> pd.DataFrame:
    """A row per trial, by trial_id (`evaluation protocol`: the hash of the study's): how it ended, its outcome with its onset, its settings, what was last measured, and the diagnosis in words.

    attrs["baselines"]: what real data score.
    """
    assert store.study
    rows = []
    for record in store.trials.values():
        last = record.last
        found = ended_as(record, store.study)
        rows.append(
            {
                "trial_id": record.trial_id,
                "number": record.number,
                "config_id": record.config_id,
                "phase": record.phase,
                "protocol": protocol,
                "ended": record.closed.ended.value if record.closed else "",
                "outcome": found.outcome,
                "onset_kimg": found.onset_kimg,
                "images": last.images if last else 0,
                "seconds": last.seconds if last else 0.0,
                "evaluation_seconds": last.evaluation_seconds if last else 0.0,
                **settings_of(record),
                **(last.values if last else {}),
                "diagnosis": found.evidence,
                "reason": record.closed.reason if record.closed else "",
                "failures": record.failures,
            }
        )
    return _next_to_baselines(store.study, pd.DataFrame(rows).set_index("trial_id") if rows else pd.DataFrame())


def history_frame(store: Store) -> pd.DataFrame:
    """A row per trial and tick: images, seconds, and all that was measured. attrs["baselines"]: what real data score."""
    assert store.study
    return _next_to_baselines(
        store.study,
        pd.DataFrame(
            {"trial_id": record.trial_id, "images": m.images, "seconds": m.seconds, "evaluation_seconds": m.evaluation_seconds, **m.values}
            for record in store.trials.values()
            for m in record.measurements
        ),
    )


def trial_table(store: Store) -> TrialTable:
    """What the functions of `analysis` take."""
    assert store.study
    study, records = store.study, list(store.trials.values())
    ids = [record.trial_id for record in records]
    ticks = max((len(record.measurements) for record in records), default=0)
    names = sorted({name for record in records for m in record.measurements for name in m.values})

    def curve(read: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
        out = np.full((len(records), ticks), np.nan)
        for row, record in zip(out, records, strict=True):
            row[: len(record.measurements)] = [read(m) for m in record.measurements]
        return out

    space = study.spec["space"]
    found = [ended_as(record, study) for record in records]
    lists = {name: list(form) for name, form in {**space["scientific"], **space["nuisance"]}.items() if "low" not in form}
    settings = pd.DataFrame([named_nulls(settings_of(record), lists) for record in records], index=ids)
    for name, choices in lists.items():
        if name in settings and not any(isinstance(choice, bool) for choice in choices):
            # the first that the file names is the reference
            settings[name] = pd.Categorical(settings[name], categories=[NULL if choice is None else choice for choice in choices])
    return TrialTable(
        trial_id=np.array(ids, dtype=np.str_),
        config_id=np.array([record.config_id for record in records], dtype=np.str_),
        seed=np.array([record.flat["seed"] for record in records], dtype=np.int64),
        phase=np.array([record.phase for record in records], dtype=np.str_),
        ended=np.array([record.closed.ended.value if record.closed else "" for record in records], dtype=np.str_),
        outcome=np.array([each.outcome for each in found], dtype=np.str_),
        diagnosis=np.array([each.evidence for each in found], dtype=np.str_),
        onset_kimg=np.array([np.nan if each.onset_kimg is None else each.onset_kimg for each in found], dtype=np.float64),
        settings=settings.drop(columns="seed", errors="ignore"),
        final=pd.DataFrame([{**record.last.values, COST: record.last.seconds} if record.last else {} for record in records], index=ids),
        curves={name: curve(lambda m, name=name: m.values.get(name, np.nan)) for name in names},
        images=curve(lambda m: m.images),
        scientific=tuple(space["scientific"]),
        nuisance=tuple(space["nuisance"]),
        directions={
            **{name: metric.direction for name, metric in METRICS.items() if metric.direction},
            study.spec["objective"]["metric"]: Direction(study.spec["objective"]["direction"]),
            COST: Direction.MINIMIZE,
        },
        baselines=dict(study.baselines),
    )


def ended_as(record: TrialRecord, study: StudyRecord) -> Diagnosis:
    """What happened to a trial. One that has not ended has no outcome yet."""
    return diagnosis(record, study) if record.closed else Diagnosis("", "unfinished: no evidence yet")


def settings_of(record: TrialRecord) -> dict[str, Any]:
    """As asked, completed by the defaults of what was not said. Without trust, a plugin's own defaults are unknown and left out."""
    # here, since they import torch, which costs seconds: a study without trials needs none of it
    from trainables.config import live, settings
    from trainables.tricks import TRICKS

    defaults = {name: value for name, value in settings().items() if name not in TRICKS}
    defaults = {name: defaults[name] for name in live({**defaults, **record.flat}) if name in defaults}
    return {**defaults, **record.settings}


def named_nulls(settings: Mapping[str, Any], lists: Iterable[str]) -> dict[str, Any]:
    """Null by its name, in the settings that are listed."""
    return {name: NULL if value is None and name in lists else value for name, value in settings.items()}


def _next_to_baselines(study: StudyRecord, frame: pd.DataFrame) -> pd.DataFrame:
    frame.attrs = {"baselines": dict(study.baselines), "protocol": dict(study.protocol)}
    return frame
