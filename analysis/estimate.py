"""Intervals that hold with few seeds. All are 95 %; all treat seeds as nested in configs.

`values` and `events` are [T], one per trial; `configs` [T] names the config of each trial; `group` [T] is true on the side asked about.
On the "log" scale values must be positive, a mean is geometric and a difference is a ratio.
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

LEVEL = 0.95
TAIL = 0.5 + LEVEL / 2


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval; low and high are NaN where the data hold no spread to measure."""

    value: float
    low: float
    high: float

    def __contains__(self, number: float) -> bool:
        return self.low <= number <= self.high


def config_means(values: Floats, configs: Strings, *, scale: Scale) -> pd.DataFrame:
    """Mean and interval of each config: variance pooled over configs, Student's t.

    With 3 seeds a config's own variance is a guess with 2 degrees of freedom; the pooled one has T − C. It assumes that seeds spread
    alike in all configs (on the scale chosen). Index config; columns n, mean, low, high; attrs: `df` (T − C) and `sd` (the pooled
    standard deviation on the working scale; NaN if df is 0).
    """
    working = pd.Series(_to(values, scale)).groupby(np.asarray(configs), sort=False)
    n, mean = working.size(), working.mean()
    df = len(values) - len(n)
    sd = float(np.sqrt(((working.size() - 1) * working.var(ddof=1).fillna(0.0)).sum() / df)) if df > 0 else np.nan
    half = float(stats.t.ppf(TAIL, max(df, 1))) * sd / np.sqrt(n.to_numpy(dtype=np.float64))
    centre = mean.to_numpy(dtype=np.float64)
    frame = pd.DataFrame({"n": n, "mean": _back(centre, scale), "low": _back(centre - half, scale), "high": _back(centre + half, scale)})
    frame.attrs.update(df=df, sd=sd)
    return frame


def mean(values: Floats, configs: Strings, *, scale: Scale) -> Interval:
    """Mean over configs, each counted once: Student's t on the configs' means, so that more seeds do not pose as more configs."""
    means = _means(_to(values, scale), configs).to_numpy(dtype=np.float64)
    half = stats.t.ppf(TAIL, len(means) - 1) * means.std(ddof=1) / np.sqrt(len(means)) if len(means) > 1 else np.nan
    centre = means.mean()
    return Interval(*(float(_back(x, scale)) for x in (centre, centre - half, centre + half)))


def rate(events: Bools, configs: Strings) -> Interval:
    """Share of trials: Wilson's score interval at the effective number of trials (`worth`)."""
    share = float(np.mean(events))
    n = worth(configs, intraclass(events.astype(np.float64), configs, np.ones(len(events), dtype=bool)))
    low, high = proportion_confint(share * n, n, alpha=1 - LEVEL, method="wilson")
    return Interval(share, float(low), float(high))


def rate_difference(events: Bools, configs: Strings, group: Bools) -> Interval:
    """Rate inside the group less the rate outside: Newcombe's hybrid score interval (1998, method 10), each at its `worth`."""
    icc = intraclass(events.astype(np.float64), configs, group)
    inside, outside = float(events[group].mean()), float(events[~group].mean())
    n_inside, n_outside = worth(configs[group], icc), worth(configs[~group], icc)
    low, high = confint_proportions_2indep(
        inside * n_inside, n_inside, outside * n_outside, n_outside, compare="diff", method="newcomb", alpha=1 - LEVEL
    )
    return Interval(inside - outside, float(low), float(high))


def worth(configs: Strings, icc: float) -> float:
    """How many independent trials these are worth, given how alike trials of one config are.

    n / (1 + (m − 1) icc), m the mean number of seeds beside a trial and itself (Kish 1965), times (t_{n−1} / t_{C−1})², since the design
    effect is known from C configs only (Korn & Graubard 1998). With one seed per config this is n.
    """
    sizes = np.unique(configs, return_counts=True)[1].astype(np.float64)
    n, m = sizes.sum(), (sizes**2).sum() / sizes.sum()
    t_ratio = stats.t.ppf(TAIL, n - 1) / stats.t.ppf(TAIL, len(sizes) - 1) if len(sizes) > 1 else 1.0
    return float(n / (1 + (m - 1) * icc) * t_ratio**2)


