"""How trials are told apart by one setting: which sides there are to compare."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.table import Bools, Floats, Strings, TrialTable
from analysis.words import number, value_text


@dataclass(frozen=True, eq=False)
class Side:
    """One level of a setting and the trials [T] that hold it."""

    label: str
    trials: Bools


def sides(table: TrialTable, setting: str) -> list[Side]:
    """The levels of a setting, the reference first; only trials where the setting is live and that carry evidence.

    A boolean is off or on; of a list of choices (a categorical column) each is a level, in the order of the study file; a number of a range is split
    at its median, two numbers are two levels.
    """
    knob = table.knobs[setting].where(table.evidence)
    live = knob.dropna()
    distinct = levels(live)
    if not numeric(live) or len(distinct) <= 2:
        return [Side(value_text(value), (knob == value).fillna(False).to_numpy(dtype=bool)) for value in distinct]
    values = knob.to_numpy(dtype=np.float64, na_value=np.nan)
    # the median of configs, not of trials: a config with more seeds is no more of a setting
    middle = float(live.astype(float).groupby(table.config_id[knob.notna().to_numpy()]).first().median())
    if middle == live.max():
        return [Side(f"below {number(middle)}", values < middle), Side(f"at {number(middle)}", values == middle)]
    return [Side(f"up to {number(middle)}", values <= middle), Side(f"above {number(middle)}", values > middle)]


def units(table: TrialTable, *groups: Bools) -> Strings:
    """[T]: which trials are no more than one observation together: those of one configuration.

    Where each group is one configuration, each trial is its own: nothing but the seed varies within them, and the seeds are independent.
    """
    alone = all(len(set(table.config_id[trials])) == 1 for trials in groups)
    return table.trial_id if alone else table.config_id


def split_at_median(table: TrialTable, setting: str) -> bool:
    """Whether `sides` splits this setting at its median."""
    live = table.knobs[setting].where(table.evidence).dropna()
    return numeric(live) and live.nunique() > 2


def levels(live: pd.Series) -> list[object]:
    """The distinct values: of a categorical column in the order of its categories; else numbers and truth values in theirs, then names."""
    if isinstance(live.dtype, pd.CategoricalDtype):
        there = set(live)
        return [value for value in live.cat.categories if value in there]
    return sorted(live.unique(), key=lambda value: (True, 0, value) if isinstance(value, str) else (False, value, ""))


def numeric(live: pd.Series) -> bool:
    """Numbers that have an order; truth values have not, and those of a list are levels as names are."""
    listed = isinstance(live.dtype, pd.CategoricalDtype)
    return (
        not listed and len(live) > 0 and all(isinstance(value, int | float | np.number) and not isinstance(value, bool) for value in live)
    )


def adjustable(table: TrialTable, settings: Sequence[str]) -> list[str]:
    """Those that vary over these trials and are live in all of them; others cannot be a column for least squares."""
    return [name for name in settings if table.knobs[name].notna().all() and table.knobs[name].nunique() > 1]


def covariates(table: TrialTable, settings: Sequence[str]) -> Floats:
    """[T, k]: these settings as columns: numbers as they are (their logarithm if they span a decade), names as 0/1."""
    columns: list[Floats] = [np.empty((len(table), 0))]
    for setting in settings:
        knob = table.knobs[setting]
        if numeric(knob):
            values = knob.to_numpy(dtype=np.float64)
            wide = values.min() > 0 and values.max() >= 10 * values.min()
            columns.append((np.log(values) if wide else values)[:, None])
        else:
            columns.append(pd.get_dummies(knob.astype(str), drop_first=True).to_numpy(dtype=np.float64))
    return np.hstack(columns)
