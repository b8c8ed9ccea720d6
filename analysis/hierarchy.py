"""Hierarchical model of configs: the objective of runs that do not fail. The risk of failing has its own, `analysis.risks`.

Configs come from one population, and the study itself tells the population's mean and spread. So a config that did very well in few trials
is expected to do less well in new ones (Efron, "Large-Scale Inference", 2010, chapter 1). The functions of both return draws from the posterior.
Parameters of the population are drawn as well, so their uncertainty is part of every interval.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import islice

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from analysis.table import Bools, Floats

Ints = npt.NDArray[np.int64]

_WARM_UP = 150  # steps of each chain that are thrown away
_SETTLE = 10  # steps of a config in a population that is known; without one, a config and its spread settle in a few
_PARTS = 3  # normal parts of the population: enough for a long tail on either side
_SPARSE = 0.1  # Dirichlet parameter: below 1, parts that the data do not ask for stay empty (Rousseau & Mengersen 2011)
_DF = 3.0, 200.0  # spreads between seeds may differ between configs by a factor of ten, or not at all
_TINY = 1e-8  # least variance, in units of the total variance


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
    data = _Values.standardised(n, mean, squares, risk)
    expected = np.zeros(n.shape)
    objectives, spreads = (np.empty((n_draws, *n.shape), dtype=np.float32) for _ in range(2))
    for i, (step, _) in enumerate(islice(_steps(data, rng), _WARM_UP, _WARM_UP + n_draws)):
        expected += step.expected
        objectives[i], spreads[i] = step.theta, np.sqrt(step.within)
    return data.own(expected / n_draws), data.own(objectives), data.unit * spreads


@dataclass(frozen=True, kw_only=True, eq=False)
class Population:
    """D draws of the distribution that the configs of a study come from, in units of the values `given`."""

    given: "_Values"
    draws: Sequence["_Drawn"]  # [D]

    @classmethod
    def of(cls, n: Floats, mean: Floats, squares: Floats, risk: Floats, *, n_draws: int, rng: np.random.Generator) -> "Population":
        """Learn the population from some configs: `draw_objectives` describes the model and the arguments. Each of the B chains gives n_draws."""
        data = _Values.standardised(n, mean, squares, risk)
        found = [drawn for _, drawn in islice(_steps(data, rng), _WARM_UP, _WARM_UP + n_draws)]
        return cls(given=data.chain(0), draws=[drawn.chain(i) for i in range(len(n)) for drawn in found])

    def objectives(
        self, n: Floats, mean: Floats, squares: Floats, risk: Floats, *, n_draws: int, rng: np.random.Generator
    ) -> tuple[Floats, Floats, Floats]:
        """Return what `draw_objectives` does for any configs [C] of this population: [C], [n_draws, C] and [n_draws, C].

        The draws of the population take turns: each counts for n_draws / D draws of the configs.
        """
        data = self.given.others(n[None], mean[None], squares[None], risk[None])
        draws = [self.draws[i * len(self.draws) // n_draws] for i in range(n_draws)]
        theta, expected = data.y, np.zeros(data.y.shape)
        objectives, spreads = (np.empty((len(draws), len(n)), dtype=np.float32) for _ in range(2))
        for i, drawn in enumerate([*[draws[0]] * _SETTLE, *draws], start=-_SETTLE):
            within = _within(data, theta, drawn, rng)
            members = _members(data, within, drawn)
            part = members.draw(rng)
            own, base = (np.take_along_axis(each, part, 1)[:, 0] for each in (drawn.between, drawn.middle))
            theta = _theta(data, members.error, own, base + drawn.slope * data.x, rng)
            if i >= 0:
                expected += members.expected
                objectives[i], spreads[i] = theta[0], np.sqrt(within[0])
        unit = data.unit[0]
        return data.own(expected / len(draws))[0], data.centre[0] + unit * objectives, unit * spreads


@dataclass(frozen=True, eq=False)
class _Values:
    """The values of configs [B, C] on a scale on which all values together have mean 0 and standard deviation 1."""

    n: Floats
    known: Bools  # whether a config has values
    y: Floats  # their mean; 0 without values
    ss: Floats  # the sum of their squared deviations from it
    x: Floats  # the risk, less its mean over values
    centre: Floats  # [B, 1]: the mean of all values
    unit: Floats  # [B, 1]: their standard deviation
    middle: Floats  # [B, 1]: the mean of the risk over values

    @classmethod
    def standardised(cls, n: Floats, mean: Floats, squares: Floats, risk: Floats) -> "_Values":
        known = n > 0
        total = n.sum(1, keepdims=True)
        centre = (n * np.where(known, mean, 0)).sum(1, keepdims=True) / total
        unit = np.sqrt((squares + n * np.where(known, mean - centre, 0) ** 2).sum(1, keepdims=True) / total)
        unit = np.where(unit > 1e-12 * np.abs(centre) + 1e-300, unit, 1.0)  # all values are equal, up to rounding
        return cls._on(n, mean, squares, risk, centre, unit, (n * risk).sum(1, keepdims=True) / total)

    @classmethod
    def _on(cls, n: Floats, mean: Floats, squares: Floats, risk: Floats, centre: Floats, unit: Floats, middle: Floats) -> "_Values":
        known = n > 0
        return cls(n, known, np.where(known, (mean - centre) / unit, 0.0), squares / unit**2, risk - middle, centre, unit, middle)

    def others(self, n: Floats, mean: Floats, squares: Floats, risk: Floats) -> "_Values":
        """Return the values of other configs on the scale of these."""
        return self._on(n, mean, squares, risk, self.centre, self.unit, self.middle)

    @cached_property
    def counts(self) -> Floats:
        """The numbers of values that configs have, each once."""
        return np.unique(self.n)

    @cached_property
    def of(self) -> Ints:
        """[B, C]: where `counts` has the number of each config."""
        return np.searchsorted(self.counts, self.n)

    def chain(self, i: int) -> "_Values":
        return _Values(**{each.name: getattr(self, each.name)[i : i + 1] for each in fields(self)})

    def own(self, values: Floats) -> Floats:
        """Return values on the scale of the metric."""
        return self.centre + self.unit * values


@dataclass(frozen=True, eq=False)
class _Drawn:
    """A draw of the population, for each of B studies or chains."""

    df: Floats  # [B, 1]: of the variances between seeds
    s0: Floats  # [B, 1]: their scale
    middle: Floats  # [B, parts, 1]: means of the parts
    between: Floats  # [B, parts, 1]: their variances
    weight: Floats  # [B, parts, 1]
    slope: Floats  # [B, 1]: of the mean over the risk

    def chain(self, i: int) -> "_Drawn":
        return _Drawn(**{each.name: getattr(self, each.name)[i : i + 1] for each in fields(self)})


@dataclass(frozen=True, eq=False)
class _Step:
    """What a step says about the configs [B, C]."""

    theta: Floats  # their objectives
    within: Floats  # variances between their seeds
    expected: Floats  # the mean of the next draw of the objective, given the population: less noise than the draw


@dataclass(frozen=True, eq=False)
class _Members:
    """Which part of the population each config belongs to. Arrays over parts are [B, parts, C]."""

    p: Floats
    error: Floats  # [B, C]: variance of a config's mean
    variance: Floats  # of a config's mean, in each part
    residual: Floats
    expected: Floats  # [B, C]: as in _Step

    def draw(self, rng: np.random.Generator) -> Ints:
        """Return the part [B, 1, C] of each config."""
        shape = self.p.shape[0], 1, self.p.shape[2]
        return np.asarray((rng.random((shape[0], shape[2]))[:, None] > self.p[:, :-1].cumsum(1)).sum(1, keepdims=True))


def _steps(data: _Values, rng: np.random.Generator) -> Iterator[tuple[_Step, _Drawn]]:
    """Yield the steps of the chains without end."""
    n_studies, n_configs = data.n.shape
    n, known, y, ss, x = data.n, data.known, data.y, data.ss, data.x
    theta = y
    df, s0 = np.full((n_studies, 1), 8.0), np.maximum(ss.sum(1, keepdims=True) / (n - known).sum(1, keepdims=True), _TINY)
    middle = np.tile(np.linspace(-0.5, 0.5, _PARTS)[:, None], (n_studies, 1, 1))
    between, weight = np.full(middle.shape, 0.3), np.full(middle.shape, 1 / _PARTS)
    slope = np.zeros((n_studies, 1))
    while True:
        df, s0 = _spread_step(df, s0, ss + n * (y - theta) ** 2, data, rng)
        within = _within(data, theta, _Drawn(df, s0, middle, between, weight, slope), rng)
        s0 = np.maximum(rng.standard_gamma(n_configs * df / 2) / (df / 2 * (1 / within).sum(1, keepdims=True)), _TINY)
        members = _members(data, within, _Drawn(df, s0, middle, between, weight, slope))
        part = members.draw(rng)
        member = part == np.arange(_PARTS)[:, None]

        # the parts: weights, variances, means; then the slope
        gamma = np.maximum(rng.standard_gamma(_SPARSE + member.sum(2, keepdims=True)), 1e-300)
        weight = np.maximum(gamma / gamma.sum(1, keepdims=True), 1e-300)
        member &= known[:, None, :]
        between = _between_step(between, members.variance, members.residual, member, rng)
        own = np.take_along_axis(between, part, 1)[:, 0]
        w = np.where(known, 1 / (members.error + own), 0.0)
        weights = w[:, None, :] * member
        precision = weights.sum(2, keepdims=True) + 1  # prior: a standard deviation of one unit
        offset = y - slope * x
        middle = (weights @ offset[:, :, None]) / precision + rng.standard_normal(precision.shape) / np.sqrt(precision)
        base = np.take_along_axis(middle, part, 1)[:, 0]
        precision = (w * x**2).sum(1, keepdims=True) + 0.04  # prior: a standard deviation of five units from risk 0 to risk 1
        slope = (w * x * (y - base)).sum(1, keepdims=True) / precision + rng.standard_normal(slope.shape) / np.sqrt(precision)
        theta = _theta(data, members.error, own, base + slope * x, rng)
        yield _Step(theta, within, members.expected), _Drawn(df, s0, middle, between, weight, slope)


def _within(data: _Values, theta: Floats, given: _Drawn, rng: np.random.Generator) -> Floats:
    """Draw the variance [B, C] between the seeds of each config."""
    deviations = data.ss + data.n * (data.y - theta) ** 2
    return np.maximum((given.df * given.s0 + deviations) / (2 * rng.standard_gamma((given.df + data.n) / 2)), _TINY)


def _members(data: _Values, within: Floats, given: _Drawn) -> _Members:
    """Return the probabilities of the parts of each config, with its objective integrated out."""
    known, prior = data.known[:, None, :], given.slope * data.x
    error = within / np.maximum(data.n, 1)
    residual = (data.y - prior)[:, None, :] - given.middle
    variance = error[:, None, :] + given.between
    fit = np.where(known, -0.5 * (np.log(variance) + residual**2 / variance), 0.0) + np.log(given.weight)
    p = np.exp(fit - fit.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    kept = np.where(known, given.between / variance, 0.0)
    return _Members(p, error, variance, residual, prior + (p * (given.middle + kept * residual)).sum(1))


def _theta(data: _Values, error: Floats, own: Floats, prior: Floats, rng: np.random.Generator) -> Floats:
    """Draw the objective [B, C] of each config: `own` is the variance of its part of the population, `prior` the mean there."""
    w = np.where(data.known, 1 / (error + own), 0.0)
    return np.asarray(prior + w * own * (data.y - prior) + np.sqrt(own * (1 - w * own)) * rng.standard_normal(data.n.shape))


def _spread_step(df: Floats, s0: Floats, deviations: Floats, data: _Values, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Metropolis step for the degrees of freedom and the scale of the variances, with the variances integrated out."""
    n = data.n

    def log_likelihood(df: Floats, s0: Floats) -> Floats:
        gammas = np.take_along_axis(gammaln((df + data.counts) / 2), data.of, 1)  # configs have the same few counts
        each = gammas - gammaln(df / 2) - n / 2 * np.log(df * s0) - (df + n) / 2 * np.log1p(deviations / (df * s0))
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
