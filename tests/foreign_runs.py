"""Runs of another program, as a frame and as a table."""

from typing import Any

import pandas as pd

from analysis import TrialTable
from analysis.levels import levels

LR = [0.1, 0.1, 0.2, 0.2, 0.1, 0.1 + 2**-55]


def runs(**columns: Any) -> pd.DataFrame:
    """Six runs of two learning rates, one of which appears twice, and of a third that differs in the last bit."""
    return pd.DataFrame({"lr": LR, "loss": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], **columns})


def table(frame: pd.DataFrame, **given: Any) -> TrialTable:
    return TrialTable.from_frame(frame, **{"config": ["lr"], "objective": "loss", "direction": "minimize", **given})


def settings_of(values: Any, **given: Any) -> pd.Series:
    return table(pd.DataFrame({"x": values, "loss": 1.0}), config=["x"], **given).settings["x"]


def labels(made: TrialTable, setting: str) -> list[str]:
    return [level.label for level in levels(made, setting)]
