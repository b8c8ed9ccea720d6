"""What early stopping did to each setting: a level whose trials are stopped more often is seen less at its end."""

import numpy as np
import pandas as pd

from analysis import estimate
from analysis.levels import levels
from analysis.table import TrialTable
from ganstudy.ended import Ended

COLUMNS = ("setting", "level", "trials", "stopped", "share", "low", "high")


def stopped(table: TrialTable) -> pd.DataFrame:
    """Return the share of trials that a scheduler stopped, with its 95 % interval, at each level of each setting that varies.

    Settings whose shares differ most come first. Trials of phases in which nothing is stopped are left out. Empty without a stopped trial.
    """
    by_scheduler = table.ended == Ended.SCHEDULER.value
    table = table.where(np.isin(table.phase, np.unique(table.phase[by_scheduler])))
    by_scheduler = table.ended == Ended.SCHEDULER.value
    groups = []
    for setting in (*table.scientific, *table.nuisance):
        rows = []
        for level in levels(table, setting):
            if level.trials.any():
                rate = estimate.rate(by_scheduler[level.trials], table.config_id[level.trials])
                counts = int(level.trials.sum()), int(by_scheduler[level.trials].sum())
                rows.append((setting, level.label, *counts, rate.value, rate.low, rate.high))
        if len(rows) > 1:
            groups.append(rows)
    groups.sort(key=lambda rows: min(row[4] for row in rows) - max(row[4] for row in rows))
    return pd.DataFrame([row for rows in groups for row in rows], columns=list(COLUMNS))
