"""The winner of a race, in a sentence: what phase confirm found."""

import math
from collections.abc import Sequence

from analysis.confirmed import has_confirmed
from analysis.feasible import feasibility
from analysis.interval import lacking, ranking_as_shown
from analysis.rank import rank
from analysis.table import TrialTable
from analysis.words import listed, number, percent, plural, value_text
from ganstudy.limits import Limit


def winner(table: TrialTable, objectives: Sequence[str], *, limits: Sequence[Limit] = ()) -> str:
    """Return which confirmed config that keeps to the limits is the best one by the objective, with its interval over fresh seeds.

    Returns "" if no config was confirmed, and with several objectives, which have a front instead.
    """
    if len(objectives) > 1 or not has_confirmed(table):
        return ""
    (by,) = objectives
    ranked = ranking_as_shown(rank(table, by))
    kept = ranked["config_id"].isin(feasibility(table, limits, by=by).kept)
    if not kept.any():
        return f"None of {plural(len(ranked), 'confirmed config')} keeps to the constraints."
    ranked = ranked[kept]
    first = ranked.iloc[0].to_dict()
    columns = ranked.attrs["settings"].items()
    known = {
        name: first[column] for name, column in columns if first[column] is not None and first[column] == first[column]
    }  # those that apply
    values = [f"{name} {value_text(value)}" for name, value in known.items() if not isinstance(value, bool)]
    on, off = ([name for name, value in known.items() if value is switch] for switch in (True, False))
    config = "; ".join(part for part in (", ".join([*values, *on]), f"without {listed(off)}" if off else "") if part)
    risk = f"{plural(first['n_failed'], 'run')} of {first['n_seeds']} failed"
    if not math.isnan(first["p_fail_low"]):  # else it is the share of failures of all configs
        risk += f" (risk {percent(first['p_fail'])}, {percent(first['p_fail_low'])} to {percent(first['p_fail_high'])})"
    if first["n_poor_fit"]:
        risk += f", {first['n_poor_fit']} had a poor fit"
    interval = lacking(first) or f"95 % interval {number(first['low'])} to {number(first['high'])}"
    value = (
        f"{by} {number(first['estimate'])} if a run does not fail ({interval})"
        if not math.isnan(first["estimate"])
        else f"no run of it has a value of {by} without failing"
    )
    others = f" of {plural(len(ranked), 'confirmed config')}" if len(kept) > 1 else ""
    if limits and others:
        others += " that keep to the constraints" if len(ranked) > 1 else " that keeps to the constraints"
    # the probability counts the configs that are left out, too
    sure = "" if math.isnan(first["p_best"]) or not kept.all() else f"with a probability of {percent(first['p_best'])} and "
    return (
        f"Best{others}, {sure}by {plural(first['n_seeds'], 'fresh seed')}: {first['config_id']} ("
        f"{config}). {value[0].upper() if not value.startswith(by) else value[0]}{value[1:]}; {risk}."
    )
