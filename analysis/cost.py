"""What runs cost: training time by outcome."""

import numpy as np
import pandas as pd

from analysis.outcomes import OUTCOMES
from analysis.table import TrialTable
from ganstudy import UserError

SECONDS = "seconds"  # the metric that holds the training time of a run


def cost(table: TrialTable) -> pd.DataFrame:
    """Return the training time by outcome, unfinished runs included. Index: outcome.

    Columns: trials (with a known time), seconds (their sum), median (s), share (of the seconds of all). attrs["failed"]: the share spent on
    failed runs. Raises UserError if no time is known.
    """
    seconds = table.final[SECONDS].to_numpy(dtype=np.float64, na_value=np.nan) if SECONDS in table.final else np.full(len(table), np.nan)
    total = float(np.nansum(seconds))
    if total <= 0:
        raise UserError(f"the cost needs the metric {SECONDS!r}; no trial of this table has it")
    rows = {}
    for name in OUTCOMES:
        mine = seconds[(table.outcome == name) & np.isfinite(seconds)]
        if len(mine):
            rows[name] = {"trials": len(mine), "seconds": mine.sum(), "median": np.median(mine), "share": mine.sum() / total}
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("outcome").astype({"trials": int})
    frame.attrs = {"failed": float(np.nansum(seconds[table.failed])) / total}
    return frame
