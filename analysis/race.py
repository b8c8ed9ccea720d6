"""A race between configs: seeds are added round by round, and a config leaves when it can hardly be the best any more.

The first of many configs in a ranking looks better than it is. So the best configs of a search are trained again with fresh seeds, and only these
count. Racing spends them where they decide (Maron & Moore 1993; Birattari et al. 2002), with the posterior of `analysis.rank` in place of a test.
"""

from analysis.rank import rank
from analysis.table import TrialTable


def contenders(table: TrialTable, by: str, top: int) -> list[str]:
    """Return the ids of at most `top` configs that are most likely the best ones, best first.

    By p_best of `analysis.rank`, then by place. A config needs a trial that reached the end of its budget and did not fail.
    """
    if not table.evidence.any() or by not in table.final:
        return []
    ranked = rank(table, by)
    ranked = ranked[ranked["n"] > 0].sort_values(["p_best", "place"], ascending=[False, True], kind="stable", na_position="last")
    return [str(config) for config in ranked["config_id"].head(top)]


def survivors(table: TrialTable, by: str, *, error: float) -> list[str]:
    """Return the ids of the configs that stay in the race, best first: without those that are together the best with a probability of at most `error`.

    table: trials with fresh seeds only. All configs stay if nothing tells their differences from noise.
    """
    configs = list(dict.fromkeys(map(str, table.config_id)))
    if not table.evidence.any() or by not in table.final:
        return configs
    ranked = rank(table, by).sort_values("p_best", kind="stable")
    leave = ranked["config_id"][ranked["p_best"].fillna(1.0).cumsum() <= error]
    stay = [str(config) for config in ranked["config_id"][::-1] if config not in set(leave)]
    return stay + [config for config in configs if config not in set(ranked["config_id"])]
