"""The units of observation of a study: what is independent, and exchangeable if no setting has an effect."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.table import Floats, TrialTable

_GROUP = 4  # units of one size that have a group of their own


@dataclass(frozen=True, eq=False)
class Units:
    """U units. Each is a config with its trials, or a single trial if the configs are all that there could be."""

    table: TrialTable  # the T trials that are evidence
    of: npt.NDArray[np.int64]  # [T]: the unit of each trial
    settings: pd.DataFrame  # [U x settings]
    kind: Literal["config", "trial"]

    def __len__(self) -> int:
        return len(self.settings)

    def mean(self, values: Floats) -> Floats:
        """[U]: the mean over the trials of each unit, without those that are NaN; NaN if there are none."""
        known = np.isfinite(values)
        n = self.count(known)
        total = np.bincount(self.of[known], values[known], minlength=len(self))
        return np.asarray(np.divide(total, n, out=np.full(len(self), np.nan), where=n > 0))

    def count(self, trials: npt.NDArray[np.bool_]) -> Floats:
        """[U]: the number of chosen trials in each unit."""
        return np.bincount(self.of[trials], minlength=len(self)).astype(np.float64)

    def sizes(self) -> npt.NDArray[np.int64]:
        """[U]: the group of each unit by its number of trials, from 0. Sizes that few units have share a group with the next one."""
        n = self.count(np.ones(len(self.table), dtype=np.bool_))
        group = np.zeros(len(n), dtype=np.int64)
        members, last = 0, 0
        for size in np.unique(n):
            if members >= _GROUP and (n >= size).sum() >= _GROUP:
                last, members = last + 1, 0
            group[n == size] = last
            members += int((n == size).sum())
        return group


def units_of(table: TrialTable) -> Units:
    """Return the units of observation of a table whose trials are all evidence.

    Seeds are nested in configs, so the unit is the config: a study draws configs from its space, and its conclusions are about the space.
    If only choices vary and every combination of them was run, the configs are not a sample. Then seeds are all that varies by chance, and
    the unit is the trial.
    """
    codes, first = np.unique(table.config_id, return_inverse=True)[1], np.unique(table.config_id, return_index=True)[1]
    if _complete(table):
        return Units(table, np.arange(len(table)), table.settings.reset_index(drop=True), "trial")
    return Units(table, codes.astype(np.int64), table.settings.iloc[first].reset_index(drop=True), "config")


def _complete(table: TrialTable) -> bool:
    """Whether every combination of the settings that vary was run, all of them choices and none a nuisance setting."""
    configs = len(set(table.config_id))
    if configs == len(table):
        return False
    varied = [name for name in (*table.scientific, *table.nuisance) if table.settings[name].nunique() > 1]
    if not varied or any(name in table.nuisance or not _is_choice(table.settings[name]) for name in varied):
        return False
    distinct = table.settings[varied].drop_duplicates()
    # configs that agree in all of these differ in something else, which varies from config to config
    return len(distinct) == configs and is_complete(distinct)


def is_complete(distinct: pd.DataFrame) -> bool:
    """Whether the rows, all different, are all combinations of their values."""
    # conditional settings live in part of the configs, so each pattern of active settings has combinations of its own
    patterns = distinct.notna().apply(tuple, axis=1)
    always = distinct.loc[:, distinct.notna().all()].drop_duplicates()
    return all(_is_product(group) for group in [always, *(group for _, group in distinct.groupby(patterns))])


def _is_product(configs: pd.DataFrame) -> bool:
    return len(configs) == configs.nunique().clip(lower=1).prod()


def _is_choice(column: pd.Series) -> bool:
    known = column.dropna()
    return isinstance(column.dtype, pd.CategoricalDtype) or known.nunique() == 2 or not pd.api.types.is_numeric_dtype(known)
