"""The expected best objective at a budget: what a search over the same space would have found with k configs."""

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats
from scipy.special import gammaln

from analysis.estimate import UPPER_TAIL
from analysis.ranked import as_ranked
from analysis.table import Floats, TrialTable, as_table
from ganstudy import UserError

_CHOICES = 50  # random choices of one seed per config that are averaged
_BUDGETS = 40  # at most so many points of the curve


def expected_best(table: TrialTable, by: str = "fd", *, seed: int = 0) -> pd.DataFrame:
    """Return the objective of the best of k configs with one run each, for budgets of 1 to a third of the study's configs. Index: configs (k).

    Columns, on the metric's own scale:

    * expected: the mean over all sets of k configs in which a run did not fail (geometric on the log scale); low, high: its 95 % interval,
      from the jackknife over configs and Student's t with n / k − 1 degrees of freedom, because n configs hold n / k separate sets of k;
    * likely_low, likely_high: nine of ten such searches end between these; infinite if more than one in twenty finds no run that did not fail;
    * p_none: the probability that all k runs fail.

    Failed runs are last. The sets hold k different configs: with replacement the best would look too bad (Tang et al. 2020 on Dodge et al.
    2019). Of a config with several seeds, one is chosen at random (Kurach et al. 2019); 50 choices are averaged. Configs must come from one
    random design, so only trials of phase explore count: a search that learns from earlier results gets better as it goes. Beyond a third of
    the configs, the sets overlap so much that the interval would mean little. Raises UserError for an unknown metric, without a randomised
    design, and with fewer than three configs.
    """
    direction = as_table(table).direction(by)
    table = as_ranked(table.where(table.evidence), (by,))
    if len(table) and not (table.phase == "explore").any():
        raise UserError("an expected best needs configs that were chosen at random; these were chosen by a search or are only observed")
    table = table.where(table.phase == "explore")
    values, scale = table.at_end(by), table.scale(by)
    values = np.where(table.failed, np.inf, direction.sign * (np.log(values) if scale == "log" else values))
    usable = ~np.isnan(values)
    values, of = values[usable], np.unique(table.config_id[usable], return_inverse=True)[1]
    n = len(set(of))
    if n < 3:
        raise UserError(f"an expected best needs at least three configs with finished trials; there are {n}")
    values = values[np.argsort(of, kind="stable")]
    first, size = np.unique(np.sort(of), return_index=True, return_counts=True)[1:]
    rng = np.random.default_rng(seed)
    budgets = np.unique(np.geomspace(1, max(n // 3, 1), _BUDGETS).round().astype(np.int64))

    chosen = np.array([values[first + (rng.random(n) * size).astype(np.int64)] for _ in range(_CHOICES if (size > 1).any() else 1)])
    expected, error = _mean_and_error(chosen, budgets)
    half = stats.t.ppf(UPPER_TAIL, n / budgets - 1) * error
    weights = best_weights(n, budgets)
    likely = _quantiles(np.sort(chosen, axis=1), weights, (0.05, 0.95))
    ends = [np.array([expected - half, expected + half]), likely]
    frame = pd.DataFrame({"expected": direction.sign * expected}, index=pd.Index(budgets, name="configs"))
    for name, pair in zip(("", "likely_"), ends, strict=True):
        frame[f"{name}low"], frame[f"{name}high"] = np.sort(direction.sign * pair, axis=0)
    frame = frame.map(np.exp) if scale == "log" else frame
    frame["p_none"] = np.mean([weights @ np.isinf(np.sort(row)) for row in chosen], axis=0)
    frame.attrs = {"by": by, "direction": direction.value, "scale": scale}
    return frame


def best_weights(n: int, budgets: npt.NDArray[np.int64]) -> Floats:
    """Return [budgets, n]: the probability that the best of k out of n values, drawn without replacement, is the i-th best of all."""
    i, k = np.arange(1, n + 1), budgets[:, None]

    def log_choose(total: npt.NDArray[np.int64] | int, part: npt.NDArray[np.int64]) -> Floats:
        return np.asarray(gammaln(np.add(total, 1.0)) - gammaln(part + 1.0) - gammaln(np.maximum(total - part, 0) + 1.0))

    return np.where(n - i >= k - 1, np.exp(log_choose(n - i, k - 1) - log_choose(n, k)), 0.0)


def _mean_and_error(chosen: Floats, budgets: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
    """[M, n] values of n configs -> [budgets], [budgets]: the mean of the best, given that it is finite, and its jackknife standard error."""
    n = chosen.shape[1]
    all_, without_one = best_weights(n, budgets), best_weights(n - 1, budgets)
    edge = np.zeros((len(budgets), 1))
    # sums and their weights over all rows, which are divided at the end: a row in which all runs failed has no mean of its own
    means, left_out = np.zeros((2, len(budgets))), np.zeros((2, len(budgets), n))
    for row in chosen:
        order = np.argsort(row)
        finite = np.isfinite(row[order])
        for i, column in enumerate((np.where(finite, row[order], 0.0), finite.astype(np.float64))):
            means[i] += all_ @ column
            before = np.hstack([edge, np.cumsum(without_one * column[:-1], axis=1)])  # ranks below the one left out stay
            after = np.hstack([np.cumsum((without_one * column[1:])[:, ::-1], axis=1)[:, ::-1], edge])  # those above move up by one
            left_out[i][:, order] += before + after
    with np.errstate(invalid="ignore", divide="ignore"):
        mean, without = means[0] / means[1], left_out[0] / left_out[1]
    spread = ((without - without.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    return mean, np.sqrt((n - 1) / n * spread)


def _quantiles(ordered: Floats, weights: Floats, shares: tuple[float, float]) -> Floats:
    """[M, n] values, best first -> [2, budgets]: quantiles of the best over the M equally likely rows."""
    order = np.argsort(ordered, axis=None)
    sorted_values, column = ordered.ravel()[order], order % ordered.shape[1]
    below = np.cumsum(weights[:, column], axis=1) / len(ordered)
    return np.array([[sorted_values[min(int(np.searchsorted(row, share)), len(row) - 1)] for row in below] for share in shares])
