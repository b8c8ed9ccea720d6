"""Figures of configs: their ranking, the best of k, and the Pareto front."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.interval import as_shown, ranking_as_shown
from analysis.outcomes import OUTCOMES
from analysis.plots.style import BAND, GOOD, GRID, INK, ROW, SOFT, axis_title, label_width, scaled, styled, whiskers, with_baseline
from analysis.table import TrialTable
from analysis.words import mean_on, percent, plural

_BARS, _CHANCE = 60, 0.02  # configs that all have bars; chance of being on the front from which one of more configs has bars


def ranking(found: pd.DataFrame, table: TrialTable, *, top: int = 25) -> go.Figure:
    """The first places of `found` by `analysis.rank`: left the expected metric of runs that do not fail, right the risk of failing, with 95 % intervals
    where these are known and tell something.

    Crosses mark the mean as measured, geometric on a log scale.
    """
    by, scale, found = found.attrs["by"], found.attrs["scale"], ranking_as_shown(found).dropna(subset="place").head(top)
    rows = list(range(len(found)))
    figure = make_subplots(cols=2, shared_yaxes=True, column_widths=[0.68, 0.32], horizontal_spacing=0.03)
    text = [f"{config}: {n} of {plural(all_, 'trial')} did not fail" for config, n, all_ in found[["config_id", "n", "n_seeds"]].to_numpy()]
    for column, (value, low, high, outcome, shown) in enumerate(
        (("estimate", "low", "high", "healthy", ".3g"), ("p_fail", "p_fail_low", "p_fail_high", "diverged", ".0%")), 1
    ):
        dots = go.Scatter(
            x=found[value],
            y=rows,
            error_x=whiskers(found[value], found[low], found[high]),
            mode="markers",
            marker={"size": 9, "color": OUTCOMES[outcome].colour},
            text=text,
            hovertemplate=f"%{{text}}<br>%{{x:{shown}}}<extra></extra>",
            name="expected of a new run",
            showlegend=column == 1,
        )
        figure.add_trace(dots, row=1, col=column)
    measured = {"size": 7, "color": INK, "symbol": "x-thin-open"}
    figure.add_trace(
        go.Scatter(x=found["mean"], y=rows, mode="markers", marker=measured, name=f"{mean_on(scale)} as measured"), row=1, col=1
    )
    labels = [f"{config}  n={n}" for config, n in zip(found["config_id"], found["n_seeds"], strict=True)]
    figure.update_yaxes(tickvals=rows, ticktext=labels, range=[len(found) - 0.5, -0.5], showgrid=False)
    figure = styled(figure, height=150 + ROW * len(found), left=label_width(labels))
    figure = with_baseline(scaled(figure, "x", table, by), "x", table, by)
    figure.update_layout(
        xaxis_title=axis_title(table, by), xaxis2={"title": "risk of failing", "tickformat": ".0%", "range": [-0.02, 1.02]}
    )
    return figure


def expected_best(found: pd.DataFrame, table: TrialTable) -> go.Figure:
    """The best of k configs by `analysis.expected_best`: its mean with a 95 % band, and dotted lines between which nine of ten searches end."""
    by, found = found.attrs["by"], found.replace([np.inf, -np.inf], np.nan)
    figure, colour = go.Figure(), OUTCOMES["healthy"].colour
    band = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
    figure.add_scatter(x=found.index, y=found["low"], **band)
    figure.add_scatter(x=found.index, y=found["high"], **band, fill="tonexty", fillcolor=BAND)
    text = [f"best of {k}: {value:.3g}, all fail with {percent(none)}" for k, value, none in found[["expected", "p_none"]].itertuples()]
    line = {"color": colour, "width": 2}
    figure.add_scatter(x=found.index, y=found["expected"], mode="lines", line=line, name="mean, 95 %", text=text, hovertemplate="%{text}")
    dotted = {"color": colour, "width": 1.2, "dash": "dot"}
    ends = [
        name for name in ("likely_low", "likely_high") if found[name].count() > 1
    ]  # infinite where too many searches have only failed runs
    for name in ends:
        figure.add_scatter(x=found.index, y=found[name], mode="lines", line=dotted, name="nine of ten searches", showlegend=name == ends[0])
    ticks = [digit * 10**power for power in range(5) for digit in (1, 2, 5)]
    figure.update_xaxes(title="configs tried, one run each", type="log", tickvals=ticks)
    figure.update_yaxes(title=f"best {axis_title(table, by)}")
    return with_baseline(scaled(styled(figure, height=380), "y", table, by), "y", table, by)


def pareto_front(found: pd.DataFrame, table: TrialTable) -> go.Figure:
    """The first two metrics of every config by `analysis.pareto`: the stronger its colour, the more likely a config is on the front.

    Where these probabilities are unknown, the configs on the front by their values are one group, all others another.
    """
    x, y = found.attrs["metrics"][:2]
    found = as_shown(found, [(name, table.scale(name), f"{name}_low", f"{name}_high") for name in (x, y)])
    figure = go.Figure()
    if found["p_front"].notna().any():
        text = [f"on the front: {percent(p)}" for p in found["p_front"]]
        # GRID and GOOD are mapped to colours of the dark page, so that the likely ones are the ones seen best on both pages
        shades = {"cmin": 0, "cmax": 1, "colorscale": [[0, GRID], [1, GOOD]], "showscale": True}
        bar = {"title": "P(on the front)", "tickformat": ".0%"}
        figure.add_trace(_points(found, text, {"color": found["p_front"], **shades, "colorbar": bar}))
    else:
        for name, part, colour in (("on the front", found["on_front"], GOOD), ("not on the front", ~found["on_front"], GRID)):
            figure.add_trace(_points(found[part], [name] * int(part.sum()), {"color": colour}, name=name))
    figure.update_xaxes(title=axis_title(table, x))
    figure.update_yaxes(title=axis_title(table, y))
    figure = styled(figure, height=420)
    for metric, axis in ((x, "x"), (y, "y")):
        figure = with_baseline(scaled(figure, axis, table, metric), axis, table, metric)
    return figure


def _points(found: pd.DataFrame, text: Sequence[str], marker: Mapping[str, object], *, name: str = "") -> go.Scatter:
    """Configs with a text for each, and their 95 % intervals where these are known. Of many configs, those that may be on the front have bars."""
    x, y = found.attrs["metrics"][:2]
    shown = found.where((found["p_front"] > _CHANCE) | (len(found) <= _BARS))
    return go.Scatter(
        x=found[x],
        y=found[y],
        error_x=whiskers(shown[x], shown[f"{x}_low"], shown[f"{x}_high"]) | {"color": SOFT, "thickness": 0.8},
        error_y=whiskers(shown[y], shown[f"{y}_low"], shown[f"{y}_high"]) | {"color": SOFT, "thickness": 0.8},
        mode="markers",
        marker={"size": 10, "line": {"width": 1, "color": INK}, **marker},
        text=[f"{config}<br>{each}" for config, each in zip(found["config_id"], text, strict=True)],
        hovertemplate="%{text}<br>%{x:.3g}, %{y:.3g}<extra></extra>",
        name=name,
        showlegend=bool(name),
    )
