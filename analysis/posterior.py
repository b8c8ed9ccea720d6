"""What a study's trials say about its configs: counts, values, and draws from the posterior of `analysis.hierarchy` and `analysis.risks`."""

from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from analysis.confirmed import CONFIRM
from analysis.hierarchy import Ints, Population, draw_objectives
from analysis.outcomes import POOR_FIT
from analysis.paired import paired
from analysis.ranked import as_ranked
from analysis.risks import draw_risks
from analysis.table import Floats, Scale, TrialTable
from ganstudy import UserError

_DRAWS = 4000
_MAX_NUMBERS = 1_200_000  # draws × configs: bounds time and memory of large studies
_LEAST_DRAWS = 800
_CHAINS = 8
LARGE = _MAX_NUMBERS // _LEAST_DRAWS  # configs; of more than these, the population is learned from a random sample
_LARGE_DRAWS, _LARGE_CHAINS = 200, 4  # of all configs of a large study, and of its population, which so many configs tell well
_SAMPLE, _TOLD = (
    1000,
    200,
)  # least size of the sample, and least number of configs in it that have two values, which tell noise from differences

_COLUMNS = ["n_judged", "n", "n_failed", "mean", "squares"]  # what the draws of a study follow from


@dataclass(frozen=True, kw_only=True, eq=False)
class Draws:
    """D draws of what new runs of C configs would do, on the objective's working scale."""

    objectives: Floats | None  # [D, C]; None if no config has two values: nothing tells noise from differences then
    spreads: Floats | None  # [D, C], standard deviation between seeds
    risks: Floats | None  # [D, C], the risk of failing; None if no config has two judged trials


@dataclass(frozen=True, kw_only=True, eq=False)
class Posterior(Draws):
    """C configs, and D draws of what new runs of them would do. The objective is on its working scale: logarithms where `scale` is "log".

    `configs` has the index config_id and the columns n_seeds (trials that are evidence), n_judged (those that are not censored), n (those that
    did not fail, completed their budget and have a value), n_failed, n_dead, n_poor_fit (those of n with a poor fit), mean (of the n values), objective (its shrunk estimate) and risk.
    A config with neither a value nor a failure is left out. Without two judged trials of any config, nothing tells the risk of one from that
    of another, and the risk of each is the study's share of failures.

    A study of more than LARGE configs has 200 draws of each; `finer` returns 800 of some.
    """

    by: str
    scale: Scale
    sign: float  # sign * objective: less is better
    configs: pd.DataFrame  # [C]
    population: Population | None = None  # of a large study with draws
    rng: np.random.Generator

    def finer(self, rows: Ints) -> Draws:
        """Return 800 draws of some configs of a large study with draws, given the same population."""
        assert self.population
        n_judged, n_failed = (self.configs[name].to_numpy(dtype=np.float64) for name in ("n_judged", "n_failed"))
        _, risks = draw_risks(n_failed, n_judged, n_draws=_LEAST_DRAWS, rng=self.rng, rows=rows)
        columns = (self.configs[name].to_numpy(dtype=np.float64)[rows] for name in ("n", "mean", "squares", "risk"))
        _, objectives, spreads = self.population.objectives(*columns, n_draws=_LEAST_DRAWS, rng=self.rng)
        return Draws(objectives=objectives, spreads=spreads, risks=risks)


