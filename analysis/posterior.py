"""What a study's trials say about its configs: counts, values, and draws from the posterior of `analysis.hierarchy`."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.hierarchy import draw_objectives, draw_risks
from analysis.table import Floats, Scale, TrialTable
from ganstudy import UserError

_DRAWS = 4000
_MAX_NUMBERS = 1_200_000  # draws × configs: bounds time and memory of large studies
_LEAST_DRAWS = 800
_CHAINS = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class Posterior:
    """C configs, and D draws of what new runs of them would do. The objective is on its working scale: logarithms where `scale` is "log".

    `configs` has the index config_id and the columns n_seeds (trials that are evidence), n_judged (those that are not censored), n (those that
    did not fail, completed their budget and have a value), n_failed, n_dead, mean (of the n values), objective (its shrunk estimate) and risk.
    A config with neither a value nor a failure is left out. Without two judged trials of any config, nothing tells the risk of one from that
    of another, and the risk of each is the study's share of failures.
    """

    by: str
    scale: Scale
    sign: float  # sign * objective: less is better
    configs: pd.DataFrame  # [C]
    objectives: Floats | None  # [D, C]; None if no config has two values: nothing tells noise from differences then
    spreads: Floats | None  # [D, C], standard deviation between seeds
    risks: Floats | None  # [D, C], the risk of failing; None if no config has two judged trials


def posterior(table: TrialTable, by: str, *, seed: int = 0) -> Posterior:
    """Return the posterior of all configs of a table. Raises UserError for a metric that is unknown, has no direction, or only failed trials have."""
    sign, scale = table.direction(by).sign, table.scale(by)
    if by == "onset_kimg":
        raise UserError("configs cannot be ranked by onset_kimg: only failed trials have one. `explain` takes it as an outcome")
    table = table.where(table.evidence)
    values = np.where(table.failed, np.nan, table.at_end(by))
    trials = pd.DataFrame({"config_id": table.config_id, "failed": table.failed, "dead": table.dead, "judged": ~table.censored})
    trials["value"] = np.log(values) if scale == "log" else values
    trials["square"] = (trials["value"] - trials.groupby("config_id")["value"].transform("mean")) ** 2
    configs = trials.groupby("config_id", sort=False).agg(
        n_seeds=("failed", "size"),
        n_judged=("judged", "sum"),
        n=("value", "count"),
        n_failed=("failed", "sum"),
        n_dead=("dead", "sum"),
        mean=("value", "mean"),
        squares=("square", "sum"),
    )
    configs = configs[(configs["n"] > 0) | (configs["n_failed"] > 0)]
    n_judged, n, n_failed = (configs[name].to_numpy(dtype=np.float64) for name in ("n_judged", "n", "n_failed"))
    n_draws = int(np.clip(_MAX_NUMBERS // max(len(configs), 1), _LEAST_DRAWS, _DRAWS)) // _CHAINS * _CHAINS
    rng = np.random.default_rng(seed)
    risk, risks = np.full(len(configs), n_failed.sum() / max(n_judged.sum(), 1)), None
    if (n_judged > 1).any():
        risk, risks = draw_risks(n_failed, n_judged, n_draws=n_draws, rng=rng)
    mean, squares = (configs[name].to_numpy(dtype=np.float64) for name in ("mean", "squares"))
    objective, objectives, spreads = mean, None, None
    if (n > 1).any():
        columns = (np.tile(column, (_CHAINS, 1)) for column in (n, mean, squares, risk))
        expected, objectives, spreads = draw_objectives(*columns, n_draws=n_draws // _CHAINS, rng=rng)
        objective = np.where(n > 0, expected.mean(0), np.nan)
        objectives, spreads = objectives.reshape(n_draws, -1), spreads.reshape(n_draws, -1)
    return Posterior(
        by=by,
        scale=scale,
        sign=sign,
        configs=configs.drop(columns="squares").assign(objective=objective, risk=risk),
        objectives=objectives,
        spreads=spreads,
        risks=risks,
    )
