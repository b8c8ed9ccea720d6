"""95 % intervals that stay valid with few seeds. All of them treat seeds as nested in configs.

`values` and `events` [T] hold one value per trial; `configs` [T] names the config of each trial. On the
"log" scale values must be positive, and a mean is geometric.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from analysis.table import Bools, Floats, Scale, Strings
from ganstudy import UserError

UPPER_TAIL = 0.5 + 0.95 / 2
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval; low and high are NaN if the data have no spread to measure."""

    value: float
    low: float
    high: float

    def __contains__(self, number: float) -> bool:
        return self.low <= number <= self.high


def mean(values: Floats, configs: Strings, *, scale: Scale) -> Interval:
    """Return the mean over configs, each counted once: Student's t on config means, so that seeds do not count as configs."""
    means = _means(_to_working(values, scale), configs).to_numpy(dtype=np.float64)
    half = stats.t.ppf(UPPER_TAIL, len(means) - 1) * means.std(ddof=1) / np.sqrt(len(means)) if len(means) > 1 else np.nan
    centre = means.mean()
    return Interval(*(float(_from_working(x, scale)) for x in (centre, centre - half, centre + half)))


def rate(events: Bools, configs: Strings) -> Interval:
    """Return the share of trials with the event: Wilson's score interval at the effective number of trials.

    More seeds that say what is known already never widen it: neither each config's trials once more, nor one more seed per config that
    agrees with its others.
    """
    share = float(np.mean(events))
    n = _effective_n(events, configs)
    low, high = proportion_confint(share * n, n, alpha=1 - _CONFIDENCE, method="wilson")
    return Interval(share, float(low), float(high))


def _effective_n(events: Bools, configs: Strings) -> float:
    """Return the number of independent trials that carry as much information as these trials.

    It is the number of trials divided by the design effect (Kish 1965), times (z / t)² because C configs are all that the design effect is
    known from (after Korn & Graubard 1998). The design effect is the variance of the rate between configs, relative to that of independent
    trials. The result is at most the number of trials, and at least what the configs give if seeds always agree: n² / Σ n_i², which is C
    if all configs have as many seeds. All of this stays the same if every trial is counted twice.
    """
    of, size = np.unique(configs, return_inverse=True, return_counts=True)[1:]
    n, n_configs = len(events), len(size)
    share = events.mean()
    least = n**2 / float((size.astype(np.float64) ** 2).sum())
    between = float(((np.bincount(of, events) - size * share) ** 2).sum()) * n_configs / max(n_configs - 1, 1)
    chance = n * share * (1 - share)
    if n_configs == 1 or chance == 0:  # nothing varies
        return least
    ratio = (stats.norm.ppf(UPPER_TAIL) / stats.t.ppf(UPPER_TAIL, n_configs - 1)) ** 2
    return float(np.clip(n * ratio * chance / max(between, 1e-12), least, n))


def _means(working: Floats, configs: Strings) -> pd.Series:
    return pd.Series(working).groupby(np.asarray(configs), sort=False).mean()


def _to_working(values: Floats, scale: Scale) -> Floats:
    values = np.asarray(values, dtype=np.float64)
    if not np.isfinite(values).all() or (scale == "log" and (values <= 0).any()):
        raise UserError(
            f"values on the {scale} scale must be finite{' and positive' * (scale == 'log')}; got {values.min()} to {values.max()}"
        )
    return np.log(values) if scale == "log" else values


def _from_working(working: npt.NDArray[np.floating] | float, scale: Scale) -> Floats:
    return np.asarray(np.exp(working) if scale == "log" else working)
