"""Figures by setting: what fails, and how good are runs, at each level."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from analysis import estimate
from analysis.interval import shown
from analysis.levels import Level, independent_units, levels
from analysis.model.outcomes import survivors
from analysis.outcomes import OUTCOMES
from analysis.plots.style import GRID, INK, ROW, axis_title, dot_size, label_width, present, scaled, styled, whiskers, with_baseline
from analysis.table import TrialTable
from analysis.words import percent, plural

_DOTS = 1500  # trials × levels that a figure can show
_UNKNOWN = estimate.Interval(np.nan, np.nan, np.nan)  # of a level without trials


def risk_by_setting(table: TrialTable, settings: Sequence[str] | None = None) -> go.Figure:
    """Share of failed trials at each level of each setting, with Wilson's 95 % interval. Trials that a scheduler stopped count in no share."""
    rows = setting_rows(table, settings)
    known = [level.trials & ~table.censored for _, level in rows]
    found = [estimate.rate(table.failed[of], independent_units(table, of)[of]) if of.any() else _UNKNOWN for of in known]
    figure = go.Figure(
        go.Scatter(
            x=[r.value for r in found],
            y=list(range(len(rows))),
            error_x=whiskers([r.value for r in found], [r.low for r in found], [r.high for r in found]),
            mode="markers",
            marker={"size": 9, "color": OUTCOMES["diverged"].colour},
            text=[
                f"{name} = {level.label}<br>{percent(r.value)} failed (95 % {percent(r.low)} to {percent(r.high)})<br>"
                f"{plural(int(of.sum()), 'trial')} of {plural(len(set(table.config_id[of])), 'config')}"
                for (name, level), of, r in zip(rows, known, found, strict=True)
            ],
            hovertemplate="%{text}<extra></extra>",
            showlegend=False,
        )
    )
    figure.update_xaxes(title="share of trials that failed", tickformat=".0%", range=[-0.02, 1.02])
    return _setting_axis(figure, rows)


def metric_by_setting(table: TrialTable, metric: str, settings: Sequence[str] | None = None) -> go.Figure:
    """Final metric of trials that completed their budget, by level of each setting; means over configs with 95 % intervals.

    Failed trials are dots only: the means are over trials that did not fail, as in `analysis.explain`. Of many trials a random choice is drawn
    as dots; the means are over all.
    """
    table = table.where(table.evidence)
    values, scale = table.at_end(metric), table.scale(metric)
    rows = setting_rows(table, settings)
    figure = go.Figure()
    rng = np.random.default_rng(0)  # for the choice of dots and their jitter
    drawn = np.zeros(len(table), dtype=bool)
    drawn[rng.permutation(np.flatnonzero(np.isfinite(values)))[: _DOTS // max(len(rows), 1)]] = True
    for outcome in present(table.where(np.isfinite(values))):
        chosen = [level.trials & drawn & (table.outcome == outcome.name) for _, level in rows]
        place = np.concatenate([np.full(c.sum(), i) for i, c in enumerate(chosen)])
        figure.add_scatter(
            x=np.concatenate([values[c] for c in chosen]),
            y=place + rng.uniform(-0.22, 0.22, len(place)),
            mode="markers",
            name=outcome.label,
            marker={"size": dot_size(int(drawn.sum())), "color": outcome.colour, "opacity": 0.65, "symbol": outcome.symbol},
            text=np.concatenate([table.trial_id[c] for c in chosen]),
            hovertemplate="%{text}: %{x:.3g}<extra></extra>",
        )
    counted = [level.trials & np.isfinite(survivors(table, metric)) for _, level in rows]
    means = [estimate.mean(values[of], independent_units(table, of)[of], scale=scale) if of.any() else _UNKNOWN for of in counted]
    figure.add_scatter(
        x=[m.value for m in means],
        y=list(range(len(rows))),
        error_x=whiskers(
            [m.value for m in means], *(end.tolist() for end in shown([m.low for m in means], [m.high for m in means], metric, scale))
        ),
        mode="markers",
        name="mean over configs, 95 %",
        marker={"size": 9, "color": INK, "symbol": "line-ns-open", "line": {"width": 2.5}},
        hovertemplate="%{x:.3g}<extra></extra>",
    )
    figure.update_xaxes(title=axis_title(table, metric))
    return with_baseline(scaled(_setting_axis(figure, rows, legend=True), "x", table, metric), "x", table, metric)


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
            figure.add_hline(y=i - 0.5, line={"color": GRID, "width": 1})
    return styled(figure, height=(150 if legend else 110) + ROW * len(rows), left=label_width(labels))
