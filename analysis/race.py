"""A race between configs: seeds are added round by round, and a config leaves when it can hardly be the best any more.

The first of many configs in a ranking looks better than it is. So the best configs of a search are trained again with fresh seeds, and only these
count. Racing spends them where they decide (Maron & Moore 1993; Birattari et al. 2002), with the posterior of `analysis.rank` in place of a test.
"""

from collections.abc import Sequence

import pandas as pd

from analysis.pareto import best_first
from analysis.rank import rank
from analysis.table import TrialTable
from ganstudy.limits import Limit


def contenders(table: TrialTable, by: Sequence[str], top: int, *, limits: Sequence[Limit] = ()) -> list[str]:
    """Return the ids of at most `top` configs that are most likely the best ones, best first.

    By p_best of `analysis.rank`, then by place; with several metrics by p_front of `analysis.pareto`, and never a config that does not keep to the
    limits. A config needs a trial that reached the end of its budget and did not fail.
    """
    chances = _chances(table, by, limits)
    return [] if chances is None else [str(config) for config in chances.index[chances["kept"]][:top]]


def survivors(table: TrialTable, by: Sequence[str], *, error: float, limits: Sequence[Limit] = ()) -> list[str]:
    """Return the ids of the configs that stay in the race, best first: without those of which one is the best with a probability of at most `error`.

    table: trials of phase confirm. With several
    metrics, a config leaves when it can hardly be on the front. All configs stay if nothing tells their differences from noise.
    """
    configs = list(dict.fromkeys(map(str, table.config_id)))
    chances = _chances(table, by, limits)
    if chances is None:
        return configs
    rising = chances["p"][::-1].fillna(1.0).sort_values(kind="stable")
    leave = set(rising.index[rising.cumsum() <= error])
    ordered = [str(config) for config in rising.index[::-1]]
    return [config for config in [*ordered, *(each for each in configs if each not in ordered)] if config not in leave]


def _chances(table: TrialTable, by: Sequence[str], limits: Sequence[Limit]) -> pd.DataFrame | None:
    """Return for each config, best first: p, the probability of being the best or on the front, and whether it has a value and keeps to the limits.

    None if no trial has a value.
    """
    if not table.evidence.any() or any(metric not in table.final for metric in by):
        return None
    if len(by) == 1 and not limits:
        ranked = rank(table, by[0])
        ranked = ranked.sort_values(["p_best", "place"], ascending=[False, True], kind="stable", na_position="last")
        return pd.DataFrame({"p": ranked["p_best"].to_numpy(), "kept": ranked["n"].to_numpy() > 0}, index=ranked["config_id"])
    found = best_first(table, by, limits=limits).set_index("config_id")
    chances = pd.DataFrame({"p": found["p_front"], "kept": found["feasible"] if limits else True})
    failed = [config for config in pd.unique(table.config_id[table.evidence]) if config not in chances.index]  # no run has a value
    return pd.concat([chances, pd.DataFrame({"p": 0.0, "kept": False}, index=failed)])