def intraclass(values: Floats, configs: Strings, group: Bools) -> float:
    """How alike trials of one config are, within each side of `group`: one-way analysis of variance, clipped to [0, 1].

    1 where nothing varies, or no config has two seeds: the data cannot tell, and seeds that always agree are worth no more than one.
    """
    first, of, size = np.unique(configs, return_index=True, return_inverse=True, return_counts=True)[1:]
    side = group[first]  # a config is on one side as a whole
    centre = np.bincount(of, values) / size
    sides = np.array([values[group == s].mean() if (group == s).any() else 0.0 for s in (False, True)])[side.astype(int)]
    n, n_configs, n_sides = len(values), len(size), len(np.unique(side))
    between, within = (size * (centre - sides) ** 2).sum(), ((values - centre[of]) ** 2).sum()
    if n == n_configs or n_configs == n_sides or between + within < 1e-12:
        return 1.0
    between, within = between / (n_configs - n_sides), within / (n - n_configs)
    m = (n - sum((size[side == s] ** 2).sum() / size[side == s].sum() for s in np.unique(side))) / (n_configs - n_sides)
    return float(np.clip((between - within) / (between + (m - 1) * within), 0.0, 1.0))


def permutation_p(values: Floats, configs: Strings, group: Bools, *, seed: int = 0, n_resamples: int = 1999) -> float:
    """Two-sided p of the difference of means when whole configs are permuted between the sides; exact where there are few."""
    first, of, size = np.unique(configs, return_index=True, return_inverse=True, return_counts=True)[1:]
    total, n, inside = np.bincount(of, values), size.astype(np.float64), group[first]

    def difference(x: npt.NDArray[np.int64], y: npt.NDArray[np.int64], axis: int) -> Floats:
        return np.asarray(total[x].sum(axis) / n[x].sum(axis) - total[y].sum(axis) / n[y].sum(axis))

    sides = np.flatnonzero(inside), np.flatnonzero(~inside)
    # batch bounds the memory: 250 permutations of some hundred configs at a time
    found = stats.permutation_test(sides, difference, vectorized=True, n_resamples=n_resamples, batch=250, rng=np.random.default_rng(seed))
    return float(found.pvalue)


def adjusted_difference(values: Floats, configs: Strings, group: Bools, others: Floats, *, scale: Scale) -> tuple[Interval, float, bool]:
    """Mean inside the group less the mean outside (a ratio on the log scale), its p, and whether `others` could be adjusted for.

    Least squares on the configs' means, `others` [T, k] as covariates: settings belong to configs, so this is the clustered
    analysis with honest degrees of freedom for few clusters (Donald & Lang 2007); HC3 errors, since unstable settings spread more.
    Where the covariates leave no residual or cannot be told from the group, they are left out. Both sides need two configs at least.
    """
    y = _means(_to(values, scale), configs)
    x = (
        pd.DataFrame(np.column_stack([np.ones(len(values)), group, others]))
        .groupby(np.asarray(configs), sort=False)
        .mean()
        .to_numpy(dtype=np.float64)
    )
    x = x[:, [True, True, *(np.ptp(x[:, 2:], axis=0) > 0)]]
    fit = OLS(y.to_numpy(dtype=np.float64), x)
    # three residual degrees of freedom, and no config that alone decides a coefficient (HC3 divides by 1 − leverage)
    adjusted = x.shape[1] > 2 and np.linalg.matrix_rank(x) == x.shape[1] <= len(x) - 3 and _leverage(x) < 0.99
    if not adjusted:
        fit = OLS(y.to_numpy(dtype=np.float64), x[:, :2])
    result = fit.fit(cov_type="HC3", use_t=True)
    low, high = result.conf_int(alpha=1 - LEVEL)[1]
    return Interval(*(float(_back(z, scale)) for z in (result.params[1], low, high))), float(result.pvalues[1]), bool(adjusted)


def q_values(p: Floats) -> Floats:
    """Benjamini & Hochberg 1995: the share of false findings among all at least as strong. NaN stays NaN."""
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


def _to(values: Floats, scale: Scale) -> Floats:
    values = np.asarray(values, dtype=np.float64)
    if not np.isfinite(values).all() or (scale == "log" and (values <= 0).any()):
        raise ValueError(
            f"values on the {scale} scale must be finite{' and positive' * (scale == 'log')}; got {values.min()} to {values.max()}"
        )
    return np.log(values) if scale == "log" else values


def _back(working: npt.NDArray[np.floating] | float, scale: Scale) -> Floats:
    return np.asarray(np.exp(working) if scale == "log" else working)
