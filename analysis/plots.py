"""One function per figure: each takes a table and returns a plotly figure."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis import estimate, expected, pareto
from analysis.levels import Level, independent_units, levels
from analysis.outcomes import OUTCOMES, Outcome
from analysis.rank import rank
from analysis.table import TrialTable
from analysis.words import percent, value_text

_INK, _GRID = "#1f2933", "#e4e7eb"
_ROW = 24  # pixels per row of a dot plot, for a label of 12 px


def risk_by_setting(table: TrialTable, settings: Sequence[str] | None = None) -> go.Figure:
    """Share of failed trials at each level of each setting, with Wilson's 95 % interval."""
    rows = setting_rows(table, settings)
    found = [estimate.rate(table.failed[level.trials], independent_units(table, level.trials)[level.trials]) for _, level in rows]
    figure = go.Figure(
        go.Scatter(
            x=[r.value for r in found],
            y=list(range(len(rows))),
            error_x=_whiskers([r.value for r in found], [r.low for r in found], [r.high for r in found]),
            mode="markers",
            marker={"size": 9, "color": OUTCOMES["diverged"].colour},
            text=[
                f"{name} = {level.label}<br>{percent(r.value)} failed (95 % {percent(r.low)} to {percent(r.high)})<br>"
                f"{level.trials.sum()} trials of {len(set(table.config_id[level.trials]))} configs"
                for (name, level), r in zip(rows, found, strict=True)
            ],
            hovertemplate="%{text}<extra></extra>",
            showlegend=False,
        )
    )
    figure.update_xaxes(title="share of trials that failed", tickformat=".0%", range=[-0.02, 1.02])
    return _setting_axis(figure, rows)


def metric_by_setting(table: TrialTable, metric: str, settings: Sequence[str] | None = None) -> go.Figure:
    """Final metric of every trial that completed its budget, by level of each setting; means over configs with 95 % intervals."""
    table = completed(table, metric)
    values, scale = table.at_end(metric), table.scale(metric)
    rows = setting_rows(table, settings)
    figure = go.Figure()
    rng = np.random.default_rng(0)  # jitter only
    for outcome in _present(table):
        chosen = [level.trials & (table.outcome == outcome.name) for _, level in rows]
        place = np.concatenate([np.full(c.sum(), i) for i, c in enumerate(chosen)])
        figure.add_scatter(
            x=np.concatenate([values[c] for c in chosen]),
            y=place + rng.uniform(-0.22, 0.22, len(place)),
            mode="markers",
            name=outcome.label,
            marker={"size": 5, "color": outcome.colour, "opacity": 0.45, "symbol": outcome.symbol},
            text=np.concatenate([table.trial_id[c] for c in chosen]),
            hovertemplate="%{text}: %{x:.3g}<extra></extra>",
        )
    means = [estimate.mean(values[level.trials], independent_units(table, level.trials)[level.trials], scale=scale) for _, level in rows]
    figure.add_scatter(
        x=[m.value for m in means],
        y=list(range(len(rows))),
        error_x=_whiskers([m.value for m in means], [m.low for m in means], [m.high for m in means]),
        mode="markers",
        name="mean over configs, 95 %",
        marker={"size": 9, "color": _INK, "symbol": "line-ns-open", "line": {"width": 2.5}},
        hovertemplate="%{x:.3g}<extra></extra>",
    )
    figure.update_xaxes(title=_axis_title(table, metric))
    return _with_baseline(_scaled(_setting_axis(figure, rows, legend=True), "x", table, metric), "x", table, metric)


