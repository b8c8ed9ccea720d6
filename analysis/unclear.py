"""What an explanation cannot tell, in sentences, and why."""

from collections.abc import Collection

import numpy as np
import pandas as pd

from analysis import power
from analysis.confounding import confounded
from analysis.explain import Explanation
from analysis.levels import distinct_values
from analysis.model import JointModel
from analysis.model.outcomes import FAILED, OF_ALL, known
from analysis.model.terms import CELL, MOST, interactions_of
from analysis.outcomes import RISKS
from analysis.table import Bools, TrialTable
from analysis.words import listed, percent, plural, value_texts

_PAIRS = 3  # confounded pairs that are named
_FEW_LOST = 3  # values that are named


def equal(explanation: Explanation) -> list[str]:
    """The outcomes in which all units are equal, so that no setting can be seen to change them."""
    if explanation.model is None:
        return []
    table, lines = explanation.table, []
    for outcome in explanation.outcomes:
        if outcome in explanation.model.regressions:
            continue
        counted = known(table, outcome)
        if outcome == FAILED:
            share = float(table.failed[counted].mean()) if counted.any() else float("nan")
            how = {0.0: "No trial failed", 1.0: "All trials failed"}.get(share, f"In each config {percent(share)} of the trials failed")
            how = how if counted.any() else "No trial failed or completed its budget"
            lines.append(f"{how}, so nothing can be told about what makes them fail.")
        elif outcome in RISKS and counted.any():
            share = float((table.outcome[counted] == outcome).mean())
            lines.append(
                f"Nothing can be told about the rate of {RISKS[outcome]}: it is {percent(share)} in all {explanation.model.units.kind}s."
            )
        elif not counted.any():
            why = "no trial that completed without failing has a value" if _completed(table).any() else "no trial completed without failing"
            lines.append(f"Nothing can be told about {outcome}: {why}.")
        else:
            units = f"{explanation.model.units.kind}s"
            alone = len(set(table.config_id[counted])) == 1
            why = "it is known of one config only" if alone else f"all {units} are equal in it"
            lines.append(f"Nothing can be told about {outcome}: {why}.")
    return lines


def _completed(table: TrialTable) -> Bools:
    """[T]: the trials that completed their budget and did not fail."""
    return np.asarray(~table.failed & ~table.censored)


def unclear(explanation: Explanation) -> list[str]:
    """Settings and levels without a claim, those that could not be compared, and what more trials would show."""
    model = explanation.model
    if model is None:
        return []
    told = {
        name for claim in explanation.claims if (claim.claimed or claim.held) and claim.kind != "interaction" for name in claim.settings
    }
    depends, compared = depending(explanation), _compared(explanation)
    open_ = [name for name in explanation.settings if name in compared and name not in told]
    lines = []
    if open_ and not told and not depends:
        lines.append(f"Nothing can be told from noise about {listed(open_)}.")
    elif open_:
        lines.append(f"Cannot be told from noise: the effect of {listed([_average(name, depends) for name in open_])}.")
    partly = [
        f"{_average(name, depends)} {listed(pairs)}"
        for name in explanation.settings
        if name in told and (pairs := _open(explanation, name))
    ]
    if partly:
        lines.append(f"Cannot be told from noise: {'; '.join(partly)}.")
    lines += _not_compared(explanation, model)
    for name in explanation.settings:
        lines += _levels(explanation, model, name)
    if open_ or partly:
        lines += power.statement(explanation)
    return lines


def together(explanation: Explanation) -> list[str]:
    """The settings that vary together in the configs at hand."""
    table = explanation.table
    names = list(dict.fromkeys([*table.scientific, *table.nuisance]))
    first = ~pd.Series(table.config_id).duplicated().to_numpy()
    found = confounded(table.settings.loc[first, names], table.scientific)
    lines = []
    for each in found[:_PAIRS]:
        r = f"{each.r:+.2f}".replace("-", "−")
        lines.append(
            f"{each.setting} varies together with {' × '.join(each.others)} (correlation {r} over {plural(each.n, 'config')}), "
            "so their effects are hard to tell apart."
        )
    more = len(found) - _PAIRS
    return [*lines, f"{plural(more, 'more pair')} of settings {'varies' if more == 1 else 'vary'} together."] if more > 0 else lines


def depending(explanation: Explanation) -> set[str]:
    """The settings whose effect is claimed to depend on another one."""
    return {name for claim in explanation.claims if claim.claimed and claim.kind == "interaction" for name in claim.settings}


