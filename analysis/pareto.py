"""The Pareto front of several objectives, with the uncertainty of each config's place on it."""

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from analysis.beside import with_settings
from analysis.confirmed import confirmed
from analysis.estimate import UPPER_TAIL
from analysis.feasible import feasibility
from analysis.posterior import posterior
from analysis.ranked import as_ranked
from analysis.table import Bools, Floats, TrialTable, as_table
from ganstudy import UserError
from ganstudy.limits import Limit


def pareto(
    table: TrialTable, *metrics: str, limits: Sequence[Limit] = (), only: Collection[str] | None = None, seed: int = 0
) -> pd.DataFrame:
    """Return one row per config with values of all metrics, sorted by the probability of being on the Pareto front.

    A config is on the front if no other one is at least as good in all metrics. One that does not keep to the limits (`analysis.feasible`), or
    that is not among `only`, is not on it and keeps no other from it. Columns: config_id, on_front (by the estimates), p_front (the
    probability of being on it), with limits feasible and p_feasible, n (runs that did not fail and have a value), then for each metric NAME,
    NAME_low, NAME_high (95 %, shrunk as in `analysis.rank`), and p_fail; then the settings as in `analysis.rank` (one whose name is taken is
    `config.NAME`). All metrics are given that a run does not fail. Configs of one probability are in the order of the first metric.

    Trials count as in `analysis.rank`: after phase confirm, only those with fresh seeds. p_front is from draws of the posterior of each metric and
    limit; chance moves those of a config independently. Without two values of any config, p_front and the intervals are NaN. Raises UserError
    for an unknown metric, one without a direction, one metric, or one given twice.
    """
    if len(metrics) < 2 or len(set(metrics)) < len(metrics):
        raise UserError(f"a Pareto front needs two different metrics, or more; given {', '.join(map(str, metrics))}")
    return best_first(table, metrics, limits=limits, only=only, seed=seed)


def best_first(
    table: TrialTable, metrics: Sequence[str], *, limits: Sequence[Limit] = (), only: Collection[str] | None = None, seed: int = 0
) -> pd.DataFrame:
    """Return what `pareto` does, also for one metric: then `on_front` is the best config that keeps to the limits, and `p_front` its probability."""
    table = confirmed(as_table(table))
    tails = [1 - UPPER_TAIL, UPPER_TAIL]
    ranked = as_ranked(table, metrics)
    found = [posterior(ranked, metric, seed=seed + i) for i, metric in enumerate(metrics)]
    shared = [config for config in found[0].configs.index if all(each.configs["n"].get(config, 0) > 0 for each in found)]
    frame = found[0].configs.loc[shared, ["n"]]
    estimates: list[Floats] = []
    draws: list[Floats] = []
    for metric, each in zip(metrics, found, strict=True):
        rows = each.configs.index.get_indexer(pd.Index(shared))
        own = np.exp if each.scale == "log" else np.asarray
        centre = each.configs["objective"].to_numpy(dtype=np.float64)[rows]
        frame[metric] = own(centre)
        estimates.append(each.sign * centre)
        if each.objectives is None:
            frame[f"{metric}_low"] = frame[f"{metric}_high"] = np.nan
        else:
            frame[f"{metric}_low"], frame[f"{metric}_high"] = own(np.quantile(each.objectives[:, rows], tails, axis=0))
            draws.append(each.sign * each.objectives[:, rows])
    kept = feasibility(table, limits, by=metrics[0], seed=seed + len(metrics))
    at = kept.configs.index.get_indexer(pd.Index(shared))
    among = np.ones(len(shared), dtype=np.bool_) if only is None else np.isin(shared, list(only))
    frame["on_front"] = _front_of_some(np.stack(estimates, axis=-1)[None], (among & kept.configs["feasible"].to_numpy()[at])[None])[0]
    frame["p_front"] = np.nan
    if len(draws) == len(metrics) and (kept.draws is not None or not limits):
        n = min(map(len, [*draws, *([] if kept.draws is None else [kept.draws])]))  # fewer of a metric that more configs have
        some = np.tile(among, (n, 1)) if kept.draws is None else among & kept.draws[:n, at]
        frame["p_front"] = _front_of_some(np.stack([each[:n] for each in draws], axis=-1), some).mean(axis=0)
    if limits:
        frame[["feasible", "p_feasible"]] = kept.configs[["feasible", "p_feasible"]].iloc[at].to_numpy()
        frame["feasible"] = frame["feasible"].astype(bool)
    frame["p_fail"] = found[0].configs["risk"].loc[shared]
    of_metrics = [f"{metric}{end}" for metric in metrics for end in ("", "_low", "_high")]
    frame = frame[["on_front", "p_front", *(["feasible", "p_feasible"] if limits else []), "n", *of_metrics, "p_fail"]]
    frame = frame.assign(order=estimates[0]).sort_values(["p_front", "on_front", "order"], ascending=[False, False, True], kind="stable")
    result = with_settings(frame.drop(columns="order"), table)
    result.attrs |= {"metrics": list(metrics), "limits": kept.sentence}
    return result


def _front_of_some(points: Floats, some: Bools) -> Bools:
    """Return which of C points [D, C, K] are on the front of those of `some` [D, C]."""
    return front(np.where(some[..., None], points, np.inf)) & some


def front(points: Floats) -> Bools:
    """Return which of C points of K numbers [D, C, K] are on the front of their row; less is better in all. Equal points are on it together."""
    return _of_two(points[..., 0], points[..., 1]) if points.shape[-1] == 2 else np.stack([_of_any(row) for row in points])


def _of_two(x: Floats, y: Floats) -> Bools:
    """Return which points [D, C] are on the front: sorted by x, those with less y than all before."""
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


def _of_any(points: Floats) -> Bools:
    """Return which points [C, K] are on the front: the first in order is on it, and what it dominates is not; then the next of the rest."""
    on = np.zeros(len(points), dtype=np.bool_)
    left = np.lexsort(points.T[::-1])  # by the first number, then the second, …: none is dominated by a later one
    while len(left):
        first = points[left[0]]
        equal = (points[left] == first).all(axis=1)
        on[left[equal]] = True
        left = left[~(points[left] >= first).all(axis=1)]  # also drops the equal ones
    return on
