"""Which trials stand for the best configs."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from analysis import TrialTable, rank
from ganstudy import UserError

log = logging.getLogger(__name__)


def best_trials(
    table: TrialTable, trials: Callable[[], pd.DataFrame], n: int, *, by: str, where: str | None, min_seeds: int, folder: Path
) -> list[str]:
    """Return the ids of the trials that stand for the n best configs of `analysis.rank`: `StudyView.best` has the rules.

    trials: makes the frame that the query `where` is about.
    """
    matching = f" with {where}" if where else ""
    configs = set(table.config_id)
    if where:
        chosen = _matching(trials(), where)
        passed = pd.Series(np.isin(table.trial_id, chosen)).groupby(table.config_id).mean()
        configs = set(passed.index[passed > 0.5])
    if not (table.evidence & np.isin(table.config_id, list(configs))).any():
        raise UserError(f"a best config needs finished trials{matching}; {folder} has none")
    values = pd.Series(table.direction(by).sign * table.at_end(by), index=table.trial_id).dropna()  # less is better
    config_of = pd.Series(table.config_id, index=table.trial_id)[values.index]
    ranked = rank(table, by)
    ranked = ranked[ranked["config_id"].isin(configs & set(config_of))]
    if not len(ranked):
        raise UserError(f"a best config needs trials{matching} that reached the end of their budget; {folder} has none")
    seeds = ranked["n"] + ranked["n_failed"]
    if seeds.max() < min_seeds:
        log.warning("no config has %d finished trials; ranking those with %d", min_seeds, seeds.max())
    failed = pd.Series(table.failed, index=table.trial_id)[values.index]
    found = []
    for config in ranked["config_id"][seeds >= min(min_seeds, seeds.max())].head(n):
        mine = config_of == config
        alive = values[mine & ~failed].sort_values()
        alive = alive if len(alive) else values[mine].sort_values()
        found.append(str(alive.index[(len(alive) - 1) // 2]))
    if hopeless := [trial_id for trial_id in found if failed[trial_id]]:
        log.warning("%s failed, as did all trials of the same config", ", ".join(hopeless))
    return found


def _matching(trials: pd.DataFrame, where: str) -> pd.Index:
    """Return the ids of the trials that a pandas query holds for. Raises UserError if it is no condition."""
    problem: object = "it is not true or false for each trial"
    try:
        holds = trials.eval(where)
        if isinstance(holds, pd.Series) and pd.api.types.is_bool_dtype(holds):
            return trials.index[holds.fillna(False).to_numpy(dtype=bool)]
    except (
        NameError,
        SyntaxError,
        TypeError,
        ValueError,
        AttributeError,
        KeyError,
        NotImplementedError,
    ) as error:  # all that pandas raises
        problem = error
    raise UserError(f"where must be a condition on columns of trials(), such as 'coverage > 0.8'; given {where!r} ({problem})")
