"""The Pareto front of two objectives, with the uncertainty of each config's place on it."""

import numpy as np
import pandas as pd

from analysis.beside import with_settings
from analysis.estimate import UPPER_TAIL
from analysis.posterior import posterior
from analysis.table import Bools, Floats, TrialTable
from ganstudy import UserError


def pareto(table: TrialTable, x: str, y: str, *, seed: int = 0) -> pd.DataFrame:
    """Return one row per config with values of both metrics, sorted by the probability of being on the Pareto front.

    A config is on the front if no other one is at least as good in both metrics. Columns: config_id, on_front (by the estimates), p_front (the
    probability of being on it), n (runs that did not fail and have a value), then for each metric NAME, NAME_low, NAME_high (95 %, shrunk
    as in `analysis.rank`), and p_fail; then the scientific settings (one whose name is taken is `config.NAME`). Both metrics are given that a run does not fail.

    p_front is from draws of the posterior of each metric; chance moves the two metrics of a config independently. Without two values of any
    config, p_front and the intervals are NaN. Raises UserError for an unknown metric, one without a direction, or x equal to y.
    """
    if x == y:
        raise UserError(f"a Pareto front needs two different metrics; given {x!r} twice")
    tails = [1 - UPPER_TAIL, UPPER_TAIL]
    found = [posterior(table, metric, seed=seed + i) for i, metric in enumerate((x, y))]
    shared = [config for config in found[0].configs.index[found[0].configs["n"] > 0] if (found[1].configs["n"].get(config, 0)) > 0]
    at = [each.configs.index.get_indexer(pd.Index(shared)) for each in found]
    frame = found[0].configs.loc[shared, ["n"]]
    estimates: list[Floats] = []
    draws: list[Floats] = []
    for metric, each, rows in zip((x, y), found, at, strict=True):
        own = np.exp if each.scale == "log" else np.asarray
        centre = each.configs["objective"].to_numpy(dtype=np.float64)[rows]
        frame[metric] = own(centre)
        estimates.append(each.sign * centre)
        if each.objectives is None:
            frame[f"{metric}_low"] = frame[f"{metric}_high"] = np.nan
        else:
            frame[f"{metric}_low"], frame[f"{metric}_high"] = own(np.quantile(each.objectives[:, rows], tails, axis=0))
            draws.append(each.sign * each.objectives[:, rows])
    frame["on_front"] = front(estimates[0][None], estimates[1][None])[0]
    frame["p_front"] = front(*draws).mean(axis=0) if len(draws) == 2 else np.nan
    frame["p_fail"] = found[0].configs["risk"].loc[shared]
    metrics = [f"{metric}{end}" for metric in (x, y) for end in ("", "_low", "_high")]
    frame = frame[["on_front", "p_front", "n", *metrics, "p_fail"]].sort_values(["p_front", "on_front"], ascending=False, kind="stable")
    result = with_settings(frame, table)
    result.attrs |= {"x": x, "y": y}
    return result


def front(x: Floats, y: Floats) -> Bools:
    """Return which of C points [D, C] are on the front of their row; less is better in both. Equal points are on it together."""
    order = np.lexsort((y, x), axis=1)
    sorted_x, sorted_y = np.take_along_axis(x, order, 1), np.take_along_axis(y, order, 1)
    best = np.minimum.accumulate(sorted_y, axis=1)
    before = np.hstack([np.full((len(x), 1), np.inf), best[:, :-1]])  # the least y of points with x at most as large
    same = np.hstack([np.zeros((len(x), 1), dtype=bool), (sorted_x[:, 1:] == sorted_x[:, :-1]) & (sorted_y[:, 1:] == sorted_y[:, :-1])])
    on = sorted_y < before
    for column in range(1, x.shape[1]):  # a point equal to the one before it has its answer
        on[:, column] = np.where(same[:, column], on[:, column - 1], on[:, column])
    result = np.empty(x.shape, dtype=bool)
    np.put_along_axis(result, order, on, axis=1)
    return result