def posterior(table: TrialTable, by: str, *, seed: int = 0) -> Posterior:
    """Return the posterior of all configs of a table. In a table of phase confirm, effects of seeds that all configs share are told apart (`analysis.paired`).

    Raises UserError for a metric that is unknown, has no direction, or only failed trials have."""
    sign, scale = table.direction(by).sign, table.scale(by)
    table = as_ranked(table, (by,))
    same = paired(table, by) if len(table) and (table.phase == CONFIRM).all() else None  # its configs have the same seeds
    table = same.table if same else table
    if by == "onset_kimg":
        raise UserError("configs cannot be ranked by onset_kimg: only failed trials have one. `explain` takes it as an outcome")
    configs = _counted(table, by, scale)
    drawn = _drawn(np.ascontiguousarray(configs[_COLUMNS].to_numpy(dtype=np.float64)).tobytes(), seed)
    objectives, spreads, rng = drawn.objectives, drawn.spreads, deepcopy(drawn.rng)
    if same and same.variance and objectives is not None and spreads is not None:
        # other seeds would have done something else to all configs alike
        objectives = objectives + np.sqrt(same.variance / same.seeds) * rng.standard_t(same.seeds - 1, size=(len(objectives), 1))
        spreads = np.sqrt(spreads**2 + same.variance)
    return Posterior(
        by=by,
        scale=scale,
        sign=sign,
        configs=configs.assign(objective=drawn.objective, risk=drawn.risk),
        objectives=objectives,
        spreads=spreads,
        risks=drawn.risks,
        population=drawn.population,
        rng=rng,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Drawn(Draws):
    """What is drawn for the counts and values of C configs."""

    objective: Floats  # [C]
    risk: Floats  # [C]
    population: Population | None
    rng: np.random.Generator  # after the draws; not to be used, but copied


@lru_cache(maxsize=4)  # a report and a ranking ask for the same draws several times, which take seconds in a large study
def _drawn(columns: bytes, seed: int) -> _Drawn:
    """Return the draws for configs. columns: the bytes of their _COLUMNS, [C, 5]."""
    n_judged, n, n_failed, mean, squares = np.frombuffer(columns).reshape(-1, len(_COLUMNS)).T.copy()
    large = len(n) > LARGE
    n_draws = _LARGE_DRAWS if large else min(_MAX_NUMBERS // max(len(n), 1), _DRAWS) // _CHAINS * _CHAINS
    rng = np.random.default_rng(seed)
    risk, risks = np.full(len(n), n_failed.sum() / max(n_judged.sum(), 1)), None
    if (n_judged > 1).any():
        risk, risks = draw_risks(n_failed, n_judged, n_draws=n_draws, rng=rng)
    objective, objectives, spreads, population = mean, None, None, None
    if (n > 1).any():
        given = n, mean, squares, risk
        if large:
            sample = _sample(n, rng)
            chains = (np.tile(column[sample], (_LARGE_CHAINS, 1)) for column in given)
            population = Population.of(*chains, n_draws=n_draws // _LARGE_CHAINS, rng=rng)
            expected, objectives, spreads = population.objectives(*given, n_draws=n_draws, rng=rng)
        else:
            chains = (np.tile(column, (_CHAINS, 1)) for column in given)
            of_chains, objectives, spreads = draw_objectives(*chains, n_draws=n_draws // _CHAINS, rng=rng)
            expected = of_chains.mean(0)
            objectives, spreads = objectives.reshape(n_draws, -1), spreads.reshape(n_draws, -1)
        objective = np.where(n > 0, expected, np.nan)
    for shared in (risk, risks, objective, objectives, spreads):
        if shared is not None:
            shared.flags.writeable = False
    return _Drawn(objective=objective, risk=risk, objectives=objectives, spreads=spreads, risks=risks, population=population, rng=rng)


def _counted(table: TrialTable, by: str, scale: Scale) -> pd.DataFrame:
    """Return counts and values of the configs: the columns of `Posterior.configs`, and squares, the sum of squared deviations from the mean."""
    table = table.where(table.evidence)
    values = np.where(table.failed, np.nan, table.at_end(by))
    trials = pd.DataFrame({"config_id": table.config_id, "failed": table.failed, "dead": table.dead, "judged": ~table.censored})
    trials["value"] = np.log(values) if scale == "log" else values
    trials["poor_fit"] = np.isfinite(values) & (table.outcome == POOR_FIT)
    trials["square"] = (trials["value"] - trials.groupby("config_id")["value"].transform("mean")) ** 2
    configs = trials.groupby("config_id", sort=False).agg(
        n_seeds=("failed", "size"),
        n_judged=("judged", "sum"),
        n=("value", "count"),
        n_failed=("failed", "sum"),
        n_dead=("dead", "sum"),
        n_poor_fit=("poor_fit", "sum"),
        mean=("value", "mean"),
        squares=("square", "sum"),
    )
    return configs[(configs["n"] > 0) | (configs["n_failed"] > 0)]


def _sample(n: Floats, rng: np.random.Generator) -> Ints:
    """Return configs drawn at random, by their number of values n [C]: as many as the population needs, or all."""
    order = rng.permutation(len(n))
    told = np.cumsum(n[order] > 1)
    return order[: max(_SAMPLE, int(np.searchsorted(told, _TOLD)) + 1)]
