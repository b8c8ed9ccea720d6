"""Hierarchical models of configs: the risk of failing, and the objective of runs that do not fail.

Configs come from one population, and the study itself tells the population's mean and spread. So a config that did very well in few trials
is expected to do less well in new ones (Efron, "Large-Scale Inference", 2010, chapter 1). The functions return draws from the posterior.
Parameters of the population are drawn as well, so their uncertainty is part of every interval.
"""

import numpy as np
import numpy.typing as npt
from scipy.special import betaln, gammaln

from analysis.table import Bools, Floats

_WARM_UP = 150  # steps of each chain that are thrown away
_PARTS = 3  # normal parts of the population: enough for a long tail on either side
_SPARSE = 0.1  # Dirichlet parameter: below 1, parts that the data do not ask for stay empty (Rousseau & Mengersen 2011)
_DF = 3.0, 200.0  # spreads between seeds may differ between configs by a factor of ten, or not at all
_TINY = 1e-8  # least variance, in units of the total variance


def draw_risks(failed: npt.ArrayLike, n: npt.ArrayLike, *, n_draws: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return the posterior mean [C] and draws [n_draws, C] of each config's risk, from `failed` [C] among `n` [C] trials.

    Beta-binomial model: the risks of configs have a beta distribution, whose mean and intraclass correlation are uniform on (0, 1) a priori.
    Both are integrated over a grid.
    """
    failed, n = np.asarray(failed, dtype=np.float64), np.asarray(n, dtype=np.float64)
    pairs, of, counts = np.unique(np.column_stack([failed, n]), axis=0, return_inverse=True, return_counts=True)
    k, size = pairs[:, :1], pairs[:, 1:]
    mean, icc = (grid.ravel() for grid in np.meshgrid((np.arange(80) + 0.5) / 80, (np.arange(40) + 0.5) / 40))
    a, b = mean * (1 / icc - 1), (1 - mean) * (1 / icc - 1)
    log_likelihood = counts @ (betaln(a + k, b + size - k) - betaln(a, b))
    weight = np.exp(log_likelihood - log_likelihood.max())
    weight /= weight.sum()
    at = rng.choice(len(weight), size=n_draws, p=weight)
    draws = rng.beta(a[at, None] + failed, b[at, None] + n - failed)
    return (((a + k) / (a + b + size)) @ weight)[of.ravel()], draws


def draw_objectives(
    n: Floats, mean: Floats, squares: Floats, risk: Floats, *, n_draws: int, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """Return the posterior mean of each config's objective, draws of it, and draws of the standard deviation between its seeds.

    n, mean, squares, risk [B, C]: how many values each config has, their mean (NaN without values), the sum of their squared deviations from
    it, and the config's risk. Each study needs a config with two values. B studies, or B chains of one study, are drawn side by side.
    Shapes of the result: [B, C], [n_draws, B, C] and [n_draws, B, C].

    * Values of a config are normal around its objective.
    * The variance between seeds has a scaled inverse chi-squared distribution over configs (Smyth 2004): a config with few values borrows
      its spread from the others, as far as spreads agree. Its degrees of freedom and scale have flat priors on the log scale.
    * Objectives come from a mixture of normal distributions, because studies have outliers: with a single normal distribution, a few very
      bad configs would make the best one look too good, and one excellent config would be taken for a lucky one. The standard
      deviation of each part has a flat prior (Gelman 2006).
    * The mean is a line in the risk, because configs that fail often tend to be worse also where they do not fail.

    Gibbs and Metropolis steps, with objectives integrated out where their population is drawn, and variances where theirs is (van Dyk &
    Park 2008).
    """
    n_studies, n_configs = n.shape
    known = n > 0
    total = n.sum(1, keepdims=True)
    centre = (n * np.where(known, mean, 0)).sum(1, keepdims=True) / total
    unit = np.sqrt((squares + n * np.where(known, mean - centre, 0) ** 2).sum(1, keepdims=True) / total)  # total standard deviation
    unit = np.where(unit > 1e-12 * np.abs(centre) + 1e-300, unit, 1.0)  # all values are equal, up to rounding
    y, ss = np.where(known, (mean - centre) / unit, 0.0), squares / unit**2
    x = risk - (n * risk).sum(1, keepdims=True) / total

    theta = y
    df, s0 = np.full((n_studies, 1), 8.0), np.maximum(ss.sum(1, keepdims=True) / (n - known).sum(1, keepdims=True), _TINY)
    middle = np.tile(np.linspace(-0.5, 0.5, _PARTS)[:, None], (n_studies, 1, 1))
    between, weight = np.full(middle.shape, 0.3), np.full(middle.shape, 1 / _PARTS)
    slope, expected = np.zeros((n_studies, 1)), np.zeros(n.shape)
    objectives, spreads = (np.empty((n_draws, n_studies, n_configs), dtype=np.float32) for _ in range(2))
    for step in range(-_WARM_UP, n_draws):
        deviations = ss + n * (y - theta) ** 2
        df, s0 = _spread_step(df, s0, deviations, n, rng)
        within = np.maximum((df * s0 + deviations) / (2 * rng.standard_gamma((df + n) / 2)), _TINY)  # variance between seeds
        s0 = np.maximum(rng.standard_gamma(n_configs * df / 2) / (df / 2 * (1 / within).sum(1, keepdims=True)), _TINY)

        # which part each config belongs to; arrays over parts are [B, parts, C]
        error = within / np.maximum(n, 1)
        offset = y - slope * x
        residual = offset[:, None, :] - middle
        variance = error[:, None, :] + between
        fit = np.where(known[:, None, :], -0.5 * (np.log(variance) + residual**2 / variance), 0.0) + np.log(weight)
        p = np.exp(fit - fit.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        if step >= 0:  # the mean of the next draw of the objective, given the population: less noise than the draw
            kept = np.where(known[:, None, :], between / variance, 0.0)
            expected += slope * x + (p * (middle + kept * residual)).sum(1)
        part = (rng.random((n_studies, 1, n_configs)) > p.cumsum(1)[:, :-1]).sum(1, keepdims=True)
        member = part == np.arange(_PARTS)[:, None]

        # the parts: weights, variances, means; then the slope
        gamma = np.maximum(rng.standard_gamma(_SPARSE + member.sum(2, keepdims=True)), 1e-300)
        weight = np.maximum(gamma / gamma.sum(1, keepdims=True), 1e-300)
        member &= known[:, None, :]
        between = _between_step(between, variance, residual, member, rng)
        own = np.take_along_axis(between, part, 1)[:, 0]
        w = np.where(known, 1 / (error + own), 0.0)
        weights = w[:, None, :] * member
        precision = weights.sum(2, keepdims=True) + 1  # prior: a standard deviation of one unit
        middle = (weights @ offset[:, :, None]) / precision + rng.standard_normal(precision.shape) / np.sqrt(precision)
        base = np.take_along_axis(middle, part, 1)[:, 0]
        precision = (w * x**2).sum(1, keepdims=True) + 0.04  # prior: a standard deviation of five units from risk 0 to risk 1
        slope = (w * x * (y - base)).sum(1, keepdims=True) / precision + rng.standard_normal(slope.shape) / np.sqrt(precision)

        prior = base + slope * x
        theta = prior + w * own * (y - prior) + np.sqrt(own * (1 - w * own)) * rng.standard_normal(n.shape)
        if step >= 0:
            objectives[step], spreads[step] = theta, np.sqrt(within)
    return centre + unit * expected / n_draws, centre + unit * objectives, unit * spreads


def _spread_step(df: Floats, s0: Floats, deviations: Floats, n: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Metropolis step for the degrees of freedom and the scale of the variances, with the variances integrated out."""

    def log_likelihood(df: Floats, s0: Floats) -> Floats:
        each = gammaln((df + n) / 2) - gammaln(df / 2) - n / 2 * np.log(df * s0) - (df + n) / 2 * np.log1p(deviations / (df * s0))
        return np.asarray(each.sum(1, keepdims=True))

    size = 10 ** rng.uniform(-1, 0.3, df.shape)  # small and large steps, so that no tuning is needed
    df_new = df * np.exp(size * rng.standard_normal(df.shape))
    s0_new = s0 * np.exp(0.5 * size * rng.standard_normal(df.shape))
    inside = (df_new > _DF[0]) & (df_new < _DF[1]) & (s0_new > _TINY)
    accept = inside & (np.log(rng.random(df.shape)) < log_likelihood(df_new, s0_new) - log_likelihood(df, s0))
    return np.where(accept, df_new, df), np.where(accept, s0_new, s0)


def _between_step(between: Floats, variance: Floats, residual: Floats, member: Bools, rng: np.random.Generator) -> Floats:
    """Metropolis step for the variance of each part [B, parts, 1], with the objectives integrated out."""

    def log_prior(between: Floats) -> Floats:  # flat on the standard deviation up to about one unit; of log variance, hence the 1/2
        return np.asarray(np.log(between) / 2 - between / 2)

    new = np.maximum(between * np.exp(2 * 10 ** rng.uniform(-1, 0.3, between.shape) * rng.standard_normal(between.shape)), _TINY)
    new_variance = variance + (new - between)
    gain = np.where(member, np.log(new_variance / variance) + residual**2 * (1 / new_variance - 1 / variance), 0.0)
    accept = np.log(rng.random(between.shape)) < -0.5 * gain.sum(2, keepdims=True) + log_prior(new) - log_prior(between)
    return np.where(accept, new, between)