def _average(name: str, depends: set[str]) -> str:
    return f"{name} on average" if name in depends else name


def _open(explanation: Explanation, name: str) -> list[str]:
    """The pairs of levels of a setting without a claim, in the order of the study file."""
    mine = [claim for claim in explanation.claims if claim.settings == (name,) and claim.kind == "levels"]
    if not mine:  # a range
        return []
    told = {claim.compared for claim in mine if claim.claimed or claim.held}
    texts = value_texts(distinct_values(explanation.table.settings[name].dropna()))
    found = {claim.compared: claim for claim in mine if claim.compared not in told}
    return sorted(found, key=lambda pair: (texts.index(found[pair].reference), texts.index(found[pair].level)))


def unassociated(explanation: Explanation, told: Collection[str]) -> list[str]:
    """Settings of runs that are no design, without an association, and those that could not be compared."""
    if explanation.model is None:
        return []
    compared = _compared(explanation)
    open_ = [name for name in explanation.settings if name in compared and name not in told]
    lines = [f"No association with {listed(open_)} can be told from chance."] if open_ else []
    return [*lines, *_not_compared(explanation, explanation.model)]


def _compared(explanation: Explanation) -> set[str]:
    return {claim.settings[0] for claim in explanation.claims if claim.kind != "interaction"}


def _not_compared(explanation: Explanation, model: JointModel) -> list[str]:
    compared = _compared(explanation)
    why: dict[str, list[str]] = {}
    for name in explanation.settings:
        if reason := _why_not(model, name, compared=name in compared):
            if name not in model.terms and (lost := explanation.lost.get(name)):
                few = listed(list(lost)) if len(lost) <= _FEW_LOST else "other values"
                reason += f": all trials with {name} {few} crashed"
            why.setdefault(reason, []).append(name)
    lines = [f"Not compared: {listed(names)} ({reason})." for reason, names in why.items()]
    left = interactions_of(model.terms, explanation.settings)
    if left and not any(term.kind == "interaction" for term in model.terms.values()):
        few = "no two settings have two configs at each of four combinations of levels" if left <= MOST else f"{left:,} are too many"
        lines.append(f"Interactions were not compared: {few}.")
    return lines


def _why_not(model: JointModel, name: str, *, compared: bool) -> str:
    """Why no levels of a setting were compared; "" if some were."""
    term = model.terms.get(name)
    if term is None:
        return "one value only"
    units = f"two {model.units.kind}s"
    if not term.contrasts:
        return f"no two of its levels have {units}" if term.kind == "levels" else f"it has fewer than {units} at an end of its range"
    if compared:
        return ""
    if not model.regressions:
        return f"no outcome is known to differ between {units}"
    valued = [np.flatnonzero(term.rows & np.isfinite(each.response.values)) for each in model.regressions.values()]
    if not any(contrast.carried(rows) for contrast in term.contrasts for rows in valued):
        return f"fewer than {units} on a side of each comparison have a value"
    return "not to be told apart from other settings, or from the number of trials of a config"


def _levels(explanation: Explanation, model: JointModel, name: str) -> list[str]:
    """Why a level of a choice was not compared, or not in a metric."""
    term = model.terms.get(name)
    if term is None or term.kind != "levels" or not term.contrasts:
        return []
    units, lines = model.units, []
    few: dict[str, list[str]] = {}
    completed = _completed(units.table)
    unmeasured = set()  # metrics that trials lack although they did not fail
    column = units.settings[name]
    values = distinct_values(column.dropna())
    for i, (value, label) in enumerate(zip(values, value_texts(values), strict=True)):
        members = np.array([value == other for other in column], dtype=bool)
        place = label + (", the reference" if i == 0 else "")
        if members.sum() < CELL:
            lines.append(f"Not compared: {name} {label} (it has {plural(int(members.sum()), units.kind)}).")
            continue
        for metric in explanation.outcomes:
            if metric in RISKS or metric in OF_ALL or metric not in model.regressions:
                continue
            alive = members[units.of] & known(units.table, metric)
            if len(set(units.of[alive])) < CELL:
                if (members[units.of] & completed & ~alive).any():
                    unmeasured.add(metric)
                few.setdefault(metric, []).append(f"{place} ({int(alive.sum())} of {int(members[units.of].sum())})")
    return lines + [
        f"Too few trials {'have a value' if metric in unmeasured else 'completed without failing'} to compare {metric} with {name} {listed(levels)}."
        for metric, levels in few.items()
    ]
