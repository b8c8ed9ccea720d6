"""One function per figure. Each takes a table and gives a plotly figure; each outcome has a colour of Okabe & Ito's or Tol's and a symbol of its own."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis import estimate
from analysis.rank import rank
from analysis.settings import Side, sides, units
from analysis.table import TrialTable
from analysis.words import OUTCOMES, percent, value_text

COLOURS = {
    "healthy": "#0072B2",
    "undertrained": "#56B4E9",
    "mode_collapse": "#E69F00",
    "late_collapse": "#CC79A7",
    "oscillating": "#7A5195",
    "discriminator_too_strong": "#882255",
    "discriminator_failed": "#117733",
    "diverged": "#D55E00",
    "memorising": "#B8A100",
    "": "#8A8F98",
}
SYMBOLS = {
    "healthy": "circle",
    "undertrained": "triangle-up",
    "mode_collapse": "diamond",
    "late_collapse": "triangle-down",
    "oscillating": "hourglass",
    "discriminator_too_strong": "square",
    "discriminator_failed": "cross",
    "diverged": "x",
    "memorising": "star",
    "": "circle-open",
}
INK, GRID = "#1f2933", "#e4e7eb"
ROW = 24  # pixels per row of a dot plot: room for its label at 12 px


def risk_by_setting(table: TrialTable, settings: Sequence[str] | None = None) -> go.Figure:
    """Share of failed runs at each level of each setting, with Wilson's 95 % interval."""
    rows = _rows(table, settings)
    found = [estimate.rate(table.failed[side.trials], units(table, side.trials)[side.trials]) for _, side in rows]
    figure = go.Figure(
        go.Scatter(
            x=[r.value for r in found],
            y=list(range(len(rows))),
            error_x=_whiskers([r.value for r in found], [r.low for r in found], [r.high for r in found]),
            mode="markers",
            marker={"size": 9, "color": COLOURS["diverged"]},
            text=[
                f"{name} = {side.label}<br>{percent(r.value)} failed (95 % {percent(r.low)} to {percent(r.high)})<br>"
                f"{side.trials.sum()} trials of {len(set(table.config_id[side.trials]))} configurations"
                for (name, side), r in zip(rows, found, strict=True)
            ],
            hovertemplate="%{text}<extra></extra>",
            showlegend=False,
        )
    )
    figure.update_xaxes(title="share of runs that failed", tickformat=".0%", range=[-0.02, 1.02])
    return _setting_axis(figure, rows)


def score_by_setting(table: TrialTable, score: str, settings: Sequence[str] | None = None) -> go.Figure:
    """The final score of every run that reached the end, by level of each setting; the mean over configs with its 95 % interval."""
    table = table.where(np.isfinite(table.at_end(score)) & table.evidence)
    values, scale = table.at_end(score), table.scale(score)
    rows = _rows(table, settings)
    figure = go.Figure()
    rng = np.random.default_rng(0)  # jitter only
    for kind in [kind for kind in COLOURS if (table.outcome == kind).any()]:
        chosen = [side.trials & (table.outcome == kind) for _, side in rows]
        place = np.concatenate([np.full(c.sum(), i) for i, c in enumerate(chosen)])
        figure.add_scatter(
            x=np.concatenate([values[c] for c in chosen]),
            y=place + rng.uniform(-0.22, 0.22, len(place)),
            mode="markers",
            name=OUTCOMES[kind],
            marker={"size": 5, "color": COLOURS[kind], "opacity": 0.45, "symbol": SYMBOLS[kind]},
            text=np.concatenate([table.trial_id[c] for c in chosen]),
            hovertemplate="%{text}: %{x:.3g}<extra></extra>",
        )
    means = [estimate.mean(values[side.trials], units(table, side.trials)[side.trials], scale=scale) for _, side in rows]
    figure.add_scatter(
        x=[m.value for m in means],
        y=list(range(len(rows))),
        error_x=_whiskers([m.value for m in means], [m.low for m in means], [m.high for m in means]),
        mode="markers",
        name="mean of configurations, 95 %",
        marker={"size": 9, "color": INK, "symbol": "line-ns-open", "line": {"width": 2.5}},
        hovertemplate="%{x:.3g}<extra></extra>",
    )
    figure.update_xaxes(title=_axis_title(table, score))
    return _floor(_scaled(_setting_axis(figure, rows, legend=True), "x", table, score), "x", table, score)


