"""The shape of a range: how an outcome changes along it, and where it is best, from the joint model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special

from analysis import sentences
from analysis.explain import Explanation
from analysis.model import JointModel, Response
from analysis.model.curve import peaks
from analysis.model.terms import Axis, Name, axis, bend, bent_column, is_range, line
from analysis.table import Floats, Scale
from analysis.words import value_text
from ganstudy.direction import Direction

_POINTS = 41
_ALONE = 0.025  # two-sided, for each of trend and bend, so that in one of twenty curves of nothing one of them is seen
Form = Literal["rising", "falling", "valley", "hill", "uneven", "flat"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Shape:
    """The curve of one outcome over one range, P points. Values are on the outcome's own scale: rates of a risk from 0 to 1."""

    setting: str
    outcome: str
    log_axis: bool  # whether the range is logarithmic
    scale: Scale  # of the outcome
    direction: Direction  # of the outcome
    at: Floats  # [P]: values of the setting
    expected: Floats  # [P]; of a metric on the log scale the geometric mean
    low: Floats  # [P]: pointwise 95 % band
    high: Floats  # [P]
    form: Form  # what differs from a flat line, judged for this curve alone
    best: float  # the value of the setting at which the curve is best; NaN if it cannot be told
    at_edge: bool  # whether the best value is an end of the range, so that a better one may lie beyond
    values: Floats  # [U]: the setting of each unit, NaN where it is inactive
    observed: Floats  # [U]: the outcome of each unit

    @property
    def where(self) -> str:
        """Where the curve is best, in words; "" if it cannot be told."""
        if np.isnan(self.best):
            return ""
        edge = ", an end of the range: a better value may lie beyond" if self.at_edge else ""
        return f"best {'toward' if edge else 'near'} {value_text(self.best)}{edge}"

    @property
    def sentence(self) -> str:
        """The shape in words."""
        if self.form == "flat":
            return f"No change of {sentences.aspect(self.outcome)} with {self.setting} can be told from chance."
        words = {
            "rising": "rises",
            "falling": "falls",
            "valley": "has a valley",
            "hill": "has a hill",
            "uneven": "does not change evenly",
        }[self.form]
        where = f"; {self.where}" if self.where else ""
        return f"{'The risk of failure' if self.outcome == 'failed' else self.outcome} {words} along {self.setting}{where}."


def shapes(explanation: Explanation, outcome: str) -> list[Shape]:
    """Return the curves of all ranges in an outcome of the explanation, those of scientific settings first.

    A curve is a slope and a bend, adjusted for what the model of the outcome holds. Its level is the mean of the units
    in which the setting lives. The band is pointwise, and for the curve alone. A range with too few units has no curve.
    """
    model = explanation.model
    if model is None or outcome not in model.regressions:
        return []
    table = explanation.table
    names = dict.fromkeys([*table.scientific, *table.nuisance])
    ranges = [name for name in names if name in model.terms and is_range(model.units.settings[name])]
    found = [_shape(model, name, outcome, axis(model.units.settings[name], table.setting_scale(name))) for name in ranges]
    return [shape for shape in found if shape is not None]


def _shape(model: JointModel, name: str, outcome: str, over: Axis) -> Shape | None:
    response = model.regressions[outcome].response
    rows = model.terms[name].rows & np.isfinite(response.values)
    values = response.values[rows]
    terms: list[Name] = [line(name), *([bend(name)] if model.terms[bend(name)].contrasts else [])]
    if not model.terms[name].contrasts or len(values) < 4:
        return None
    fitted = _coefficients(model, outcome, terms)
    if fitted is None:
        return None
    coefficients, covariance, df = fitted
    grid, here = np.linspace(0, 1, _POINTS), over.position[rows]
    columns = np.column_stack([grid - here.mean(), bent_column(grid) - bent_column(here).mean()])[:, : len(terms)]
    working = values.mean() + columns @ coefficients
    # the spread around the mean instead of around the curve: the band is a little too wide rather than too narrow
    variance = np.einsum("pk,kl,pl->p", columns, covariance, columns) + values.var(ddof=1) / len(values)
    half = -float(special.stdtrit(df, 0.025)) * np.sqrt(np.maximum(variance, 0.0))
    sign = response.direction.sign
    form = _form(coefficients, covariance, df, peak=len(terms) == 2 and peaks(model, outcome, name))
    best = _best(form, sign, coefficients)
    return Shape(
        setting=name,
        outcome=outcome,
        log_axis=over.log,
        scale=response.scale,
        direction=response.direction,
        at=np.array([over.value(position) for position in grid]),
        expected=_own(response, working),
        low=_own(response, working - half),
        high=_own(response, working + half),
        form=form,
        best=over.value(best) if np.isfinite(best) else best,
        at_edge=best in (0.0, 1.0),
        values=np.array([over.value(position) for position in over.position]),
        observed=_own(response, response.values),
    )


def _coefficients(model: JointModel, outcome: str, terms: Sequence[Name]) -> tuple[Floats, Floats, int] | None:
    """Return the coefficients [k] of terms of one column each, their covariance [k, k] and degrees of freedom; None if they are unknown."""

    def combined(weights: Floats) -> tuple[float, float, int]:
        columns = {name: np.array([weight]) for name, weight in zip(terms, weights, strict=True)}
        return model.combination(outcome, columns, without=model.terms[terms[0]].settings)

    eye = np.eye(len(terms))
    single = [combined(row) for row in eye]
    estimates, variances = np.array([each[0] for each in single]), np.array([each[1] for each in single]) ** 2
    covariance, df = np.diag(variances), single[0][2]
    if len(terms) == 2:
        covariance[0, 1] = covariance[1, 0] = (combined(eye.sum(axis=0))[1] ** 2 - variances.sum()) / 2
    known = df >= 2 and np.isfinite(estimates).all() and np.isfinite(covariance).all() and bool((variances > 0).all())
    return (estimates, covariance, df) if known else None


def _form(coefficients: Floats, covariance: Floats, df: int, *, peak: bool) -> Form:
    """The shape, as far as chance does not explain it: a valley or a hill if it differs from both ends where its vertex is."""
    limit = -float(special.stdtrit(df, _ALONE / 2))
    clear = np.abs(coefficients) > limit * np.sqrt(np.diag(covariance))
    if len(coefficients) == 2 and clear[1] and peak:
        return "hill" if coefficients[1] > 0 else "valley"
    if clear[0]:
        return "rising" if coefficients[0] > 0 else "falling"
    return "uneven" if clear.any() else "flat"


def _best(form: Form, sign: float, coefficients: Floats) -> float:
    """The position of the best value, 0 to 1; NaN if it cannot be told.

    Only a valley or a hill is known to turn, so only its vertex can be a best value inside the range. A curve that rises or falls is best at
    an end if the fitted curve is; if it turns before, the turn may be chance, and so may the end.
    """
    if form == ("valley" if sign > 0 else "hill"):
        return float(np.clip(0.5 + coefficients[0] / (8 * coefficients[1]), 0.0, 1.0))
    if form in ("rising", "falling"):
        grid = np.linspace(0, 1, _POINTS)
        fitted = np.column_stack([grid, bent_column(grid)])[:, : len(coefficients)] @ coefficients
        end, best = float((form == "rising") == (sign < 0)), float(grid[np.argmin(sign * fitted)])
        return end if best == end else float("nan")
    return float("nan")


def _own(response: Response, values: Floats) -> Floats:
    """Return working values on the outcome's own scale."""
    if response.scale == "log":
        return np.asarray(np.exp(values))
    return values if response.part == "objective" else np.clip(values, 0.0, 1.0)
