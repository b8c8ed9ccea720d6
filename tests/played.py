"""Plays studies without Ray: a driver that gives each proposed trial a value at once."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from recorded import PROTOCOL

from study.engine.searcher import Search, unfinished
from study.spec.study_spec import StudySpec
from study.store.records import Closed, Ended, Measurement, Saved, StudyRecord, TrialRecord
from study.store.store import Store

SEARCH: dict[str, Any] = {  # the keys of a small search
    "name": "played",
    "question": "Which config is the best?",
    "goal": "optimise",
    "base": {"data": "ring8", "arch": "mlp", "budget_kimg": 1.0, "tick_kimg": 0.5},
    "space": {"scientific": {"r1": [False, True]}, "nuisance": {"g.lr": {"low": 1e-4, "high": 1e-2, "log": True}}},
    "n_configs": 8,
}

# the value of fd at the end, or several values; None for a trial that dies
Value = Callable[[TrialRecord], float | Mapping[str, float] | None]


def study_record(spec: StudySpec) -> StudyRecord:
    return StudyRecord(
        spec=spec.as_dict(), protocol=PROTOCOL.as_dict(), baselines={}, n_modes=8, created="2026-01-01T00:00:00+00:00", provenance={}
    )


def play(spec: StudySpec, folder: Path, value: Value, *, at_most: int = 10_000, study: StudyRecord | None = None) -> Store:
    """Run a study, or go on with it, until it is done or so many trials have been started. study: its record, instead of one without baselines."""
    folder.mkdir(exist_ok=True)
    with Store.writing(folder) as store:
        store.write_study(study or study_record(spec))
        search = Search(spec, store)
        for number in range(at_most):
            if (config := search.suggest(str(number))) is None or isinstance(config, str):
                assert not unfinished(spec, store)
                if spec.is_open_ended:
                    assert store.study
                    store.write_study(replace(store.study, n_trials=len(store.trials)))
                break
            end(spec, store, search, config["trial_id"], value)
            search.on_trial_complete(str(number))
    return store


def end(spec: StudySpec, store: Store, search: Search, trial_id: str, value: Value) -> None:
    """End an open trial."""
    images, found = round(1000 * spec.budget_kimg), value(store.trials[trial_id])
    ended = Ended.DEAD if found is None else Ended.BUDGET
    reason = "the loss became nan" if found is None else ""
    values = found if isinstance(found, Mapping) else {"fd": 1.0 if found is None else found}
    measured = Measurement(images=images, seconds=1.0, evaluation_seconds=0.1, values=values)
    if found is None:
        store.write(trial_id, closed=Closed(ended=ended, reason=reason))
    else:
        store.write(trial_id, measured=measured, closed=Closed(ended=ended))
        store.write(trial_id, saved=Saved(images=images, path=f"tune/{trial_id}/{images}"))
        search.measured(trial_id, measured)
    search.closed(store.trials[trial_id])
