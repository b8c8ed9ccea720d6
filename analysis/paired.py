"""Configs that were trained with the same seeds, without what a seed does to all of them."""

from dataclasses import replace

import numpy as np

from analysis.table import TrialTable

_SWEEPS = 100  # of the fit of configs and seeds in turn; a full table needs one


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
