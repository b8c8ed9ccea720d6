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


def config_means(values: Floats, configs: Strings, *, scale: Scale) -> pd.DataFrame:
    """Return the mean and interval of each config, from Student's t with the variance pooled over configs.

    With 3 seeds the variance of a single config has 2 degrees of freedom; the pooled one has T − C. Pooling assumes the same spread between
    seeds in all configs, on the given scale. Index: config. Columns: n, mean, low, high. attrs: `df` (T − C) and `sd` (the pooled standard
    deviation on the working scale; NaN if df is 0).
    """
    working = pd.Series(_to_working(values, scale)).groupby(np.asarray(configs), sort=False)
    n, mean = working.size(), working.mean()
    df = len(values) - len(n)
    sd = float(np.sqrt(((working.size() - 1) * working.var(ddof=1).fillna(0.0)).sum() / df)) if df > 0 else np.nan
    half = float(stats.t.ppf(UPPER_TAIL, max(df, 1))) * sd / np.sqrt(n.to_numpy(dtype=np.float64))
    centre = mean.to_numpy(dtype=np.float64)
    frame = pd.DataFrame(
        {
            "n": n,
            "mean": _from_working(centre, scale),
            "low": _from_working(centre - half, scale),
            "high": _from_working(centre + half, scale),
        }
    )
    frame.attrs.update(df=df, sd=sd)
    return frame


def mean(values: Floats, configs: Strings, *, scale: Scale) -> Interval:
    """Return the mean over configs, each counted once: Student's t on config means, so that seeds do not count as configs."""
    means = _means(_to_working(values, scale), configs).to_numpy(dtype=np.float64)
    half = stats.t.ppf(UPPER_TAIL, len(means) - 1) * means.std(ddof=1) / np.sqrt(len(means)) if len(means) > 1 else np.nan
    centre = means.mean()
    return Interval(*(float(_from_working(x, scale)) for x in (centre, centre - half, centre + half)))


def rate(events: Bools, configs: Strings) -> Interval:
    """Return the share of trials with the event: Wilson's score interval at the effective number of trials."""
    share = float(np.mean(events))
    n = _effective_n(configs, intraclass_correlation(events.astype(np.float64), configs, np.ones(len(events), dtype=bool)))
    low, high = proportion_confint(share * n, n, alpha=1 - _CONFIDENCE, method="wilson")
    return Interval(share, float(low), float(high))


def rate_difference(events: Bools, configs: Strings, group: Bools) -> Interval:
    """Return the rate inside the group minus the rate outside: Newcombe's hybrid score interval (1998, method 10) at effective numbers."""
    icc = intraclass_correlation(events.astype(np.float64), configs, group)
    inside, outside = float(events[group].mean()), float(events[~group].mean())
    n_inside, n_outside = _effective_n(configs[group], icc), _effective_n(configs[~group], icc)
    low, high = confint_proportions_2indep(
        inside * n_inside, n_inside, outside * n_outside, n_outside, compare="diff", method="newcomb", alpha=1 - _CONFIDENCE
    )
    return Interval(inside - outside, float(low), float(high))


def _effective_n(configs: Strings, icc: float) -> float:
    """Return the number of independent trials that carry the same information, given the intraclass correlation `icc`.

    It is n / (1 + (m − 1) icc), where m is the size of a trial's config averaged over trials (Kish 1965), times (t_{n−1} / t_{C−1})²
    because C configs are all that the design effect is known from (Korn & Graubard 1998). With one seed per config it is n.
    """
    sizes = np.unique(configs, return_counts=True)[1].astype(np.float64)
    n, m = sizes.sum(), (sizes**2).sum() / sizes.sum()
    t_ratio = stats.t.ppf(UPPER_TAIL, n - 1) / stats.t.ppf(UPPER_TAIL, len(sizes) - 1) if len(sizes) > 1 else 1.0
    return float(n / (1 + (m - 1) * icc) * t_ratio**2)


def intraclass_correlation(values: Floats, configs: Strings, group: Bools) -> float:
    """Return the correlation between trials of one config, within and outside `group`: one-way analysis of variance, clipped to [0, 1].

    It is 1 if nothing varies or no config has two seeds. The data cannot tell then, and seeds that always agree count as one.
    """
    first, of, size = np.unique(configs, return_index=True, return_inverse=True, return_counts=True)[1:]
    inside = group[first]  # all trials of a config are in the same group
    centre = np.bincount(of, values) / size
    group_mean = np.array([values[group == g].mean() if (group == g).any() else 0.0 for g in (False, True)])[inside.astype(int)]
    n, n_configs, n_groups = len(values), len(size), len(np.unique(inside))
    between, within = (size * (centre - group_mean) ** 2).sum(), ((values - centre[of]) ** 2).sum()
    if n == n_configs or n_configs == n_groups or between + within < 1e-12:
        return 1.0
    between, within = between / (n_configs - n_groups), within / (n - n_configs)
    m = (n - sum((size[inside == g] ** 2).sum() / size[inside == g].sum() for g in np.unique(inside))) / (n_configs - n_groups)
    return float(np.clip((between - within) / (between + (m - 1) * within), 0.0, 1.0))


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
