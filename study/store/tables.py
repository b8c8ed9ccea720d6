"""Records as tables: pandas frames, and the TrialTable that `analysis` reads."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis import Diagnosis, Direction, TrialTable
from analysis.grades import GRADES
from analysis.metrics import METRICS
from analysis.words import listed, plural
from study.store.diagnosis import diagnosis, grades_of, has_failed
from study.store.records import Ended, StudyRecord, TrialRecord
from study.store.store import Store

_COST = "seconds"  # of training: an objective in addition to the metrics
_NULL = "default"  # the level of a choice that is null; None marks settings that do not apply


def trials_frame(store: Store, *, protocol: str) -> pd.DataFrame:
    """Return a row per trial_id: how it ended, outcome, whether it failed, onset, settings, last values, grades, diagnosis.

    protocol: the hash of the study's evaluation protocol. attrs["baselines"]: the real-data baselines. attrs["protocol"]: the protocol.
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
                "failed": has_failed(record, store.study, found),
                "onset_kimg": found.onset_kimg,
                "images": last.images if last else 0,
                "seconds": last.seconds if last else 0.0,
                "evaluation_seconds": last.evaluation_seconds if last else 0.0,
                **settings_of(record),
                **(last.values if last else {}),
                **{name: value for name, value in grades_of(record, store.study, found).items() if name != "onset_kimg"},
                "diagnosis": found.evidence,
                "reason": record.closed.reason if record.closed else "",
                "failures": record.failures,
            }
        )
    return _next_to_baselines(store.study, pd.DataFrame(rows).set_index("trial_id") if rows else pd.DataFrame())


def history_frame(store: Store) -> pd.DataFrame:
    """Return a row per trial and tick: images, seconds and all values. attrs["baselines"]: the real-data baselines."""
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
    """Return the TrialTable that the functions of `analysis` read."""
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
    settings = pd.DataFrame([_with_named_nulls(settings_of(record), lists) for record in records], index=ids)
    for name, choices in lists.items():
        if name in settings and not any(isinstance(choice, bool) for choice in choices):
            # keeps the order of the study file, whose first choice is the reference
            settings[name] = pd.Categorical(settings[name], categories=[_NULL if choice is None else choice for choice in choices])
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
        own_failures=np.array([has_failed(record, study, each) for record, each in zip(records, found, strict=True)], dtype=np.bool_)
        if study.spec.get("failure")
        else None,
        final=pd.DataFrame(
            [
                {**record.last.values, _COST: record.last.seconds, **grades_of(record, study, each)} if record.last else {}
                for record, each in zip(records, found, strict=True)
            ],
            index=ids,
        ),
        curves={name: curve(lambda m, name=name: m.values.get(name, np.nan)) for name in names},
        images=curve(lambda m: m.images),
        scientific=tuple(space["scientific"]),
        nuisance=tuple(space["nuisance"]),
        directions={
            **{name: metric.direction for name, metric in METRICS.items() if metric.direction},
            **GRADES,
            study.spec["objective"]["metric"]: Direction(study.spec["objective"]["direction"]),
            _COST: Direction.MINIMIZE,
        },
        baselines=dict(study.baselines),
        notes=(f"A trial has failed if it died, or if {failure} at its end.",) if (failure := study.spec.get("failure")) else (),
        missing=_missing(store),
        scales={
            name: "log" if form.get("log") else "linear"
            for part in (space["scientific"], space["nuisance"])
            for name, form in part.items()
            if "low" in form
        },
    )


def _missing(store: Store) -> str:
    """Return which trials of the study have no end that says something about their settings, as a sentence; "" if all or none have one."""
    assert store.study
    ends = [record.closed.ended for record in store.trials.values() if record.closed]
    total = max(store.study.spec["n_configs"] * store.study.spec["seeds"], len(store.trials))
    unfinished, crashed = total - len(ends), ends.count(Ended.ERROR)
    parts = [f"{unfinished} {'has' if unfinished == 1 else 'have'} not finished"] if unfinished else []
    parts += [f"{crashed} crashed"] if crashed else []
    return f"Of {plural(total, 'trial')}, {listed(parts)}; what follows is about the others." if parts and len(ends) > crashed else ""


def ended_as(record: TrialRecord, study: StudyRecord) -> Diagnosis:
    """Return the diagnosis of a trial that ended. The outcome of an unfinished trial is ""."""
    return diagnosis(record, study) if record.closed else Diagnosis("", "unfinished: no evidence yet")


def settings_of(record: TrialRecord) -> dict[str, Any]:
    """Return a trial's settings and variants, completed by the defaults of settings that apply.

    Defaults of plugin settings are left out if the plugin is not imported.
    """
    from trainables.config import completed  # here, since importing torch takes seconds, which a study without trials does not need

    return completed(record.settings)


def _with_named_nulls(settings: Mapping[str, Any], lists: Iterable[str]) -> dict[str, Any]:
    """Return the settings with "default" for None in the settings named in `lists`."""
    return {name: _NULL if value is None and name in lists else value for name, value in settings.items()}


def _next_to_baselines(study: StudyRecord, frame: pd.DataFrame) -> pd.DataFrame:
    frame.attrs = {"baselines": dict(study.baselines), "protocol": dict(study.protocol)}
    return frame
