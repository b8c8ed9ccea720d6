"""The runs of Optuna, Weights & Biases and Ray Tune as frames. Their objects are read by their attributes; the libraries are not imported."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.foreign import files
from analysis.foreign.columns import SourceColumns, by_objective
from analysis.foreign.frames import table_fields
from ganstudy import UserError

SEED = re.compile(r"(.*[./])?(seed|random_seed|random_state)")  # what a setting that is a seed is called
_NONE = "None"  # the choice None; a setting that does not apply is missing


def optuna_fields(study: Any, columns: SourceColumns) -> dict[str, Any]:
    """Return the fields of a TrialTable of an Optuna study."""
    if not (hasattr(study, "trials") and hasattr(study, "directions")):
        raise UserError(
            f"from_optuna needs an optuna.Study; got {study!r}. Load it with optuna.load_study(study_name=…, storage=…), "
            "or use `ganstudy explain STORAGE --study-name NAME`"
        )
    names = list(study.metric_names or (["value"] if len(study.directions) == 1 else [f"values_{i}" for i in range(len(study.directions))]))
    called = _free(("number", "state", "duration"), names, "optuna_")
    rows, attributes, distributions = [], [], {}
    for trial in study.trials:
        distributions.update(trial.distributions)
        took = trial.datetime_complete - trial.datetime_start if trial.datetime_complete and trial.datetime_start else None
        facts = dict(zip(called, (trial.number, trial.state.name, took.total_seconds() if took else np.nan), strict=True))
        rows.append((dict(trial.params), {**dict(zip(names, trial.values or [], strict=False)), **facts}))
        attributes.append(dict(trial.user_attrs))
    settings, others = _apart([row for row, _ in rows], [row for _, row in rows], prefixes=("params_", ""), told="the Optuna study")
    taken = {*settings.columns, *others.columns}
    marks = pd.DataFrame(attributes, index=settings.index)
    marks = marks.set_axis(_free(marks.columns, taken, "user_attrs_"), axis=1)
    renamed: dict[str, str] = dict(zip(dict.fromkeys(name for row, _ in rows for name in row), map(str, settings.columns), strict=True))
    for name, distribution in distributions.items():
        choices = getattr(distribution, "choices", ())
        if not all(isinstance(choice, bool) for choice in choices):  # a list of choices, which keep their order
            settings[renamed[name]] = _choices(settings[renamed[name]], [_plain(choice) for choice in choices])
    others = others.reindex(columns=list(dict.fromkeys([*names, *others.columns])))
    mine: dict[str, Any] = {
        "config": list(settings.columns),
        "objective": names,
        "state": called[1],
        "trial_id": called[0],
        "scales": {renamed[name]: "log" if each.log else "linear" for name, each in distributions.items() if hasattr(each, "log")},
    }
    own = {name: way.name.lower() for name, way in zip(names, study.directions, strict=True)}
    return _fields([settings, others, marks], mine, {**columns, "direction": _directions(own, columns)})


def wandb_fields(runs: Any, columns: SourceColumns) -> dict[str, Any]:
    """Return the fields of a TrialTable of runs of W&B, or of the CSV that its project page exports."""
    if isinstance(runs, str | Path):
        frame = files.csv_frame(Path(runs))
        mine = {"state": "State"} if "State" in frame else {}
        return _fields([frame], {**mine, "config": _needed(columns, "config", frame)}, columns)
    found = list(runs)
    if not all(hasattr(run, "config") and hasattr(run, "summary_metrics") for run in found) or not found:
        raise UserError(f"from_wandb needs runs of wandb.Api().runs('entity/project'), or the path of an exported CSV; got {runs!r}")
    settings, others, facts = wandb_frames(found)
    known: dict[str, Any] = {"config": list(settings.columns), "state": facts.columns[0], "trial_id": facts.columns[1]}
    return _fields([settings, others, facts], known, columns)


def wandb_frames(runs: Sequence[Any]) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return three frames of runs of W&B, a row for each: the settings, the results, and the state and id, in this order.

    The columns are the keys of the configs and of the summaries, nested ones joined by dots; a key of both is config.KEY and summary.KEY. The last two are
    State and ID, with the prefix `wandb.` if a run has such a key.
    """
    settings, others = _apart(
        [_flat({name: value for name, value in run.config.items() if name != "_wandb"}, ".") for run in runs],
        [_numeric(_flat(_measured(run.summary_metrics), ".")) for run in runs],
        prefixes=("config.", "summary."),
        told="the list of W&B runs",
    )
    state, trial_id = _free(("State", "ID"), {*settings.columns, *others.columns}, "wandb.")
    return settings, others, pd.DataFrame({state: [run.state for run in runs], trial_id: [run.id for run in runs]})


def _measured(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return a summary of W&B without its own entry and without media, such as pictures, whose sizes would be results."""
    return {name: value for name, value in summary.items() if name != "_wandb" and not (isinstance(value, Mapping) and "_type" in value)}


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
    state, trial_id = _free(("status", "trial"), {*settings.columns, *others.columns}, "ray/")
    facts = pd.DataFrame({state: [trial.status for trial in trials], trial_id: [trial.trial_id for trial in trials]})
    mine: dict[str, Any] = {"config": list(settings.columns), "state": state, "trial_id": trial_id}
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
    given: dict[str, Any] = {**mine, **said}
    seeds = [name for name in mine["config"] if SEED.fullmatch(name)]
    likely = seeds[0] if "seed" not in said and len(seeds) == 1 else None
    given["config"] = [name for name in mine["config"] if name not in (likely, given.get("seed"), given.get("config_id"))]
    return table_fields(frame, **given, skip=True, likely_seed=likely)


def _needed(columns: SourceColumns, role: str, frame: pd.DataFrame) -> Any:
    """Return an argument that the source does not know. Raises UserError, with the columns, if it is missing."""
    given = dict(columns).get(role)
    if given is None:
        raise UserError(f"{role} must be given: these runs do not say it. The columns are {list(frame.columns)}")
    return given


def _directions(own: Mapping[str, str], columns: SourceColumns) -> dict[str, str]:
    """Return the directions of a study with those given for other objectives. Raises UserError if one is given that the study contradicts."""
    asked: Any = columns.get("objective") or list(own)
    objectives, given = asked if isinstance(asked, list | tuple) else [asked], columns.get("direction")
    found = {**own, **by_objective(objectives, {} if given is None else given)}
    if differing := [name for name in own if found[name] != own[name]]:
        raise UserError(
            f"direction must be that of the study for its own objectives; {differing[0]!r} has {own[differing[0]]!r}, given "
            f"{found[differing[0]]!r}. Leave it out, or give a direction for each objective"
        )
    return found


def _choices(column: pd.Series, choices: list[Any]) -> pd.Series:
    """Return a column of choices in their order; as texts if two are equal as numbers, as 0 and False are."""
    if len(set(choices)) < len(choices):
        column, choices = column.map(str, na_action="ignore"), list(dict.fromkeys(map(str, choices)))
    return column.astype(pd.CategoricalDtype(choices))


def _free(names: Iterable[str], taken: Collection[str], prefix: str) -> list[str]:
    """Return names for columns: one that is taken gets the prefix, as often as it takes."""
    found = []
    for name in names:
        while name in taken:
            name = prefix + name
        found.append(name)
    return found


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
