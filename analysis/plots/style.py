"""The look of all figures: colours in light and dark, axes, whiskers, the line of the real data."""

import math
import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.outcomes import OUTCOMES, Outcome
from analysis.table import TrialTable

INK, SOFT, GRID = "#1f2933", "#5b6875", "#dfe3e8"
GOOD, BAD, REAL = OUTCOMES["healthy"].colour, OUTCOMES["diverged"].colour, "#009E73"
BAND = "rgba(0, 114, 178, 0.2)"
ROW = 24  # pixels per row of a dot plot, for a label of 12 px
PAGE, DARK_PAGE = "#fffffe", "#14191f"
_LETTER = 6.9  # pixels of a letter of 12 px, on average
_CONTRAST = 4.0  # least contrast of a colour with the dark page; WCAG 2 asks 3 of graphics


def dark_colours() -> dict[str, str]:
    """Return the colours of figures -> what they are on a dark page. Colours of outcomes become as much lighter as they must."""
    outcomes = {outcome.colour for outcome in OUTCOMES.values()} | {REAL}
    return {
        INK: "#e6e9ee",
        SOFT: "#b0bac5",
        GRID: "#323b45",
        PAGE: DARK_PAGE,
        **{colour: _lightened(colour) for colour in sorted(outcomes)},
    }


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours #rrggbb, from 1 to 21 (WCAG 2)."""
    first, second = sorted((_luminance(one), _luminance(other)))
    return (second + 0.05) / (first + 0.05)


def _luminance(colour: str) -> float:
    parts = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return float(np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722])


def _lightened(colour: str) -> str:
    parts = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    mixed = (
        "#" + "".join(f"{round(part):02X}" for part in parts + share * (255 - parts))  # with white
        for share in np.linspace(0, 1, 41)
    )
    return next(each for each in mixed if contrast(each, DARK_PAGE) >= _CONTRAST)


def dot_size(n: int) -> float:
    """Return the pixels of each of n dots: few are easy to see, and many do not hide each other."""
    return min(9.0, max(4.0, 45 / math.sqrt(max(n, 1))))


def label_width(labels: Sequence[str]) -> int:
    """Return the pixels that labels need beside an axis; each may have several lines and bold parts."""
    lines = [re.sub(r"<[^>]*>", "", line) for label in labels for line in label.split("<br>")]
    return round(_LETTER * max(map(len, lines), default=0)) + 14


def styled(figure: go.Figure, *, height: int, left: int = 66) -> go.Figure:
    """Apply the common look. left: pixels for the labels of the y axis.

    Margins are fixed, since plotly draws a figure twice to find out how much its labels need. Nothing reacts to dragging, so that a finger on a
    figure scrolls the page.
    """
    figure.update_layout(
        template="none",
        height=height,
        margin={"l": left, "r": 18, "t": 40, "b": 48},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", "size": 12, "color": INK},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0, "itemclick": False, "itemdoubleclick": False},
        hoverlabel={"align": "left"},
        hovermode="closest",
        dragmode=False,
    )
    axis = {"gridcolor": GRID, "zeroline": False, "fixedrange": True, "linecolor": GRID, "title_standoff": 8}
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
    return figure


def present(table: TrialTable) -> list[Outcome]:
    """The outcomes that occur, in the order of OUTCOMES."""
    return [outcome for outcome in OUTCOMES.values() if (table.outcome == outcome.name).any()]


def whiskers(value: Sequence[float] | pd.Series, low: Sequence[float] | pd.Series, high: Sequence[float] | pd.Series) -> dict[str, object]:
    """Return error bars from `low` to `high`."""
    centre, below, above = (np.asarray(part, dtype=np.float64) for part in (value, low, high))
    return {"type": "data", "symmetric": False, "array": above - centre, "arrayminus": centre - below, "thickness": 1.6, "width": 4}


def axis_title(table: TrialTable, name: str) -> str:
    """The name of a metric with its direction and scale."""
    unit = {"seconds": "s", "onset_kimg": "kimg"}.get(name, "")
    way = table.directions[name].phrase if name in table.directions else ""
    log = "log scale" if name in table.final.columns and table.scale(name) == "log" else ""
    notes = ", ".join(filter(None, [unit, way, log]))
    return f"{name} ({notes})" if notes else name


def log_axis(figure: go.Figure, axis: str) -> go.Figure:
    """Make "x" or "y" logarithmic, with ticks at 1, 2 and 5 of each decade."""
    values = [10.0**power * digit for power in range(-9, 10) for digit in (1, 2, 5)]
    ticks = {"tickvals": values, "ticktext": [f"{value:.12g}" for value in values]}
    figure.update_layout({f"{axis}axis": {"type": "log", "minor": {"dtick": "D1", "showgrid": False}, **ticks}})
    return figure


def scaled(figure: go.Figure, axis: str, table: TrialTable, metric: str) -> go.Figure:
    """Give "x" or "y" the scale of a metric."""
    return log_axis(figure, axis) if table.scale(metric) == "log" else figure


def with_baseline(figure: go.Figure, axis: str, table: TrialTable, metric: str) -> go.Figure:
    """Add a dashed line at the real-data baseline."""
    drawn = metric in table.baselines and (table.scale(metric) == "linear" or table.baselines[metric] > 0)
    if drawn:
        baseline = table.baselines[metric]
        # on a log axis plotly places a line by the value and an annotation by its logarithm
        at = np.log10(baseline) if table.scale(metric) == "log" else baseline
        line = {"color": REAL, "dash": "dash", "width": 1.5}
        note = {"text": "real data", "showarrow": False, "font": {"size": 11, "color": INK}}
        if axis == "x":  # in the first panel only
            figure.add_shape(type="line", x0=baseline, x1=baseline, y0=0, y1=1, xref="x", yref="paper", line=line)
            figure.add_annotation(x=at, y=1, yref="paper", xanchor="left", yanchor="top", **note)  # inside: the legend is above
        else:
            figure.add_hline(y=baseline, line=line)
            figure.add_annotation(y=at, x=1, xref="paper", xanchor="right", yanchor="bottom", **note)
    return figure
