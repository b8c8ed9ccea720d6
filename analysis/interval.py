"""Intervals of a metric as sentences, tables and figures show them: within the values that the metric can have, and none that tells nothing.

A config with two or three seeds may have an interval over many powers of ten. Its numbers look like knowledge, and a figure that shows them shows
nothing else. What is computed from such intervals, such as places and probabilities, stays as it is.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from analysis.metrics import METRICS
from analysis.table import Floats, Scale
from analysis.words import plural

FACTOR = 100  # between the ends on the log scale, beyond which an interval tells nothing


def shown(low: ArrayLike, high: ArrayLike, metric: str, scale: Scale) -> tuple[Floats, Floats]:
    """Return the ends of intervals of a metric as they are shown, on its own scale; NaN where an interval is unknown or tells nothing.

    An interval tells nothing if its ends differ by more than a factor of 100 on the log scale, or by more than the metric's range on the linear one.
    """
    least, most = _bounds(metric)
    ends = np.array([low, high], dtype=np.float64)
    wide = ends[1] > FACTOR * ends[0] if scale == "log" else ends[1] - ends[0] > most - least
    ends = np.where(wide, np.nan, np.clip(ends, least, most))
    return ends[0], ends[1]


def as_shown(frame: pd.DataFrame, metrics: Sequence[tuple[str, Scale, str, str]]) -> pd.DataFrame:
    """Return a table of configs with its intervals as they are shown. metrics: name, scale, and the columns of both ends of each.

    A further column, `untold`, says whether a config has an interval that tells nothing.
    """
    found = frame.assign(untold=False)
    for metric, scale, low, high in metrics:
        ends = shown(frame[low], frame[high], metric, scale)
        found["untold"] |= frame[low].notna() & np.isnan(ends[0])
        found[low], found[high] = ends
    return found


def ranking_as_shown(ranked: pd.DataFrame) -> pd.DataFrame:
    """Return what `analysis.rank` returns with its estimates and intervals as they are shown, and the column `untold`."""
    by = ranked.attrs["by"]
    within = ranked["estimate"].clip(*_bounds(by))  # it may lie beyond a bound, for instance by rounding
    return as_shown(ranked.assign(estimate=within), [(by, ranked.attrs["scale"], "low", "high")])


def _bounds(metric: str) -> tuple[float, float]:
    return METRICS[metric].bounds if metric in METRICS else (-np.inf, np.inf)


def too_few(n: int, unit: str = "seed") -> str:
    """Return what is said in place of an interval of n values that tells nothing."""
    return f"{plural(n, unit)} {'tells' if n == 1 else 'tell'} too little for an interval"


def lacking(row: Mapping[Any, Any]) -> str:
    """Return what is said in place of the interval of a config, a row of `ranking_as_shown`; "" if it is shown."""
    if row["untold"]:
        return too_few(int(row["n"]))
    if row["low"] == row["low"]:
        return ""
    return "one value, no interval" if row["n"] == 1 else f"{plural(int(row['n']), 'value')}, no interval"


def note(found: pd.DataFrame) -> str:
    """Return what is said below a table of `as_shown`; "" if all its known intervals are shown."""
    if not found["untold"].any():
        return ""
    n = found.loc[found["untold"], "n"].astype(int)
    least = f"{n.min()} to " if n.min() < n.max() else ""
    return f"A dash in place of an interval: {least}{too_few(n.max())}"