def curves(table: TrialTable, name: str) -> go.Figure:
    """A metric or signal over real images shown, one line per trial, coloured by outcome."""
    figure = go.Figure()
    for kind in [kind for kind in COLOURS if (table.outcome == kind).any()]:
        chosen = np.flatnonzero(table.outcome == kind)
        gap = np.full((len(chosen), 1), np.nan)  # parts one trial's line from the next
        width = table.images.shape[1] + 1
        figure.add_scatter(
            x=np.hstack([table.images[chosen], gap]).ravel(),
            y=np.hstack([table.curves[name][chosen], gap]).ravel(),
            mode="lines+markers",
            marker={"size": 3.5, "symbol": SYMBOLS[kind]},
            line={"color": COLOURS[kind], "width": 1.2},
            opacity=0.55,
            name=f"{OUTCOMES[kind]} ({len(chosen)})",
            text=np.repeat(table.trial_id[chosen], width),
            hovertemplate="%{text}: %{y:.3g} at %{x:,} images<extra></extra>",
            connectgaps=False,
        )
    figure.update_xaxes(title="real images shown to the discriminator", rangemode="tozero")
    figure.update_yaxes(title=_axis_title(table, name))
    figure = _styled(figure, height=420)
    return _floor(_scaled(figure, "y", table, name), "y", table, name) if name in table.final.columns else figure


def ranking(table: TrialTable, by: str, *, top: int = 25) -> go.Figure:
    """The best configs by `analysis.rank`, each with its mean and 95 % interval; open marks had a run that died."""
    found = rank(table, by).dropna(subset="mean").head(top)
    dead = (found["n_dead"] > 0).to_numpy()
    figure = go.Figure(
        go.Scatter(
            x=found["mean"],
            y=list(range(len(found))),
            error_x=_whiskers(found["mean"], found["low"], found["high"]),
            mode="markers",
            marker={"size": 9, "color": COLOURS["healthy"], "symbol": np.where(dead, "circle-open", "circle")},
            text=[f"{config}: {n} of {all_} seeds reached the end" for config, n, all_ in found[["config_id", "n", "n_seeds"]].to_numpy()],
            hovertemplate="%{text}<br>%{x:.3g}<extra></extra>",
            showlegend=False,
        )
    )
    figure.update_xaxes(title=_axis_title(table, by))
    labels = [f"{config}  n={n}{' †' if d else ''}" for config, n, d in zip(found["config_id"], found["n"], dead, strict=True)]
    figure.update_yaxes(tickvals=list(range(len(found))), ticktext=labels, range=[len(found) - 0.5, -0.5], showgrid=False)
    figure = _styled(figure, height=110 + ROW * len(found))
    return _floor(_scaled(figure, "x", table, by), "x", table, by)


def trade_off(table: TrialTable, x: str, y: str) -> go.Figure:
    """Two metrics of every run at its last tick, coloured by outcome."""
    figure = go.Figure()
    for kind in [kind for kind in COLOURS if (table.outcome == kind).any()]:
        part = table.where(table.outcome == kind)
        figure.add_scatter(
            x=part.final[x],
            y=part.final[y],
            mode="markers",
            name=f"{OUTCOMES[kind]} ({len(part)})",
            marker={"size": 8, "color": COLOURS[kind], "opacity": 0.75, "symbol": SYMBOLS[kind]},
            text=[f"{trial}<br>{describe(part, row)}" for row, trial in enumerate(part.trial_id)],
            hovertemplate="%{text}<br>%{x:.3g}, %{y:.3g}<extra></extra>",
        )
    figure.update_xaxes(title=_axis_title(table, x))
    figure.update_yaxes(title=_axis_title(table, y))
    figure = _styled(figure, height=420)
    for metric, axis in ((x, "x"), (y, "y")):
        figure = _floor(_scaled(figure, axis, table, metric), axis, table, metric)
    return figure


