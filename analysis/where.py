"""Which trials a condition selects, such as "d.lr < 1e-3 and coverage > 0.8"."""

from collections.abc import Collection

import numpy as np
import pandas as pd

from analysis.conditions.condition import Condition
from analysis.conditions.operands import Bools, Source
from analysis.conditions.parsed import Place

_PLACE = Place("where", "d.lr < 1e-3 and coverage > 0.8", names="settings, metrics and signals", listed="; `ganstudy list` prints them")


def selected(frame: pd.DataFrame, where: str) -> Bools:
    """[T]: the rows of a frame for which a condition on its columns is true.

    Raises UserError for anything that is no condition, and for a name that is no column.
    """
    if not len(frame):
        return np.zeros(0, dtype=bool)
    return Condition(where, frame.columns, _PLACE).holds(Source(frame))


def named(where: str, columns: Collection[str]) -> list[str]:
    """Return which columns a condition names. Raises UserError for a text that cannot be read."""
    return Condition(where, columns, _PLACE).names
