"""Figures of single trials: training curves, two metrics against each other, settings and result of each."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from analysis.plots.style import axis_title, present, scaled, styled, with_baseline
from analysis.table import TrialTable
from analysis.words import value_text

_SETTINGS = 6  # of a config that are named
_MARKED = 60  # trials whose ticks are marked on their curves
_DESCRIBED = 300  # trials whose settings are shown when they are pointed at


def curves(table: TrialTable, name: str) -> go.Figure:
    """A metric or signal against real images shown, one line per trial, coloured by outcome."""
    figure = go.Figure()
    for outcome in present(table):
        chosen = np.flatnonzero(table.outcome == outcome.name)
        gap = np.full((len(chosen), 1), np.nan)  # separates the lines of two trials
        width = table.images.shape[1] + 1
        figure.add_scatter(
            x=np.hstack([table.images[chosen], gap]).ravel(),
            y=np.hstack([table.curves[name][chosen], gap]).ravel(),
            mode="lines+markers" if len(table) <= _MARKED else "lines",
            marker={"size": 3.5, "symbol": outcome.symbol},
            line={"color": outcome.colour, "width": 1.2},
            opacity=0.55,
            name=f"{outcome.label} ({len(chosen)})",
            text=np.repeat(table.trial_id[chosen], width),
            hovertemplate="%{text}: %{y:.3g} at %{x:,} images<extra></extra>",
            connectgaps=False,
        )
    figure.update_xaxes(title="real images shown to the discriminator", rangemode="tozero")
    figure.update_yaxes(title=axis_title(table, name))
    figure = styled(figure, height=420)
    return with_baseline(scaled(figure, "y", table, name), "y", table, name) if name in table.final.columns else figure


def trade_off(table: TrialTable, x: str, y: str) -> go.Figure:
    """Two metrics of every trial at its last tick, coloured by outcome."""
    figure = go.Figure()
    for outcome in present(table):
        part = table.where(table.outcome == outcome.name)
        figure.add_scatter(
            x=part.final[x],
            y=part.final[y],
            mode="markers",
            name=f"{outcome.label} ({len(part)})",
            marker={"size": 8, "color": outcome.colour, "opacity": 0.75, "symbol": outcome.symbol},
            text=part.trial_id
            if len(table) > _DESCRIBED
            else [
                f"{trial}<br>{described(config, table.scientific)}"
                for trial, config in zip(part.trial_id, part.settings.to_dict("records"), strict=True)
            ],
            hovertemplate="%{text}<br>%{x:.3g}, %{y:.3g}<extra></extra>",
        )
    figure.update_xaxes(title=axis_title(table, x))
    figure.update_yaxes(title=axis_title(table, y))
    figure = styled(figure, height=420)
    for metric, axis in ((x, "x"), (y, "y")):
        figure = with_baseline(scaled(figure, axis, table, metric), axis, table, metric)
    return figure


def described(config: Mapping[Any, Any], settings: Sequence[str]) -> str:
    """The active settings of a config as text: "r1 on, loss hinge". Of many, the first."""
    active = [name for name in settings if config[name] is not None and config[name] == config[name]]  # NaN differs from itself
    shown = [f"{name} {value_text(config[name])}" for name in active[:_SETTINGS]]
    return ", ".join([*shown, "…"] if len(active) > _SETTINGS else shown)