def curves(table: TrialTable, name: str) -> go.Figure:
    """A metric or signal against real images shown, one line per trial, coloured by outcome."""
    figure = go.Figure()
    for outcome in _present(table):
        chosen = np.flatnonzero(table.outcome == outcome.name)
        gap = np.full((len(chosen), 1), np.nan)  # separates the lines of two trials
        width = table.images.shape[1] + 1
        figure.add_scatter(
            x=np.hstack([table.images[chosen], gap]).ravel(),
            y=np.hstack([table.curves[name][chosen], gap]).ravel(),
            mode="lines+markers",
            marker={"size": 3.5, "symbol": outcome.symbol},
            line={"color": outcome.colour, "width": 1.2},
            opacity=0.55,
            name=f"{outcome.label} ({len(chosen)})",
            text=np.repeat(table.trial_id[chosen], width),
            hovertemplate="%{text}: %{y:.3g} at %{x:,} images<extra></extra>",
            connectgaps=False,
        )
    figure.update_xaxes(title="real images shown to the discriminator", rangemode="tozero")
    figure.update_yaxes(title=_axis_title(table, name))
    figure = _styled(figure, height=420)
    return _with_baseline(_scaled(figure, "y", table, name), "y", table, name) if name in table.final.columns else figure


def ranking(table: TrialTable, by: str, *, top: int = 25) -> go.Figure:
    """The first places of `analysis.rank`: left the expected metric of runs that do not fail, right the risk of failing, with 95 % intervals.

    Crosses mark the mean as measured.
    """
    found = rank(table, by).dropna(subset="place").head(top)
    rows = list(range(len(found)))
    figure = make_subplots(cols=2, shared_yaxes=True, column_widths=[0.68, 0.32], horizontal_spacing=0.03)
    text = [f"{config}: {n} of {all_} trials did not fail" for config, n, all_ in found[["config_id", "n", "n_seeds"]].to_numpy()]
    for column, (value, low, high, outcome, shown) in enumerate(
        (("estimate", "low", "high", "healthy", ".3g"), ("p_fail", "p_fail_low", "p_fail_high", "diverged", ".0%")), 1
    ):
        dots = go.Scatter(
            x=found[value],
            y=rows,
            error_x=_whiskers(found[value], found[low], found[high]),
            mode="markers",
            marker={"size": 9, "color": OUTCOMES[outcome].colour},
            text=text,
            hovertemplate=f"%{{text}}<br>%{{x:{shown}}}<extra></extra>",
            name="expected of a new run",
            showlegend=column == 1,
        )
        figure.add_trace(dots, row=1, col=column)
    measured = {"size": 7, "color": _INK, "symbol": "x-thin-open"}
    figure.add_trace(go.Scatter(x=found["mean"], y=rows, mode="markers", marker=measured, name="mean as measured"), row=1, col=1)
    labels = [f"{config}  n={n}" for config, n in zip(found["config_id"], found["n_seeds"], strict=True)]
    figure.update_yaxes(tickvals=rows, ticktext=labels, range=[len(found) - 0.5, -0.5], showgrid=False)
    figure = _styled(figure, height=150 + _ROW * len(found))
    figure = _with_baseline(_scaled(figure, "x", table, by), "x", table, by)
    figure.update_layout(
        xaxis_title=_axis_title(table, by), xaxis2={"title": "risk of failing", "tickformat": ".0%", "range": [-0.02, 1.02]}
    )
    return figure


def expected_best(table: TrialTable, by: str) -> go.Figure:
    """The best of k configs by `analysis.expected`: its mean with a 95 % band, and dotted lines between which nine of ten searches end."""
    found = expected.expected_best(table, by).replace([np.inf, -np.inf], np.nan)
    figure, colour = go.Figure(), OUTCOMES["healthy"].colour
    band = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
    figure.add_scatter(x=found.index, y=found["low"], **band)
    figure.add_scatter(x=found.index, y=found["high"], **band, fill="tonexty", fillcolor="rgba(0, 114, 178, 0.18)")
    text = [f"best of {k}: {value:.3g}, all fail with {percent(none)}" for k, value, none in found[["expected", "p_none"]].itertuples()]
    line = {"color": colour, "width": 2}
    figure.add_scatter(x=found.index, y=found["expected"], mode="lines", line=line, name="mean, 95 %", text=text, hovertemplate="%{text}")
    dotted = {"color": colour, "width": 1.2, "dash": "dot"}
    for name, shown in (("likely_low", True), ("likely_high", False)):
        figure.add_scatter(x=found.index, y=found[name], mode="lines", line=dotted, name="nine of ten searches", showlegend=shown)
    ticks = [digit * 10**power for power in range(5) for digit in (1, 2, 5)]
    figure.update_xaxes(title="configs tried, one run each", type="log", tickvals=ticks)
    figure.update_yaxes(title=f"best {_axis_title(table, by)}")
    return _with_baseline(_scaled(_styled(figure, height=380), "y", table, by), "y", table, by)


