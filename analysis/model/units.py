"""The units of observation of a study: what is independent, and exchangeable if no setting has an effect."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.table import Floats, TrialTable


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
    if not varied or any(name in table.nuisance for name in varied):
        return False
    combinations = 1
    for name in varied:
        column = table.settings[name].dropna()
        choice = isinstance(column.dtype, pd.CategoricalDtype) or column.nunique() == 2 or not pd.api.types.is_numeric_dtype(column)
        if not choice:
            return False
        combinations *= column.nunique()
    # configs that agree in all of these differ in something else, which varies from config to config
    return configs == combinations == len(table.settings[varied].drop_duplicates())
