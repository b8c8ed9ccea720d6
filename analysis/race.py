"""A race between configs: seeds are added round by round, and a config leaves when it can hardly be the best any more.

The first of many configs in a ranking looks better than it is. So the best configs of a search are trained again with fresh seeds, and only these
count. Racing spends them where they decide (Maron & Moore 1993; Birattari et al. 2002), with the posterior of `analysis.rank` in place of a test.
"""

from dataclasses import replace

import numpy as np

from analysis.rank import rank
from analysis.table import TrialTable

_SWEEPS = 100  # of the fit of configs and seeds in turn; a full table needs one


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

    table: trials with fresh seeds only, the same for all configs. What seeds do to all configs alike is taken out first (`paired`). All
    configs stay if nothing tells their differences from noise.
    """
    configs = list(dict.fromkeys(map(str, table.config_id)))
    if not table.evidence.any() or by not in table.final:
        return configs
    ranked = rank(paired(table, by), by).sort_values("p_best", kind="stable")
    leave = ranked["config_id"][ranked["p_best"].fillna(1.0).cumsum() <= error]
    stay = [str(config) for config in ranked["config_id"][::-1] if config not in set(leave)]
    return stay + [config for config in configs if config not in set(ranked["config_id"])]


def paired(table: TrialTable, by: str) -> TrialTable:
    """Return the table with values from which the effect of each seed, the same for all configs, is taken out.

    A seed decides the initial weights and the order of the data, so it may be a lucky one for all configs. The model is value = config + seed + rest on the
    metric's scale, by least squares over runs that did not fail. The rest is scaled up, since the effects of the seeds took degrees of freedom from
    it. The table comes back as it is if nothing is left to tell the rest.
    """
    values = np.where(table.failed, np.nan, table.at_end(by))
    known = np.isfinite(values)
    log = table.scale(by) == "log"
    y = np.log(values[known]) if log else values[known]
    configs, seeds = (np.unique(each[known], return_inverse=True)[1] for each in (table.config_id, table.seed))
    if not len(y):
        return table
    n, n_configs, n_seeds = len(y), configs.max() + 1, seeds.max() + 1
    left = n - n_configs - (n_seeds - 1)
    if left <= 0:
        return table
    of_config, of_seed = np.zeros(n_configs), np.zeros(n_seeds)
    for _ in range(_SWEEPS):
        of_config = np.bincount(configs, y - of_seed[seeds]) / np.bincount(configs)
        of_seed = np.bincount(seeds, y - of_config[configs]) / np.bincount(seeds)
    rest = y - of_config[configs] - of_seed[seeds]
    adjusted = of_config[configs] + of_seed.mean() + rest * np.sqrt((n - n_configs) / left)
    final = table.final.copy()
    final.loc[known, by] = np.exp(adjusted) if log else adjusted
    return replace(table, final=final)
