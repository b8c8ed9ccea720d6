"""95 % intervals that stay valid with few seeds. All of them treat seeds as nested in configs.

`values` and `events` [T] hold one value per trial; `configs` [T] names the config of each trial; `group` [T] is true for the trials of the
level in question. On the "log" scale values must be positive, a mean is geometric and a difference is a ratio.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

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
    n = float(_effective_n(events, configs, np.ones(len(events), dtype=bool))[1])
    low, high = proportion_confint(share * n, n, alpha=1 - _CONFIDENCE, method="wilson")
    return Interval(share, float(low), float(high))


def rate_difference(events: Bools, configs: Strings, group: Bools) -> Interval:
    """Return the rate inside the group minus the rate outside: Newcombe's hybrid score interval (1998, method 10) at effective numbers."""
    inside, outside = float(events[group].mean()), float(events[~group].mean())
    n_outside, n_inside = _effective_n(events, configs, group)
    low, high = confint_proportions_2indep(
        inside * n_inside, n_inside, outside * n_outside, n_outside, compare="diff", method="newcomb", alpha=1 - _CONFIDENCE
    )
    return Interval(inside - outside, float(low), float(high))


def _effective_n(events: Bools, configs: Strings, group: Bools) -> Floats:
    """Return the numbers [2] of independent trials outside and inside the group that carry as much information as its trials.

    It is the number of trials divided by the design effect (Kish 1965), times (z / t)² because C configs are all that the design effect is
    known from (after Korn & Graubard 1998). The design effect is the variance of the rate between configs, relative to that of independent
    trials, pooled over both groups. The result is at most the number of trials, and at least what the configs give if seeds always agree:
    n² / Σ n_i², which is C if all configs have as many seeds. All of this stays the same if every trial is counted twice.
    """
    first, of, size = np.unique(configs, return_index=True, return_inverse=True, return_counts=True)[1:]
    inside = group[first].astype(int)  # all trials of a config are in the same group
    n, n_configs = np.bincount(inside, size, 2), np.bincount(inside, minlength=2)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.bincount(group.astype(int), events, 2) / n
        deviations = np.bincount(inside, (np.bincount(of, events) - size * share[inside]) ** 2, 2)  # of a config's number of events
        between = np.where(n_configs > 1, deviations * n_configs / (n_configs - 1), 0.0).sum()
        chance = np.where(n_configs > 1, n * share * (1 - share), 0.0).sum()
        df = np.maximum(n_configs - 1, 0).sum()
        ratio = (stats.norm.ppf(UPPER_TAIL) / stats.t.ppf(UPPER_TAIL, df)) ** 2 if df > 0 else np.nan
        found = n * (chance / between) * ratio
        least = n**2 / np.bincount(inside, size.astype(np.float64) ** 2, 2)
    return np.clip(np.where(np.isnan(found), 0.0, found), least, n)  # nothing varies: the least


def permutation_p(values: Floats, configs: Strings, group: Bools, *, seed: int = 0, n_resamples: int = 1999) -> float:
    """Return the two-sided p value of the difference of means, permuting whole configs between groups; exact for few configs."""
    first, of, size = np.unique(configs, return_index=True, return_inverse=True, return_counts=True)[1:]
    total, n, inside = np.bincount(of, values), size.astype(np.float64), group[first]

    def difference(x: npt.NDArray[np.int64], y: npt.NDArray[np.int64], axis: int) -> Floats:
        return np.asarray(total[x].sum(axis) / n[x].sum(axis) - total[y].sum(axis) / n[y].sum(axis))

    groups = np.flatnonzero(inside), np.flatnonzero(~inside)
    # `batch` bounds the memory: 250 permutations of a few hundred configs at a time
    found = stats.permutation_test(groups, difference, vectorized=True, n_resamples=n_resamples, batch=250, rng=np.random.default_rng(seed))
    return float(found.pvalue)


def adjusted_difference(values: Floats, configs: Strings, group: Bools, others: Floats, *, scale: Scale) -> tuple[Interval, float, bool]:
    """Return the mean inside the group minus the mean outside (a ratio on the log scale), its p value, and whether it is adjusted.

    Least squares on config means with `others` [T, k] as covariates. Settings belong to configs, so this is the clustered analysis with valid
    degrees of freedom for few clusters (Donald & Lang 2007). HC3 errors allow for unstable settings, which spread more. Covariates that
    leave no residual, or are collinear with the group, are dropped. Both groups need at least two configs.
    """
    y = _means(_to_working(values, scale), configs)
    x = (
        pd.DataFrame(np.column_stack([np.ones(len(values)), group, others]))
        .groupby(np.asarray(configs), sort=False)
        .mean()
        .to_numpy(dtype=np.float64)
    )
    x = x[:, [True, True, *(np.ptp(x[:, 2:], axis=0) > 0)]]
    fit = OLS(y.to_numpy(dtype=np.float64), x)
    # at least three residual degrees of freedom, and no config that determines a coefficient alone (HC3 divides by 1 − leverage)
    adjusted = x.shape[1] > 2 and np.linalg.matrix_rank(x) == x.shape[1] <= len(x) - 3 and _leverage(x) < 0.99
    if not adjusted:
        fit = OLS(y.to_numpy(dtype=np.float64), x[:, :2])
    result = fit.fit(cov_type="HC3", use_t=True)
    low, high = result.conf_int(alpha=1 - _CONFIDENCE)[1]
    return Interval(*(float(_from_working(z, scale)) for z in (result.params[1], low, high))), float(result.pvalues[1]), bool(adjusted)


def q_values(p: Floats) -> Floats:
    """Return the expected share of false findings among all findings at least as strong. NaN stays NaN. Benjamini & Hochberg 1995."""
    p = np.asarray(p, dtype=np.float64)
    q, known = np.full_like(p, np.nan), np.isfinite(p)
    if known.any():
        q[known] = multipletests(p[known], method="fdr_bh")[1]
    return q


def _means(working: Floats, configs: Strings) -> pd.Series:
    return pd.Series(working).groupby(np.asarray(configs), sort=False).mean()


def _leverage(x: Floats) -> float:
    q = np.linalg.qr(x)[0]
    return float((q**2).sum(axis=1).max())


def _to_working(values: Floats, scale: Scale) -> Floats:
    values = np.asarray(values, dtype=np.float64)
    if not np.isfinite(values).all() or (scale == "log" and (values <= 0).any()):
        raise UserError(
            f"values on the {scale} scale must be finite{' and positive' * (scale == 'log')}; got {values.min()} to {values.max()}"
        )
    return np.log(values) if scale == "log" else values


def _from_working(working: npt.NDArray[np.floating] | float, scale: Scale) -> Floats:
    return np.asarray(np.exp(working) if scale == "log" else working)
