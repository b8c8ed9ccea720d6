"""Which configs keep to the constraints of a study, by what its trials say about new runs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from analysis.confirmed import confirmed
from analysis.posterior import posterior
from analysis.ranked import as_ranked
from analysis.table import Bools, TrialTable, as_table
from analysis.words import listed, plural
from ganstudy import UserError
from ganstudy.direction import Direction
from ganstudy.limits import FAILED, Limit


@dataclass(frozen=True, kw_only=True, eq=False)
class Feasibility:
    """The configs of a table, and whether each keeps to some limits.

    `configs` has the index config_id and the columns feasible (by the estimates), p_feasible (the probability that new runs keep to all limits;
    NaN if a limit's is unknown), and for each limit the estimate, under the limit's text.
    """

    limits: Sequence[Limit]
    configs: pd.DataFrame  # [C]
    draws: Bools | None  # [D, C]; None if a posterior is unknown

    @property
    def kept(self) -> pd.Index:
        """The configs that keep to all limits."""
        return self.configs.index[self.configs["feasible"]]

    @property
    def sentence(self) -> str:
        """How many configs are left out and by which limits, as a clause; "" if there are no limits."""
        if not self.limits:
            return ""
        out = len(self.configs) - len(self.kept)
        by = [(str(limit), sum(not limit.holds(value) for value in self.configs[str(limit)])) for limit in self.limits]
        reasons = listed([f"{text} ({count})" for text, count in by if count])
        total = plural(len(self.configs), "config")
        return (
            f"{out} of {total} {'is' if out == 1 else 'are'} left out, by {reasons}" if out else f"all of {total} keep to the constraints"
        )


def feasibility(table: TrialTable, limits: Sequence[Limit], *, by: str = "fd", seed: int = 0) -> Feasibility:
    """Return which configs with trials that are evidence keep to limits, by the estimates of `analysis.posterior`.

    The estimate of a metric or signal is the expected mean of runs that do not fail, and that of `failed` the risk of failing; without two judged
    trials of any config, the share of its trials that failed. A config without an estimate does not keep to the limit, since nothing shows
    that it does. Trials count as in `analysis.rank`. by: the metric whose posterior holds the risk. Chance moves the values and the risk of a config independently.
    Raises UserError for anything but limits, and for anything but a TrialTable.
    """
    table = confirmed(as_table(table))
    if not all(isinstance(limit, Limit) for limit in limits):
        raise UserError(f"limits must be those of ganstudy.limits.limits_of, such as limits_of({{'coverage': '>= 0.5'}}); given {limits!r}")
    configs = pd.DataFrame(index=pd.Index(pd.unique(table.config_id[table.evidence]), name="config_id"))
    ok = np.ones(len(configs), dtype=np.bool_)
    draws: list[Bools | None] = []
    for i, limit in enumerate(limits):
        estimate, drawn = _estimates(table, limit, by=by, seed=seed + i)
        values = estimate.reindex(configs.index)
        configs[str(limit)] = values
        ok &= np.array([limit.holds(value) for value in values], dtype=np.bool_)
        draws.append(None if drawn is None else (drawn.reindex(columns=configs.index) - limit.bound).to_numpy() * limit.sign <= 0)
    known = [each for each in draws if each is not None]
    n = min(map(len, known), default=0)  # fewer of a metric that more configs have
    kept = np.logical_and.reduce([each[:n] for each in known]) if limits and len(known) == len(limits) else None
    configs.insert(0, "feasible", ok)
    configs.insert(1, "p_feasible", 1.0 if not limits else np.nan if kept is None else kept.mean(axis=0))
    return Feasibility(limits=limits, configs=configs, draws=kept)


def _estimates(table: TrialTable, limit: Limit, *, by: str, seed: int) -> tuple[pd.Series, pd.DataFrame | None]:
    """Return the estimate of each config on the limit's own scale, and draws of it [D, C]; None if they are unknown."""
    if limit.name == FAILED:
        found = posterior(replace(table, own_failures=table.failed), by, seed=seed)  # all failures, since the limit is on them
        if found.risks is None:  # one trial of each config does not tell their risks apart
            return found.configs["n_failed"] / found.configs["n_judged"].where(found.configs["n_judged"] > 0), None
        return found.configs["risk"], pd.DataFrame(found.risks, columns=found.configs.index)
    if limit.name not in table.final or not np.isfinite(table.at_end(limit.name)[table.evidence]).any():
        return pd.Series(dtype=np.float64), None
    direction = Direction.MINIMIZE if limit.sign > 0 else Direction.MAXIMIZE  # better is further inside the limit
    ranked = as_ranked(table, (by,))
    found = posterior(replace(ranked, directions={**table.directions, limit.name: direction}), limit.name, seed=seed)
    own = np.exp if found.scale == "log" else np.asarray
    estimate = pd.Series(own(found.configs["objective"].to_numpy(dtype=np.float64)), found.configs.index)
    draws = None if found.objectives is None else own(found.objectives).astype(np.float64)
    if draws is not None:
        draws[:, estimate.isna().to_numpy()] = np.nan  # of configs without a value: nothing shows what they keep to
    return estimate, None if draws is None else pd.DataFrame(draws, columns=found.configs.index)
