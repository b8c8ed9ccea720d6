"""Curves along a range: where a parabola has its vertex, and whether the range is better or worse there than at both ends."""

import numpy as np

from analysis.model.joint import JointModel
from analysis.model.multiplicity import ALONE
from analysis.model.regression import Regression
from analysis.model.terms import Contrast, Name, Term, axis, bend, line

_END, _INNER = 0.125, 1 / 3  # share of the units at each end of the range, and around the vertex


def peaks(model: JointModel, outcome: str, setting: str) -> bool:
    """Whether the units around the vertex of the parabola differ from those at the low end and from those at the high end, both in the
    direction of the bend.

    A bend alone only says that the curve is no straight line: a curve that is flat and then rises has one too.
    """
    term = model.terms[bend(setting)]
    slope, bent = (
        model.combination(outcome, {line(setting): np.array([one]), term.name: np.array([other])}, without=(setting,))[0]
        for one, other in ((1.0, 0.0), (0.0, 1.0))
    )
    if bent == 0:
        return False
    vertex = 0.5 + slope / (8 * bent)
    position = axis(model.units.settings[setting], model.units.table.setting_scale(setting)).position
    known = term.rows & np.isfinite(model.regressions[outcome].response.values)
    at = np.where(known, position, np.nan)
    low, high = np.nanquantile(at, [_END, 1 - _END])
    lower, upper = known & (position <= low), known & (position >= high)
    near = np.where(known & ~lower & ~upper, np.abs(position - vertex), np.inf)
    inner = np.zeros(len(known), dtype=bool)
    inner[np.argsort(near)[: int(known.sum() * _INNER)]] = True
    inner &= np.isfinite(near)
    rows = lower | upper | inner
    columns = np.column_stack([lower, upper]).astype(np.float64)
    columns = np.where(rows[:, None], columns - columns[rows].mean(axis=0), 0.0)
    name: Name = ("ends", setting)
    sides = tuple(
        Contrast(np.array(weights), ("the vertex",), (side,), inner, units)
        for side, weights, units in (("the low end", [-1.0, 0.0], lower), ("the high end", [0.0, -1.0], upper))
    )
    both = Term(name, "levels", (setting,), columns, rows, sides)
    regression = Regression(model.regressions[outcome].response, {**model.terms, name: both})
    found = regression.fit(
        both, [each for each in model.adjusted_for(outcome, model.terms[setting]) if each not in (line(setting), term.name)]
    )
    # two one-sided comparisons, which must both hold (Berger 1982)
    return found is not None and bool((np.sign(bent) * found.score > ALONE).all())
