"""Configs that were trained with the same seeds: what a seed does to all of them is told apart from what it does to each."""

from dataclasses import dataclass, replace

import numpy as np

from analysis.table import TrialTable

_SWEEPS = 100  # of the fit of configs and seeds in turn; a full table needs one


@dataclass(frozen=True, kw_only=True, eq=False)
class Paired:
    """A table without the effects of its seeds, on the metric's working scale."""

    table: TrialTable
    variance: float  # of the effects of seeds; 0 if nothing shows that there are any, and then the table is as it was
    seeds: int


def paired(table: TrialTable, by: str) -> Paired:
    """Take out of the values what each seed does to all configs alike.

    A seed decides the initial weights and the order of the data, so it may be a lucky one for all configs. The model is value = config + seed + rest on the
    metric's scale, by least squares over runs that did not fail. The rest is scaled up, since the effects of the seeds took degrees of freedom from
    it. The variance of the effects is that of their estimates, less what the rest adds to it.
    """
    unpaired = Paired(table=table, variance=0.0, seeds=0)
    if by not in table.final:
        return unpaired
    values = np.where(table.failed | ~table.evidence, np.nan, table.at_end(by))
    known = np.isfinite(values)
    log = table.scale(by) == "log"
    y = np.log(values[known]) if log else values[known]
    if not len(y):
        return unpaired
    configs, seeds = (np.unique(each[known], return_inverse=True)[1] for each in (table.config_id, table.seed))
    n, n_configs, n_seeds = len(y), configs.max() + 1, int(seeds.max()) + 1
    left = n - n_configs - (n_seeds - 1)
    if left <= 0 or n_seeds < 2:
        return unpaired
    of_config, of_seed = np.zeros(n_configs), np.zeros(n_seeds)
    for _ in range(_SWEEPS):
        of_config = np.bincount(configs, y - of_seed[seeds]) / np.bincount(configs)
        of_seed = np.bincount(seeds, y - of_config[configs]) / np.bincount(seeds)
    rest = y - of_config[configs] - of_seed[seeds]
    variance = of_seed.var(ddof=1) - (rest**2).sum() / left * (1 / np.bincount(seeds)).mean()
    if variance <= 0:
        return unpaired
    adjusted = of_config[configs] + of_seed.mean() + rest * np.sqrt((n - n_configs) / left)
    final = table.final.copy()
    final.loc[known, by] = np.exp(adjusted) if log else adjusted
    return Paired(table=replace(table, final=final), variance=float(variance), seeds=n_seeds)
