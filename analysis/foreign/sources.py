"""The runs of Optuna, Weights & Biases and Ray Tune as frames. Their objects are read by their attributes; the libraries are not imported."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.foreign import files
from analysis.foreign.columns import SourceColumns
from analysis.foreign.frames import table_fields
from ganstudy import UserError

_SEED = re.compile(r"(.*[./])?(seed|random_seed|random_state)")  # what a setting that is a seed is called
_NONE = "None"  # the choice None; a setting that does not apply is missing


def optuna_fields(study: Any, columns: SourceColumns) -> dict[str, Any]:
    """Return the fields of a TrialTable of an Optuna study."""
    if not (hasattr(study, "trials") and hasattr(study, "directions")):
        raise UserError(
            f"from_optuna needs an optuna.Study; got {study!r}. Load it with optuna.load_study(study_name=…, storage=…), "
            "or use `ganstudy explain STORAGE --study-name NAME`"
        )
    names = list(study.metric_names or (["value"] if len(study.directions) == 1 else [f"values_{i}" for i in range(len(study.directions))]))
    rows, attributes, distributions = [], [], {}
    for trial in study.trials:
        distributions.update(trial.distributions)
        took = trial.datetime_complete - trial.datetime_start if trial.datetime_complete and trial.datetime_start else None
        facts = {"number": trial.number, "state": trial.state.name, "duration": took.total_seconds() if took else np.nan}
        rows.append((dict(trial.params), {**dict(zip(names, trial.values or [], strict=False)), **facts}))
        attributes.append(dict(trial.user_attrs))
    settings, others = _apart([row for row, _ in rows], [row for _, row in rows], prefixes=("params_", ""), told="the Optuna study")
    taken = {*settings.columns, *others.columns}
    marks = pd.DataFrame(attributes, index=settings.index)
    marks = marks.set_axis([f"user_attrs_{name}" if name in taken else name for name in marks.columns], axis=1)
    renamed = dict(zip(dict.fromkeys(name for row, _ in rows for name in row), settings.columns, strict=True))
    for name, distribution in distributions.items():
        choices = getattr(distribution, "choices", ())
        if not all(isinstance(choice, bool) for choice in choices):  # a list of choices, which keep their order
            settings[renamed[name]] = settings[renamed[name]].astype(pd.CategoricalDtype([_plain(choice) for choice in choices]))
    others = others.reindex(columns=list(dict.fromkeys([*names, *others.columns])))
    mine: dict[str, Any] = {
        "config": list(settings.columns),
        "objective": names,
        "direction": {name: way.name.lower() for name, way in zip(names, study.directions, strict=True)},
        "state": "state",
        "trial_id": "number",
        "scales": {renamed[name]: "log" if each.log else "linear" for name, each in distributions.items() if hasattr(each, "log")},
    }
    return _fields([settings, others, marks], mine, columns)


def wandb_fields(runs: Any, columns: SourceColumns) -> dict[str, Any]:
    """Return the fields of a TrialTable of runs of W&B, or of the CSV that its project page exports."""
    if isinstance(runs, str | Path):
        frame = files.csv_frame(Path(runs))
        mine = {"state": "State"} if "State" in frame else {}
        return _fields([frame], {**mine, "config": _needed(columns, "config", frame)}, columns)
    found = list(runs)
    if not all(hasattr(run, "config") and hasattr(run, "summary_metrics") for run in found) or not found:
        raise UserError(f"from_wandb needs runs of wandb.Api().runs('entity/project'), or the path of an exported CSV; got {runs!r}")
    settings, others = _apart(
        [_flat({name: value for name, value in run.config.items() if name != "_wandb"}, ".") for run in found],
        [_numeric(_flat(run.summary_metrics, ".")) for run in found],
        prefixes=("config.", "summary."),
        told="the list of W&B runs",
    )
    facts = pd.DataFrame({"State": [run.state for run in found], "ID": [run.id for run in found]})
    return _fields([settings, others, facts], {"config": list(settings.columns), "state": "State", "trial_id": "ID"}, columns)


def ray_fields(results: Any, columns: SourceColumns) -> dict[str, Any]:
    """Return the fields of a TrialTable of a ResultGrid, or of the folder of an experiment."""
    if isinstance(results, str | Path):
        trials = files.ray_trials(Path(results))
    elif hasattr(results, "get_dataframe"):
        trials = [
            files.RayTrial(
                str((result.metrics or {}).get("trial_id", i)),
                "ERROR" if result.error else "TERMINATED" if result.metrics else "PENDING",
                result.config or {},
                {name: value for name, value in (result.metrics or {}).items() if name != "config"},
            )
            for i, result in enumerate(results)
        ]
    else:
        raise UserError(f"from_ray needs the ResultGrid of Tuner.fit(), or the path of an experiment's folder; got {results!r}")
    settings, others = _apart(
        [_flat(trial.config, "/") for trial in trials],
        [_numeric(_flat(trial.metrics, "/")) for trial in trials],
        prefixes=("config/", ""),
        told="the Ray Tune experiment",
    )
    facts = pd.DataFrame({"status": [trial.status for trial in trials], "trial": [trial.trial_id for trial in trials]})
    mine: dict[str, Any] = {"config": list(settings.columns), "state": "status", "trial_id": "trial"}
    if "training_iteration" in others:
        mine["steps"] = "training_iteration"
    return _fields([settings, others, facts], mine, columns)


def _fields(parts: Sequence[pd.DataFrame], mine: Mapping[str, Any], columns: SourceColumns) -> dict[str, Any]:
    """Return the fields of a table of the columns of `parts`: what the caller says, else what the source itself knows."""
    frame = pd.concat([part.reset_index(drop=True) for part in parts], axis=1)
    said = {name: value for name, value in columns.items() if value is not None or name == "steps"}  # steps=None turns it off
    for role in ("objective", "direction"):
        if role not in mine:
            _needed(columns, role, frame)
    if "config" in said:
        return table_fields(frame, **{**mine, **said})
    given: dict[str, Any] = {**mine, **said, "notes": ()}
    seeds = [name for name in mine["config"] if _SEED.fullmatch(name)]
    if "seed" not in said and len(seeds) == 1:
        given.update(seed=seeds[0], notes=(f"{seeds[0]!r} is taken as the seed.",))
    given["config"] = [name for name in mine["config"] if name not in (given.get("seed"), given.get("config_id"))]
    return table_fields(frame, **given, skip=True)


def _needed(columns: SourceColumns, role: str, frame: pd.DataFrame) -> Any:
    """Return an argument that the source does not know. Raises UserError, with the columns, if it is missing."""
    given = dict(columns).get(role)
    if given is None:
        raise UserError(f"{role} must be given: these runs do not say it. The columns are {list(frame.columns)}")
    return given


def _apart(
    settings: Sequence[dict[str, Any]], others: Sequence[dict[str, Any]], *, prefixes: tuple[str, str], told: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return two frames, of the settings and of all else. A name that is in both gets the prefixes. None among the settings is a value."""
    if not settings:
        raise UserError(f"a table needs at least one run; {told} has none")
    both = {name for row in settings for name in row} & {name for row in others for name in row}
    frames = []
    for rows, prefix in zip((settings, others), prefixes, strict=True):
        names = dict.fromkeys(name for row in rows for name in row)
        frames.append(
            pd.DataFrame(
                {f"{prefix if name in both else ''}{name}": [row.get(name, np.nan) for row in rows] for name in names}, dtype=object
            )
        )
    frames[0] = frames[0].map(_plain)
    return frames[0].reindex(range(len(settings))), frames[1].reindex(range(len(settings))).infer_objects()


def _plain(value: object) -> object:
    """A value of a setting as a number, a boolean or a text."""
    if value is None:
        return _NONE
    return value if isinstance(value, str | bool | int | float | np.generic) else str(value)


def _flat(nested: Mapping[str, Any], joint: str) -> dict[str, Any]:
    """Return a nested mapping with joined keys: {"opt": {"lr": 1}} -> {"opt/lr": 1}."""
    flat: dict[str, Any] = {}
    for name, value in nested.items():
        if isinstance(value, Mapping) and value:
            flat.update({f"{name}{joint}{inner}": each for inner, each in _flat(value, joint).items()})
        else:
            flat[str(name)] = value
    return flat


def _numeric(flat: dict[str, Any]) -> dict[str, Any]:
    """Return the results that are single numbers or texts; pictures, tables and histograms of W&B are none."""
    return {name: value for name, value in flat.items() if value is None or isinstance(value, str | bool | int | float | np.generic)}
