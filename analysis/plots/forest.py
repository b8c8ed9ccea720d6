"""The forest plot: effects with their intervals, one row each."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from analysis.claim import Claim
from analysis.outcomes import RISKS, WIN
from analysis.plots.style import BAD, GOOD, INK, ROW, SOFT, label_width, log_axis, styled
from analysis.table import Floats

_WIDE = 26  # characters of a label, beyond which it takes two lines
_GROUPS = {"claimed, helps": GOOD, "claimed, hurts": BAD, "claimed interaction": INK, "not claimed": SOFT}


def forest(claims: Sequence[Claim], *, names: bool = False) -> go.Figure:
    """The effects of claims that share a scale, one row each: thick the 95 % interval of the comparison alone, thin that of all at once.

    Claimed effects are filled. An interval that goes on beyond the axis ends in an arrow. `names` adds the outcome to each label.
    """
    log, points = claims[0].scale == "log", claims[0].outcome in (*RISKS, WIN)

    def places(*ends: str) -> Floats:  # [claims, ends], on the axis
        values = np.array([[getattr(claim, end) for end in ends] for claim in claims], dtype=np.float64)
        return values if log else (100 if points else 1) * (values - claims[0].no_effect)

    effect, single, family = places("effect"), places("low", "high"), places("family_low", "family_high")
    # intervals of all at once are often so wide on a log axis that nothing else could be read
    seen = _seen(np.hstack([effect, single]) if log else np.hstack([effect, single, family]), log=log)
    first, last = (10.0**end for end in seen) if log else seen
    figure = go.Figure()
    of = [_group(claim) for claim in claims]
    for group, colour in _GROUPS.items():
        rows = [i for i, each in enumerate(of) if each == group]
        for width, ends in ((1.2, family), (4, single)):
            figure.add_scatter(
                x=np.column_stack([np.clip(ends[rows], first, last), np.full(len(rows), np.nan)]).ravel(),
                y=np.repeat(rows, 3),
                mode="lines",
                line={"color": colour, "width": width},
                hoverinfo="skip",
                showlegend=False,
            )
        claimed = group != "not claimed"
        figure.add_scatter(
            x=effect[rows, 0],
            y=rows,
            mode="markers",
            marker={"size": 10, "color": colour, "symbol": "circle" if claimed else "circle-open", "line": {"width": 2, "color": colour}},
            name=group,
            showlegend=bool(rows),
            text=[f"{claims[i].shown(claims[i].effect)} (95 % alone {claims[i].interval(family=False)})" for i in rows],
            hovertemplate="%{text}<extra></extra>",
        )
    below, above = ([i for i, each in enumerate(beyond) if each] for beyond in (family[:, 0] < first, family[:, 1] > last))
    figure.add_scatter(
        x=[first] * len(below) + [last] * len(above),
        y=[*below, *above],
        mode="markers",
        marker={
            "size": 8,
            "symbol": ["triangle-left"] * len(below) + ["triangle-right"] * len(above),
            "color": [_GROUPS[of[i]] for i in (*below, *above)],
        },
        name="interval goes on",
        showlegend=bool(below or above),
        text=[f"95 % of all {claims[i].interval(family=True)}" for i in (*below, *above)],
        hovertemplate="%{text}<extra></extra>",
        cliponaxis=False,
    )
    labels = [_label(claim, names=names) for claim in claims]
    lines = 1 + max(label.count("<br>") for label in labels)
    height = (ROW if lines == 1 else 36) * len(claims)
    figure.update_yaxes(tickvals=list(range(len(claims))), ticktext=labels, range=[len(claims) - 0.5, -0.5], showgrid=False)
    figure.add_vline(x=1 if log else 0, line={"color": INK, "width": 1})
    figure = styled(figure, height=130 + height, left=label_width(labels))
    unit = "percentage points" if points else f"ratio of {claims[0].outcome}" if log else f"difference of {claims[0].outcome}"
    figure.update_xaxes(title=unit)
    figure = log_axis(figure, "x") if log else figure
    figure.update_xaxes(range=seen)
    return figure


def _group(claim: Claim) -> str:
    """How an effect is coloured. The sign of an interaction follows from the order of its levels, so it is no help and no harm."""
    if not claim.claimed:
        return "not claimed"
    return "claimed interaction" if claim.kind == "interaction" else "claimed, helps" if claim.helps else "claimed, hurts"


def _seen(values: Floats, *, log: bool) -> list[float]:
    """The range of an axis that shows these values, as far as they can be drawn, and no effect. That of a log axis is in powers of ten."""
    known = np.log10(values[np.isfinite(values) & (values > 0)]) if log else values[np.isfinite(values)]
    known = np.append(known, 0.0)
    margin = 0.08 * max(float(np.ptp(known)), 1e-3)
    return [float(known.min()) - margin, float(known.max()) + margin]


def _label(claim: Claim, *, names: bool) -> str:
    second = f"{RISKS.get(claim.outcome, claim.outcome)}: {claim.compared}" if names and claim.outcome != "failed" else claim.compared
    broken = "<br>" if len(claim.setting) + len(second) > _WIDE else "  "
    return f"<b>{claim.setting}</b>{broken}{second}"
