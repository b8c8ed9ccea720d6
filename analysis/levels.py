"""The levels of a setting: groups of trials that can be compared."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.table import Bools, Strings, TrialTable
from analysis.words import bound, value_texts


@dataclass(frozen=True, eq=False)
class Level:
    """One level of a setting and the trials [T] at it."""

    label: str
    trials: Bools


def levels(table: TrialTable, setting: str) -> list[Level]:
    """Return the levels of a setting, the reference first. Only trials that are evidence and in which the setting is active have a level.

    A boolean is off or on. Each choice of a list (a categorical column) is a level, in the order of the study file. Numbers from a range are
    split at their median; two distinct numbers are two levels.
    """
    column = table.settings[setting].where(table.evidence)
    active = column.dropna()
    distinct = distinct_values(active)
    if not is_numeric(active) or len(distinct) <= 2:
        return [
            Level(text, (column == value).fillna(False).to_numpy(dtype=bool))
            for value, text in zip(distinct, value_texts(distinct), strict=True)
        ]
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    # the median over configs: a config with more seeds must not weigh more
    middle = float(active.astype(float).groupby(table.config_id[column.notna().to_numpy()]).first().median())
    if middle == active.max():
        text = bound(middle, values, least=True)
        return [Level(f"below {text}", values < middle), Level(f"at {text}", values == middle)]
    text = bound(middle, values, least=False)
    return [Level(f"up to {text}", values <= middle), Level(f"above {text}", values > middle)]


def independent_units(table: TrialTable, *groups: Bools) -> Strings:
    """Return the unit of observation [T] of each trial; trials with the same unit count as one observation.

    The unit is the config. If every group holds a single config, the unit is the trial: then only the seed varies within a group, and
    seeds are independent.
    """
    one_config_each = all(len(set(table.config_id[trials])) == 1 for trials in groups)
    return table.trial_id if one_config_each else table.config_id


def distinct_values(active: pd.Series) -> list[object]:
    """Return the distinct values: categories in their own order, otherwise numbers and booleans sorted first, then names."""
    if isinstance(active.dtype, pd.CategoricalDtype):
        present = set(active)
        return [value for value in active.cat.categories if value in present]
    return sorted(active.unique(), key=lambda value: (True, 0, value) if isinstance(value, str) else (False, value, ""))


def is_numeric(active: pd.Series) -> bool:
    """Whether the values are numbers with an order. Booleans are not, nor are numbers from a list: those are levels, as names are."""
    categorical = isinstance(active.dtype, pd.CategoricalDtype)
    numbers = all(isinstance(value, int | float | np.number) and not isinstance(value, bool) for value in active)
    return not categorical and len(active) > 0 and numbers
