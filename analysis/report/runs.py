"""Sections about single runs: outcomes, settings and results of all, training curves, cost."""

from typing import Any

import numpy as np
import plotly.graph_objects as go

from analysis import plots
from analysis.outcomes import OUTCOMES
from analysis.plots.parallel import AXIS
from analysis.report.content import Block, Chart, Charts, Choice, Section, Table, Text
from analysis.report.findings import Findings
from analysis.table import Floats, TrialTable
from analysis.words import counted, number, percent, plural

_CURVES = 200  # runs whose curves are drawn
_AXES = 12  # settings of the parallel coordinates
_DIGITS = 3


def outcomes(found: Findings) -> Section:
    """How runs ended, and the objective against coverage."""
    columns = ["Outcome", "Trials", "Share", "95 % interval", "Onset in kimg, median (range)"]
    rows = []
    for name, row in found.outcomes.iterrows():
        onset = f"{number(row['onset_median'])} ({number(row['onset_low'])} to {number(row['onset_high'])})"
        interval = f"{percent(row['low'])} to {percent(row['high'])}" if np.isfinite(row["low"]) else "–"
        rows.append(
            [
                OUTCOMES[str(name)].label,
                f"{row['trials']:.0f}",
                counted(row["share"]),
                interval,
                onset if np.isfinite(row["onset_median"]) else "–",
            ]
        )
    blocks: list[Block] = [Table(name="Outcomes", columns=columns, rows=rows, numbers=columns[1:])] if rows else []
    table = found.counted
    if "coverage" in table.final.columns and found.objective != "coverage" and len(table):
        chart = Chart(
            name="trade",
            title=f"{found.objective} and coverage of every run at its end",
            alt=f"{found.objective} against coverage of {plural(len(table), 'run')}, coloured by outcome.",
            figure=plots.trade_off(table, found.objective, "coverage"),
        )
        blocks.append(Charts(charts=[chart]))
    return Section("Outcomes", blocks or [Text(text="No trial has finished.")])


def coordinates(found: Findings) -> Section | None:
    """Settings and result of every run."""
    table = found.counted
    varied = [name for name in (*found.leading, *table.nuisance) if table.settings[name].dropna().nunique() > 1]
    if len(table) < 2 or not varied:
        return None
    kept = varied[:_AXES]
    figure = plots.parallel(table, found.objective, kept)
    note = "Each line is a run. Runs at one level of a choice are spread a little. " + (
        f"{len(kept)} of {len(varied)} settings are shown." if len(kept) < len(varied) else ""
    )
    chart = Chart(
        name="parallel",
        title=f"Settings and {found.objective} of every run",
        alt=f"Parallel coordinates of {plural(len(table), 'run')}: {', '.join(kept)} and {found.objective}; failed runs and the best are marked.",
        figure=figure,
        width=AXIS * (len(kept) + 1),
    )
    return Section("All runs", [Charts(charts=[chart], note=note.strip())])


def training(found: Findings) -> Section | None:
    """The training curves of any metric. Of many runs a part is drawn, with three significant digits."""
    table = found.table
    known = [name for name, curve in table.curves.items() if np.isfinite(curve).any()]
    if not known:
        return None
    drawn = thinned(table, found.objective, _CURVES)
    names = sorted(known, key=lambda name: (name != found.objective, name not in table.directions, name))
    figures = {name: plots.curves(drawn, name) for name in names}
    first = figures[names[0]]
    chart = Chart(
        name="curves",
        title="Training curves",
        alt=f"Curves of {plural(len(drawn), 'run')} by images shown to the discriminator, coloured by outcome.",
        figure=_with_lists(first),
    )
    choice = Choice(label="Metric", chart=chart, metrics={name: _change(figure) for name, figure in figures.items()})
    text = (
        f"{len(drawn)} of {plural(len(table), 'run')}, chosen so that every outcome and the whole range of {found.objective} are there."
        if len(drawn) < len(table)
        else f"All {plural(len(table), 'run')}."
    )
    return Section("Training curves", [choice, Text(text=f"{text} Values have three significant digits.", note=True)])


def thinned(table: TrialTable, objective: str, n: int) -> TrialTable:
    """Return at most n trials: evenly spaced in order of outcome and objective, and at least one of each outcome."""
    if len(table) <= n:
        return table
    values = table.final[objective].to_numpy(dtype=np.float64, na_value=np.nan) if objective in table.final else np.zeros(len(table))
    order = np.lexsort((values, table.outcome))
    first = [int(order[np.flatnonzero(table.outcome[order] == outcome)[0]]) for outcome in dict.fromkeys(table.outcome)]
    spaced = [int(i) for i in order[np.linspace(0, len(table) - 1, n - len(first)).round().astype(int)]]
    chosen = np.zeros(len(table), dtype=bool)
    chosen[[*first, *spaced]] = True
    return table.where(chosen)


def rounded(values: Floats) -> list[float | None]:
    """Return values with three significant digits; None where they are not finite."""
    return [float(f"{value:.{_DIGITS}g}") if np.isfinite(value) else None for value in values]


def _change(figure: go.Figure) -> dict[str, Any]:
    layout = figure.layout.to_plotly_json()
    changed = {key: layout.get(key) for key in ("shapes", "annotations")}
    plain = {key: [_plain(each) for each in items or ()] for key, items in changed.items()}
    return {
        "y": [rounded(np.asarray(trace.y, dtype=np.float64)) for trace in figure.data],
        "layout": {"yaxis": _plain(layout["yaxis"]), **plain},
    }


def _with_lists(figure: go.Figure) -> go.Figure:
    """The figure with its values as the other metrics have them."""
    for trace in figure.data:
        trace.y = rounded(np.asarray(trace.y, dtype=np.float64))
    return figure


def _plain(value: Any) -> Any:
    """Parts of a layout as JSON can hold them."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(each) for each in value]
    return value.item() if isinstance(value, np.generic) else value


def spent(found: Findings) -> Section | None:
    """Training time by outcome."""
    if found.cost is None:
        return None
    columns = ["Outcome", "Trials", "Training time", "Median of a run", "Share"]
    rows = [
        [OUTCOMES[str(name)].label, str(int(row["trials"])), _time(row["seconds"]), _time(row["median"]), percent(row["share"])]
        for name, row in found.cost.iterrows()
    ]
    device = found.provenance.get("device", "")
    text = (
        f"{_time(found.cost['seconds'].sum())} of training{f' on {device}' if device else ''}, summed over runs; "
        f"{percent(found.cost.attrs['failed'])} of it was spent on runs that failed."
    )
    return Section("Cost", [Text(text=text), Table(name="Training time by outcome", columns=columns, rows=rows, numbers=columns[1:])])


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{number(seconds)} s"
    return f"{number(seconds / 60)} min" if seconds < 7200 else f"{number(seconds / 3600)} h"
