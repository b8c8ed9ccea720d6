"""Parallel coordinates: every run as a line through its settings to its result."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.levels import distinct_values, is_numeric
from analysis.plots.style import BAD, GOOD, GRID, INK, PAGE, SOFT, styled
from analysis.table import Bools, Floats, TrialTable
from analysis.words import number, value_text

_BEST, _MOST = 0.1, 20  # share of the runs that did not fail which are highlighted, and at most so many
_SPREAD = 0.12  # of an axis: how far lines at one level are spread, so that their number is seen
_INK_LINES = 100  # about so many lines of full strength fit; more are fainter
AXIS = 70  # pixels that an axis needs


@dataclass(frozen=True, eq=False)
class _Axis:
    title: str
    at: Floats  # [T], from 0 to 1; NaN where the setting is inactive
    ticks: list[tuple[float, str]]


def parallel(table: TrialTable, objective: str, settings: Sequence[str]) -> go.Figure:
    """The settings, and the objective, as parallel axes; one line per run: failed, the best of the others, and the rest.

    An axis of choices spreads the runs around each level at random. A run without a result ends at the last setting.
    """
    table = table.where(table.evidence)
    values = table.at_end(objective)
    worth = np.where(table.failed | ~np.isfinite(values), np.inf, table.direction(objective).sign * values)
    ranks = np.argsort(np.argsort(worth, kind="stable"))
    best = np.isfinite(worth) & (ranks < np.clip(round(_BEST * np.isfinite(worth).sum()), 1, _MOST))
    rng = np.random.default_rng(0)
    axes = [_setting_axis(table, name, rng) for name in settings] + [_result_axis(table, objective)]
    figure = go.Figure()
    faint = float(np.clip(_INK_LINES / max(len(table), 1), 0.15, 0.6))
    _add(figure, axes, ~table.failed & ~best, "other runs", {"color": SOFT, "width": 1}, faint)
    _add(figure, axes, table.failed, "failed", {"color": BAD, "width": 1, "dash": "dot"}, min(1.0, 1.6 * faint))
    _add(figure, axes, best, f"best by {objective}", {"color": GOOD, "width": 1.8}, 0.85)
    for x, axis in enumerate(axes):
        figure.add_shape(type="line", x0=x, x1=x, y0=0, y1=1, line={"color": INK, "width": 1})
        for at, text in axis.ticks:
            figure.add_annotation(
                x=x, y=at, text=text, showarrow=False, xanchor="left", xshift=4, font={"size": 11, "color": INK}, bgcolor=PAGE
            )
    figure = styled(figure, height=430, left=30)
    figure.update_layout(margin={"r": 60, "t": 50, "b": 30 if len(axes) <= 6 else 80})
    figure.update_xaxes(
        tickvals=list(range(len(axes))),
        ticktext=[axis.title for axis in axes],
        showgrid=False,
        range=[-0.1, len(axes) - 0.6],
        linecolor="rgba(0,0,0,0)",
        tickangle=0 if len(axes) <= 6 else -30,
    )
    figure.update_yaxes(visible=False, range=[-0.08, 1.06], gridcolor=GRID)
    return figure


def _add(figure: go.Figure, axes: list[_Axis], chosen: Bools, name: str, line: dict[str, object], opacity: float) -> None:
    rows = np.flatnonzero(chosen)
    y = np.column_stack([*(axis.at[rows] for axis in axes), np.full(len(rows), np.nan)]).astype(np.float32)  # half the size
    x = np.tile(np.array([*range(len(axes)), np.nan], dtype=np.float32), len(rows))
    figure.add_scatter(x=x, y=y.ravel(), mode="lines", line=line, opacity=opacity, hoverinfo="skip", showlegend=False)
    # faint lines would make a faint legend
    figure.add_scatter(x=[None], y=[None], mode="lines", line=line, name=f"{name} ({len(rows)})", showlegend=bool(len(rows)))


def _setting_axis(table: TrialTable, name: str, rng: np.random.Generator) -> _Axis:
    column = table.settings[name]
    active = column.dropna()
    if is_numeric(active) and active.nunique() > 2:
        log = table.setting_scale(name) == "log"
        return _numbers(name, column.to_numpy(dtype=np.float64, na_value=np.nan), log=log)
    levels = distinct_values(active)
    step = 1 / max(len(levels) - 1, 1)
    place = {level: i * step for i, level in enumerate(levels)}
    at = np.array([place.get(value, np.nan) if not pd.isna(value) else np.nan for value in column], dtype=np.float64)
    jitter = min(_SPREAD, 0.35 * step) / 2 * rng.uniform(-1, 1, len(at))
    return _Axis(name, at + jitter, [(place[level], value_text(level)) for level in levels])


def _result_axis(table: TrialTable, objective: str) -> _Axis:
    return _numbers(objective, np.where(table.failed, np.nan, table.at_end(objective)), log=table.scale(objective) == "log")


def _numbers(title: str, values: Floats, *, log: bool) -> _Axis:
    known = values[np.isfinite(values)]
    if not len(known):
        return _Axis(title, np.full(len(values), np.nan), [])
    forth: Callable[[Floats], Floats] = np.log if log else np.asarray
    low, high = float(forth(known.min())), float(forth(known.max()))
    if high <= low:
        return _Axis(title, np.where(np.isfinite(values), 0.5, np.nan), [(0.5, number(float(known[0])))])
    ticks = [(share, low + share * (high - low)) for share in (0.0, 0.5, 1.0)]
    at = (forth(values) - low) / (high - low)
    return _Axis(title, at, [(share, number(float(np.exp(value)) if log else value)) for share, value in ticks])
