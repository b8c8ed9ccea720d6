"""Runs in files: a CSV, and the folder of a Ray Tune experiment. The only module of this package that reads files."""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from ganstudy import UserError
from ganstudy.files import users_path

_CSV = "a CSV file with a line of column names, separated by commas, and a cell for each name in the rows below"
_OTHERWISE = "Read other formats with pandas, and make the table with TrialTable.from_frame"
_MISSING = ["", "nan", "NaN", "NAN", "NA", "N/A", "<NA>"]  # without None and null: they can be the value of a setting


def csv_frame(path: Path) -> pd.DataFrame:
    """Return a CSV file as a frame; floats are exact, and texts have no outer spaces.

    Raises UserError if it cannot be read, has no rows, repeats a name, or has a row with more cells than names.
    """
    with users_path(path, "be a CSV file that can be read", do="Check the path"):
        try:
            head = pd.read_csv(path, header=None, nrows=2, dtype=str, keep_default_na=False, skipinitialspace=True)  # no row is wider
            frame = pd.read_csv(path, keep_default_na=False, na_values=_MISSING, skipinitialspace=True, low_memory=False)
        except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
            raise UserError(f"{path} must be {_CSV}; {str(error).strip()}. {_OTHERWISE}") from error
    names = Counter(str(name).strip() for name in head.iloc[0])
    if repeated := [name for name, times in names.items() if name and times > 1]:
        raise UserError(f"the columns of {path} must have distinct names; {repeated} are repeated. Rename them")
    if len(frame.columns) == 1 and {";", "\t"} & set(frame.columns[0]):
        raise UserError(f"{path} must be {_CSV}; its only column is {frame.columns[0]!r}. {_OTHERWISE}")
    if not len(frame):
        raise UserError(f"{path} must hold a row for each run; it has the columns {list(frame.columns)} and no rows")
    return frame.apply(_stripped)


def _stripped(column: pd.Series) -> pd.Series:
    """Return a column of texts without spaces around them; what then says that it is missing is missing."""
    if not pd.api.types.is_string_dtype(column):
        return column
    texts = column.str.strip()
    return texts.mask(texts.isin(_MISSING))


@dataclass(frozen=True)
class RayTrial:
    """A trial of a Ray Tune experiment as its files tell it."""

    trial_id: str
    status: str  # TERMINATED, ERROR, RUNNING, PENDING or PAUSED
    config: dict[str, Any]
    metrics: dict[str, Any] = field(default_factory=dict)  # the last result


def ray_trials(folder: Path) -> list[RayTrial]:
    """Return the trials of a Ray Tune experiment, of the files that Tune's JSON logger writes into the folder of each trial.

    `params.json` is the config and the last line of `result.json` the last result. How a trial ended is in the newest
    `experiment_state-*.json`; without such a file a trial with an `error.txt` has failed. Raises UserError if there are no trials.
    """
    with users_path(folder, "be the folder of a Ray Tune experiment", do="Give the folder that contains the folders of its trials"):
        status = _status(folder)
        trials = []
        for params in sorted(folder.glob("*/params.json")):
            result = _last_line(params.with_name("result.json"))
            failed = params.with_name("error.txt").exists()
            trial_id = str(result.get("trial_id", params.parent.name))
            ended = status.get(params.parent.name, "ERROR" if failed else "TERMINATED" if result else "PENDING")
            trials.append(
                RayTrial(
                    trial_id,
                    ended,
                    _mapping(params, "Repair it, or move the folder of this trial away"),
                    {name: value for name, value in result.items() if name != "config"},
                )
            )
    if not trials:
        raise UserError(
            f"{folder} must be the folder of a Ray Tune experiment, with a params.json and a result.json in the folder of each trial; there "
            "are none. In Python, TrialTable.from_ray takes the ResultGrid as well"
        )
    return trials


def _status(folder: Path) -> dict[str, str]:
    """Return folder of a trial -> its status. The trials of a state file are JSON texts within JSON."""
    states = sorted(folder.glob("experiment_state-*.json"))
    if not states:
        return {}
    advice = "Move it away, and the state before it is read, or else how each trial ended is read from its own folder"
    data = _mapping(states[-1], advice).get("trial_data", [])
    try:
        trials = [json.loads(state) for state, _ in data]
        return {Path(trial["relative_logdir"]).name: trial["status"] for trial in trials if trial.get("relative_logdir")}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(
            f"{states[-1]} must hold the trials of an experiment as Ray Tune writes them; those of this file have another form. {advice}"
        ) from error


def _mapping(path: Path, advice: str) -> dict[str, Any]:
    """Return the JSON object that a file holds. Raises UserError if it holds none: a killed process may leave a part of it."""
    try:
        return dict(json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise UserError(f"{path} must hold a whole JSON object; {error}. {advice}") from error


def _last_line(path: Path) -> dict[str, Any]:
    """Return the last whole line of a file of JSON lines; {} if there is none. A killed process leaves half a line."""
    lines = path.read_text().splitlines() if path.exists() else []
    for line in reversed(lines):
        try:
            return dict(json.loads(line))
        except (ValueError, TypeError):
            continue
    return {}
