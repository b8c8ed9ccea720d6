"""Which trials stand for the best configs."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from analysis import TrialTable, pareto, rank
from analysis.confirmed import confirmed
from analysis.feasible import feasibility
from analysis.ranked import failed_as_ranked
from analysis.where import selected
from analysis.words import listed, plural
from ganstudy import UserError
from ganstudy.command import command
from ganstudy.limits import Limit
from ganstudy.numbers import whole
from study.store.layout import shown

log = logging.getLogger(__name__)


def best_trials(
    table: TrialTable,
    trials: Callable[[], pd.DataFrame],
    n: int | None,
    *,
    by: Sequence[str],
    limits: Sequence[Limit],
    where: str | None,
    min_seeds: int,
    folder: Path,
) -> list[str]:
    """Return the ids of the trials that stand for the best configs: `StudyView.best` has the rules.

    n: how many; None for one, or with several metrics for the whole front. by: the metric of `analysis.rank`, or those of `analysis.pareto`.
    trials: makes the frame that the condition `where` is about, with all trials of the table by their ids.
    """
    for name, given in (("n", 1 if n is None else n), ("min_seeds", min_seeds)):
        whole(given, name)
    matching = "" if where is None else f" with {where}"
    chosen = np.ones(len(table), dtype=np.bool_)
    if where is not None:
        chosen = np.isin(table.config_id, list(configs_where(table, trials(), where)))
    if not (table.evidence & chosen).any():
        advice = f"; {command('status', shown(folder))} shows its progress" if where is None else ""
        raise UserError(f"a best config needs finished trials{matching}; {shown(folder)} has none{advice}")
    values = table.direction(by[0]).sign * table.at_end(by[0])  # less is better
    known, failed = ~np.isnan(values), failed_as_ranked(table, by)
    ranked = rank(table, by[0])
    ranked = ranked[ranked["config_id"].isin(np.unique(table.config_id[chosen & known]))]
    if not len(ranked):
        raise UserError(f"a best config needs trials{matching} that reached the end of their budget; {shown(folder)} has none")
    seeds = ranked["n"] + ranked["n_failed"]
    if seeds.max() < min_seeds:
        log.warning("no config has %d finished trials; ranking those with %d", min_seeds, seeds.max())
    configs = ranked["config_id"][seeds >= min(min_seeds, seeds.max())]
    if limits:
        configs = configs[configs.isin(_kept(table, limits, by[0], folder))]
    if len(by) > 1:
        front = pareto(table, *by, limits=limits, only=set(configs))
        configs = front["config_id"][front["on_front"]]
    if not len(configs):
        with_values = f"values of {listed(list(by))}" if len(by) > 1 else "trials"
        kept = " and keeps to the constraints" if limits else ""
        raise UserError(f"a best config needs {with_values}{matching} that did not fail{kept}; {shown(folder)} has none")
    found = []
    for config in configs.head(n or (len(configs) if len(by) > 1 else 1)):
        mine = known & (table.config_id == config)
        rows = np.flatnonzero(mine & ~failed) if (mine & ~failed).any() else np.flatnonzero(mine)
        found.append(rows[np.argsort(values[rows], kind="stable")[(len(rows) - 1) // 2]])
    if hopeless := [str(table.trial_id[row]) for row in found if failed[row]]:
        log.warning("%s failed, as did all trials of the same config", ", ".join(hopeless))
    return [str(table.trial_id[row]) for row in found]


def _kept(table: TrialTable, limits: Sequence[Limit], by: str, folder: Path) -> list[str]:
    """Return the configs that keep to the limits, and warn of how many do not. Raises UserError if none does."""
    found = feasibility(table, limits, by=by)
    if not len(found.kept):
        raise UserError(
            f"a best config must keep to the constraints; in {shown(folder)}, {found.sentence}. Relax one with "
            f"{command('resume', shown(folder), '--set', f'constraints.{limits[0].name}=…')}, or see all configs with {command('rank', shown(folder))}"
        )
    if len(found.kept) < len(found.configs):
        log.warning("%s", found.sentence)
    return [str(config) for config in found.kept]


def configs_where(table: TrialTable, trials: pd.DataFrame, where: str) -> set[str]:
    """Return the configs of which more than half of the trials that rank them meet a condition on `trials`.

    trials: a frame with all trials of the table by their ids. After phase confirm, only its trials rank configs (`analysis.confirmed`).
    Raises UserError for anything that is no condition on its columns, and if no config is left.
    """
    table = confirmed(table)
    passed = pd.Series(selected(trials.loc[list(table.trial_id)], where)).groupby(table.config_id).mean()
    found = set(passed.index[passed > 0.5])
    if len(table) and not found:
        raise UserError(f"a condition must hold for most trials of some config; of {plural(len(passed), 'config')}, none meets {where!r}")
    return found