def describe(table: TrialTable, row: int) -> str:
    """The scientific settings of one trial: "r1 on, loss hinge"."""
    live = table.knobs[list(table.scientific)].iloc[row].dropna()
    return ", ".join(f"{name} {value_text(value)}" for name, value in live.items())


def _rows(table: TrialTable, settings: Sequence[str] | None) -> list[tuple[str, Side]]:
    """(setting, level) from top to bottom; a setting with one level only compares nothing and is left out."""
    names = settings if settings is not None else (*table.scientific, *table.nuisance)
    found = [(name, sides(table, name)) for name in names]
    return [(name, side) for name, levels in found if len(levels) > 1 for side in levels]


def _setting_axis(figure: go.Figure, rows: list[tuple[str, Side]], *, legend: bool = False) -> go.Figure:
    labels = [f"<b>{name}</b>  {side.label}" for name, side in rows]
    figure.update_yaxes(tickvals=list(range(len(rows))), ticktext=labels, range=[len(rows) - 0.5, -0.5], showgrid=False)
    for i in range(1, len(rows)):
        if rows[i][0] != rows[i - 1][0]:  # a line between settings
            figure.add_hline(y=i - 0.5, line={"color": GRID, "width": 1})
    return _styled(figure, height=(150 if legend else 110) + ROW * len(rows))


def _whiskers(value: Sequence[float] | pd.Series, low: Sequence[float] | pd.Series, high: Sequence[float] | pd.Series) -> dict[str, object]:
    centre, below, above = (np.asarray(side, dtype=np.float64) for side in (value, low, high))
    return {"type": "data", "symmetric": False, "array": above - centre, "arrayminus": centre - below, "thickness": 1.6, "width": 4}


def _axis_title(table: TrialTable, name: str) -> str:
    way = {"min": "less is better", "max": "more is better"}.get(table.better.get(name, ""), "")
    log = "log scale" if name in table.final.columns and table.scale(name) == "log" else ""
    said = ", ".join(filter(None, [way, log]))
    return f"{name} ({said})" if said else name


def _scaled(figure: go.Figure, axis: str, table: TrialTable, metric: str) -> go.Figure:
    if table.scale(metric) == "log":
        # ticks at 1, 2 and 5 of each decade
        values = [10.0**power * digit for power in range(-9, 10) for digit in (1, 2, 5)]
        ticks = {"tickvals": values, "ticktext": [f"{value:.12g}" for value in values]}
        figure.update_layout({f"{axis}axis": {"type": "log", "minor": {"dtick": "D1", "showgrid": False}, **ticks}})
    return figure


def _floor(figure: go.Figure, axis: str, table: TrialTable, metric: str) -> go.Figure:
    """A dashed line at what real data score."""
    drawn = metric in table.floors and (table.scale(metric) == "linear" or table.floors[metric] > 0)
    if drawn:
        floor, colour = table.floors[metric], "#009E73"
        # a line takes the value, a note its logarithm
        at = np.log10(floor) if table.scale(metric) == "log" else floor
        line = {"color": colour, "dash": "dash", "width": 1.5}
        note = {"text": "real data", "showarrow": False, "font": {"size": 11, "color": colour}}
        if axis == "x":
            figure.add_vline(x=floor, line=line)
            figure.add_annotation(x=at, y=1, yref="paper", yanchor="bottom", **note)
        else:
            figure.add_hline(y=floor, line=line)
            figure.add_annotation(y=at, x=1, xref="paper", xanchor="right", yanchor="bottom", **note)
    return figure


def _styled(figure: go.Figure, *, height: int) -> go.Figure:
    figure.update_layout(
        template="plotly_white",
        height=height,
        margin={"l": 10, "r": 16, "t": 40, "b": 10},
        font={"family": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", "size": 12, "color": INK},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
        hoverlabel={"align": "left"},
    )
    figure.update_xaxes(gridcolor=GRID, zeroline=False, automargin=True)
    figure.update_yaxes(gridcolor=GRID, zeroline=False, automargin=True)
    return figure
