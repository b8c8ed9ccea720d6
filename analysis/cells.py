"""Cells: what happened at each combination of the levels of two settings."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from analysis.explain import Explanation
from analysis.levels import levels
from analysis.model.outcomes import known, survivors
from analysis.model.terms import interaction
from analysis.outcomes import RISKS
from analysis.table import Floats, TrialTable


@dataclass(frozen=True, kw_only=True, eq=False)
class Cells:
    """Means over configs of one outcome at the levels of two settings, [rows, columns]; NaN where there is no config."""

    rows: str  # the setting
    columns: str
    row_labels: tuple[str, ...]
    column_labels: tuple[str, ...]
    outcome: str
    value: Floats  # a rate from 0 to 1, or a mean of the metric over runs that did not fail, geometric on the log scale
    n: Floats  # configs
    p: float  # smallest single-comparison p value of the interaction; NaN if it was not compared


def interactions(explanation: Explanation, outcome: str) -> list[Cells]:
    """Return the cells of each pair of scientific settings that has an interaction in the joint model, the least p first."""
    model, table = explanation.model, explanation.table
    if model is None or outcome not in model.regressions:
        return []
    found = []
    for one, other in combinations(explanation.settings, 2):
        name = interaction(one, other)
        if name in model.terms:
            p = min((c.p for c in model.comparisons if c.term.name == name and c.response.name == outcome), default=float("nan"))
            found.append(cells(table, one, other, outcome, p=p))
    return sorted(found, key=lambda each: (np.isnan(each.p), each.p))


def cells(table: TrialTable, rows: str, columns: str, outcome: str, *, p: float = float("nan")) -> Cells:
    """Return the cells of two settings. `outcome` is "failed", a kind of failure, or a metric. Ranges are split at their median."""
    if outcome in RISKS:
        values = np.asarray(table.failed if outcome == "failed" else table.outcome == outcome, dtype=np.float64)
        values = np.where(table.evidence & known(table, outcome), values, np.nan)
    else:
        values = survivors(table, outcome)
    log = outcome not in RISKS and table.scale(outcome) == "log"
    values = np.log(values) if log else values
    left, top = levels(table, rows), levels(table, columns)
    mean, n = np.full((len(left), len(top)), np.nan), np.zeros((len(left), len(top)))
    for i, row in enumerate(left):
        for j, column in enumerate(top):
            chosen = row.trials & column.trials & np.isfinite(values)
            of = np.unique(table.config_id[chosen], return_inverse=True)[1]
            n[i, j] = len(set(of))
            if len(of):
                mean[i, j] = (np.bincount(of, values[chosen]) / np.bincount(of)).mean()
    return Cells(
        rows=rows,
        columns=columns,
        row_labels=tuple(level.label for level in left),
        column_labels=tuple(level.label for level in top),
        outcome=outcome,
        value=np.exp(mean) if log else mean,
        n=n,
        p=p,
    )
