"""Figures of effects: the curve of a range, the cells of an interaction, the importance of settings."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.cells import Cells
from analysis.outcomes import RISKS
from analysis.plots.style import (
    BAND,
    GOOD,
    GRID,
    INK,
    ROW,
    SOFT,
    axis_title,
    dot_size,
    label_width,
    scaled,
    styled,
    whiskers,
    with_baseline,
)
from analysis.shape import Shape
from analysis.table import TrialTable
from analysis.words import number, percent

_LIGHT_TEXT = 0.72  # of the scale of cells, beyond which white text has more contrast than black
_DOTS = 150  # configs that a curve can show


def shape(found: Shape, table: TrialTable) -> go.Figure:
    """The curve of one outcome over one range with its 95 % band; dots are the means of configs, of many a random choice."""
    figure = go.Figure()
    band = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
    figure.add_scatter(x=found.at, y=found.low, **band)
    figure.add_scatter(x=found.at, y=found.high, **band, fill="tonexty", fillcolor=BAND)
    drawn = np.random.default_rng(0).permutation(len(found.values)) < _DOTS
    dots = {"size": dot_size(int(drawn.sum())), "color": SOFT, "opacity": 0.55}
    figure.add_scatter(
        x=found.values[drawn], y=found.observed[drawn], mode="markers", marker=dots, name="configs", hovertemplate="%{x:.3g}: %{y:.3g}"
    )
    line = {"color": GOOD, "width": 2}
    figure.add_scatter(x=found.at, y=found.expected, mode="lines", line=line, name="curve, 95 %", hovertemplate="%{x:.3g}: %{y:.3g}")
    if np.isfinite(found.best):
        at = float(np.interp(found.best, found.at, found.expected))
        best = {"size": 11, "color": INK, "symbol": "star"}
        figure.add_scatter(x=[found.best], y=[at], mode="markers", marker=best, name="best", hovertemplate="best at %{x:.3g}")
    figure = styled(figure, height=300)
    figure.update_xaxes(title=found.setting + (" (log scale)" if found.log_axis else ""), showgrid=False)
    if found.log_axis:  # a narrow range has no power of ten
        ticks = found.at[np.linspace(0, len(found.at) - 1, 3).round().astype(int)]
        figure.update_xaxes(type="log", tickvals=ticks, ticktext=[number(float(tick)) for tick in ticks])
    if found.outcome == "failed":
        figure.update_yaxes(title="share of runs that failed", tickformat=".0%", range=[-0.03, 1.03])
        return figure
    figure.update_yaxes(title=axis_title(table, found.outcome))
    return with_baseline(scaled(figure, "y", table, found.outcome), "y", table, found.outcome)


def cells(found: Cells, table: TrialTable) -> go.Figure:
    """The means of one outcome at the levels of two settings, with the number of configs in each cell."""
    risk = found.outcome in RISKS
    log = not risk and table.scale(found.outcome) == "log"
    values = np.log10(found.value) if log else found.value
    shown = percent if risk else number
    worse_is_more = risk or table.direction(found.outcome).sign > 0
    known = values[np.isfinite(values)]
    low, high = (0.0, 1.0) if risk else (known.min(), known.max()) if len(known) else (0.0, 1.0)
    share = (values - low) / (high - low) if high > low else np.full(values.shape, 0.5)
    figure = go.Figure(
        go.Heatmap(
            z=share if worse_is_more else 1 - share,
            zmin=0,
            zmax=1,
            x=list(found.column_labels),
            y=list(found.row_labels),
            colorscale=[[0, "#EAF3F9"], [1, "#004C78"]],
            showscale=False,
            xgap=2,
            ygap=2,
            hoverinfo="skip",
        )
    )
    for i in range(len(found.row_labels)):
        for j in range(len(found.column_labels)):
            known_cell = bool(np.isfinite(found.value[i, j]))
            z = (share if worse_is_more else 1 - share)[i, j]
            figure.add_annotation(
                x=j,  # the place of the cell: plotly takes a label that is a number, such as "4", for a place too
                y=i,
                text=f"{shown(found.value[i, j])}<br>n = {found.n[i, j]:.0f}" if known_cell else "no config",
                showarrow=False,
                font={"size": 12, "color": INK if not known_cell else "#FFFFFF" if z > _LIGHT_TEXT else "#000000"},
            )
    figure = styled(figure, height=110 + 46 * len(found.row_labels), left=30 + label_width(found.row_labels))
    figure.update_layout(margin={"t": 10})
    figure.update_xaxes(title=found.columns, type="category", showgrid=False)
    figure.update_yaxes(title=found.rows, type="category", showgrid=False, autorange="reversed")
    return figure


def importance(found: pd.DataFrame) -> go.Figure:
    """The shares of `analysis.importance` with 95 % intervals; filled where it differs from what chance explains, all settings at once."""
    figure, rows = go.Figure(), list(range(len(found)))
    clear = (found["p_family"] < 0.05).to_numpy()
    for group, mine in (("beyond chance", clear), ("not told from chance", ~clear)):
        part = found[mine]
        colour = GOOD if group == "beyond chance" else SOFT
        figure.add_scatter(
            x=part["share"],
            y=[row for row, here in zip(rows, mine, strict=True) if here],
            error_x=whiskers(part["share"], part["low"], part["high"]),
            mode="markers",
            name=group,
            marker={"size": 10, "color": colour, "symbol": "circle" if group == "beyond chance" else "circle-open", "line": {"width": 2}},
            text=[f"{percent(share)} (p of all {p:.3f})" for share, p in zip(part["share"], part["p_family"], strict=True)],
            hovertemplate="%{text}<extra></extra>",
            showlegend=bool(len(part)),
        )
    figure.update_yaxes(tickvals=rows, ticktext=list(found.index), range=[len(rows) - 0.5, -0.5], showgrid=False)
    figure.add_vline(x=0, line={"color": GRID, "width": 1})
    figure.update_xaxes(title="share of differences", tickformat=".0%")
    return styled(figure, height=120 + ROW * len(found), left=label_width(list(map(str, found.index))))