def pareto_front(table: TrialTable, x: str, y: str) -> go.Figure:
    """Two metrics of every config by `analysis.pareto`; the darker a config, the more likely it is on the front."""
    found = pareto.pareto(table, x, y)
    chance = found["p_front"].fillna(found["on_front"].astype(float))
    figure = go.Figure()
    figure.add_scatter(
        x=found[x],
        y=found[y],
        error_x=_whiskers(found[x], found[f"{x}_low"], found[f"{x}_high"]) | {"color": _GRID},
        error_y=_whiskers(found[y], found[f"{y}_low"], found[f"{y}_high"]) | {"color": _GRID},
        mode="markers",
        marker={
            "size": 10,
            "color": chance,
            "cmin": 0,
            "cmax": 1,
            "colorscale": "Blues",
            "line": {"width": 1, "color": _INK},
            "showscale": True,
        },
        text=[f"{config}<br>on the front: {percent(p)}" for config, p in zip(found["config_id"], chance, strict=True)],
        hovertemplate="%{text}<br>%{x:.3g}, %{y:.3g}<extra></extra>",
        showlegend=False,
    )
    figure.update_traces(marker_colorbar={"title": "P(on the front)", "tickformat": ".0%"})
    figure.update_xaxes(title=_axis_title(table, x))
    figure.update_yaxes(title=_axis_title(table, y))
    figure = _styled(figure, height=420)
    for metric, axis in ((x, "x"), (y, "y")):
        figure = _with_baseline(_scaled(figure, axis, table, metric), axis, table, metric)
    return figure


def trade_off(table: TrialTable, x: str, y: str) -> go.Figure:
    """Two metrics of every trial at its last tick, coloured by outcome."""
    figure = go.Figure()
    for outcome in _present(table):
        part = table.where(table.outcome == outcome.name)
        figure.add_scatter(
            x=part.final[x],
            y=part.final[y],
            mode="markers",
            name=f"{outcome.label} ({len(part)})",
            marker={"size": 8, "color": outcome.colour, "opacity": 0.75, "symbol": outcome.symbol},
            text=[f"{trial}<br>{describe(part, row)}" for row, trial in enumerate(part.trial_id)],
            hovertemplate="%{text}<br>%{x:.3g}, %{y:.3g}<extra></extra>",
        )
    figure.update_xaxes(title=_axis_title(table, x))
    figure.update_yaxes(title=_axis_title(table, y))
    figure = _styled(figure, height=420)
    for metric, axis in ((x, "x"), (y, "y")):
        figure = _with_baseline(_scaled(figure, axis, table, metric), axis, table, metric)
    return figure


def describe(table: TrialTable, row: int) -> str:
    """The scientific settings of one trial: "r1 on, loss hinge"."""
    active = table.settings[list(table.scientific)].iloc[row].dropna()
    return ", ".join(f"{name} {value_text(value)}" for name, value in active.items())


def _present(table: TrialTable) -> list[Outcome]:
    """The outcomes that occur, in the order of OUTCOMES."""
    return [outcome for outcome in OUTCOMES.values() if (table.outcome == outcome.name).any()]


def completed(table: TrialTable, metric: str) -> TrialTable:
    """Return the trials that completed their budget and have this metric."""
    return table.where(np.isfinite(table.at_end(metric)) & table.evidence)


