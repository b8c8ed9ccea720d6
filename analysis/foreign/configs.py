"""Which runs share a config, and which of them are repeats."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.words import listed, plural
from ganstudy import UserError

Bools = npt.NDArray[np.bool_]


def same_config(settings: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Return the number of each row's config [T], in order of first appearance: rows are one config if all settings are equal.

    Numbers must be equal exactly, and missing equals missing.
    """
    codes = np.column_stack([pd.factorize(settings[name])[0] for name in settings.columns])
    of = np.unique(codes, axis=0, return_inverse=True)[1].ravel()
    return np.asarray(pd.factorize(of)[0], dtype=np.int64)


def conditional(settings: pd.DataFrame) -> list[str]:
    """Return notes on settings that are missing in some runs."""
    missing = {str(name): int(settings[name].isna().sum()) for name in settings.columns}
    some = [f"{name!r} ({n})" for name, n in missing.items() if 0 < n < len(settings)]
    return [f"Missing settings are taken as not applying in these runs: {listed(some)} of {plural(len(settings), 'run')}."] if some else []


def repeats(used: pd.DataFrame, frame: pd.DataFrame, seed: str | None, outcome: npt.NDArray[np.str_]) -> Bools:
    """Return [T] the evidence that repeats an earlier row in settings, objectives, outcome and seed. Without seeds, no row is a repeat."""
    if seed is None:
        return np.zeros(len(frame), dtype=bool)
    pairs = used.assign(**{"the outcome": outcome, "the seed": frame[seed].to_numpy()})
    return np.asarray(pairs.duplicated() & (outcome != ""))


def config_ids(settings: pd.DataFrame, frame: pd.DataFrame, column: str | None, *, named: bool) -> npt.NDArray[np.str_]:
    """Return the config of each run [T]: a column; else runs with equal settings are one config.

    Such a config has the id of its first run if runs are `named`, or is c1, c2, …. Raises UserError if a config of the column has two settings.
    """
    if len(settings) == 0:
        return np.empty(0, dtype=np.str_)
    of = same_config(settings)
    if column is None and named:
        first = np.unique(of, return_index=True)[1]
        return np.array(settings.index[first[of]], dtype=np.str_)
    if column is None:
        width = len(str(of.max() + 1))
        return np.array([f"c{i + 1:0{width}d}" for i in of], dtype=np.str_)
    if frame[column].isna().any():
        raise UserError(
            f"config_id must name a config for every run; column {column!r} is empty in {plural(int(frame[column].isna().sum()), 'run')}"
        )
    names = frame[column].astype(str)
    several = pd.Series(of).groupby(names.to_numpy()).nunique()
    if (several > 1).any():
        config = several.index[several > 1][0]
        mine = settings[(names == config).to_numpy()]
        differing = [str(name) for name in mine.columns if mine[name].nunique(dropna=False) > 1]
        raise UserError(
            f"all runs of a config must have the same settings; {column} {config!r} has several values of {differing}. "
            "Leave config_id out: runs with equal settings are then one config"
        )
    return np.array(names, dtype=np.str_)


def seed_of(frame: pd.DataFrame, likely: str, counted: Bools) -> tuple[str | None, list[str]]:
    """Return a column whose name says that it is a seed, or None if a run that is evidence has no whole number there, and a note on it."""
    if not (wrong := ~_whole(frame[likely]) & counted).any():
        return likely, [f"{likely!r} is taken as the seed."]
    example = str(frame[likely].to_numpy()[wrong][0])
    return None, [f"{likely!r} is left out, and the runs of each config are numbered: a seed is a whole number, and it holds {example!r}."]


def _whole(column: pd.Series) -> Bools:
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return np.asarray(np.isfinite(values) & (values == np.floor(values)))


def seeds(
    frame: pd.DataFrame, column: str | None, configs: npt.NDArray[np.str_], counted: Bools
) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Return the seeds [T] and notes on rows that may be copies. Without a column, the runs of each config are numbered from 0.

    Runs that are no evidence may lack a seed and get -1. Raises UserError for a seed that is not a whole number.
    """
    if column is None:
        same = int(frame.astype(str).duplicated().sum())  # as texts: lists cannot be compared
        verb = "equals" if same == 1 else "equal"
        note = f"{plural(same, 'row')} {verb} another in every column and count{'s' * (same == 1)} as a run of its own, since no seed is given."
        return np.asarray(pd.Series(configs).groupby(configs).cumcount(), dtype=np.int64), [note] if same else []
    given = pd.to_numeric(frame[column], errors="coerce")
    values = given.to_numpy(dtype=np.float64, na_value=np.nan)
    whole = _whole(frame[column])
    if not whole[counted].all():
        raise UserError(
            f"seeds must be whole numbers; column {column!r} holds {str(frame[column].to_numpy()[counted & ~whole][0])!r}. "
            "Leave seed out, and the runs of each config are numbered"
        )
    if pd.api.types.is_integer_dtype(given.dtype) and whole.all():
        found = given.to_numpy().astype(np.int64)  # floats would confuse large seeds; seeds of 64 bits become negative
    else:
        found = np.where(whole & (np.abs(values) < 2.0**63), values, -1).astype(np.int64)
    same = int(pd.DataFrame({"config": configs, "seed": found})[counted].duplicated().sum())
    note = (
        f"{plural(same, 'run')} {'has' if same == 1 else 'have'} the settings and the {column} of another run, but not its objective, and "
        f"count{'s' * (same == 1)} as more seeds. Does config name every setting that varied, and is {column!r} the seed of a run?"
    )
    return found, [note] if same else []