def setting_rows(table: TrialTable, settings: Sequence[str] | None = None) -> list[tuple[str, Level]]:
    """Return (setting, level) of each row of a figure by setting, from top to bottom. Settings with a single level are left out."""
    names = settings if settings is not None else (*table.scientific, *table.nuisance)
    found = [(name, levels(table, name)) for name in names]
    return [(name, level) for name, of_setting in found if len(of_setting) > 1 for level in of_setting]


def _setting_axis(figure: go.Figure, rows: list[tuple[str, Level]], *, legend: bool = False) -> go.Figure:
    labels = [f"<b>{name}</b>  {level.label}" for name, level in rows]
    figure.update_yaxes(tickvals=list(range(len(rows))), ticktext=labels, range=[len(rows) - 0.5, -0.5], showgrid=False)
    for i in range(1, len(rows)):
        if rows[i][0] != rows[i - 1][0]:  # separates two settings
            figure.add_hline(y=i - 0.5, line={"color": _GRID, "width": 1})
    return _styled(figure, height=(150 if legend else 110) + _ROW * len(rows))


def _whiskers(value: Sequence[float] | pd.Series, low: Sequence[float] | pd.Series, high: Sequence[float] | pd.Series) -> dict[str, object]:
    centre, below, above = (np.asarray(part, dtype=np.float64) for part in (value, low, high))
    return {"type": "data", "symmetric": False, "array": above - centre, "arrayminus": centre - below, "thickness": 1.6, "width": 4}


def _axis_title(table: TrialTable, name: str) -> str:
    way = table.directions[name].phrase if name in table.directions else ""
    log = "log scale" if name in table.final.columns and table.scale(name) == "log" else ""
    notes = ", ".join(filter(None, [way, log]))
    return f"{name} ({notes})" if notes else name


def _scaled(figure: go.Figure, axis: str, table: TrialTable, metric: str) -> go.Figure:
    if table.scale(metric) == "log":
        # ticks at 1, 2 and 5 of each decade
        values = [10.0**power * digit for power in range(-9, 10) for digit in (1, 2, 5)]
        ticks = {"tickvals": values, "ticktext": [f"{value:.12g}" for value in values]}
        figure.update_layout({f"{axis}axis": {"type": "log", "minor": {"dtick": "D1", "showgrid": False}, **ticks}})
    return figure


def _with_baseline(figure: go.Figure, axis: str, table: TrialTable, metric: str) -> go.Figure:
    """Add a dashed line at the real-data baseline."""
    drawn = metric in table.baselines and (table.scale(metric) == "linear" or table.baselines[metric] > 0)
    if drawn:
        baseline, colour = table.baselines[metric], "#009E73"
        # on a log axis plotly places a line by the value and an annotation by its logarithm
        at = np.log10(baseline) if table.scale(metric) == "log" else baseline
        line = {"color": colour, "dash": "dash", "width": 1.5}
        note = {"text": "real data", "showarrow": False, "font": {"size": 11, "color": colour}}
        if axis == "x":
            figure.add_shape(
                type="line", x0=baseline, x1=baseline, y0=0, y1=1, xref="x", yref="paper", line=line
            )  # in the first panel only
            figure.add_annotation(x=at, y=1, yref="paper", yanchor="bottom", **note)
        else:
            figure.add_hline(y=baseline, line=line)
            figure.add_annotation(y=at, x=1, xref="paper", xanchor="right", yanchor="bottom", **note)
    return figure


def _styled(figure: go.Figure, *, height: int) -> go.Figure:
    figure.update_layout(
        template="plotly_white",
        height=height,
        margin={"l": 10, "r": 16, "t": 40, "b": 10},
        font={"family": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", "size": 12, "color": _INK},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
        hoverlabel={"align": "left"},
    )
    figure.update_xaxes(gridcolor=_GRID, zeroline=False, automargin=True)
    figure.update_yaxes(gridcolor=_GRID, zeroline=False, automargin=True)
    return figure
