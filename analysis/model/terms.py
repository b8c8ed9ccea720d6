"""Terms of the joint model: the levels of a choice, the trend and the bend of a range, and interactions of two settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.levels import distinct_values, is_numeric
from analysis.table import Bools, Floats, Scale
from analysis.words import bound, value_texts

_PAIRS = 8  # levels up to which all of them are compared with each other; beyond, with the reference only
CELL = 2  # units that each side of a comparison needs
Kind = Literal["levels", "trend", "bend", "interaction", "covariate"]
MOST = 4_000  # columns of interactions; beyond, they are not compared
Name = str | tuple[str, ...]  # a setting, for its levels or its trend; otherwise a kind and its settings
SIZE: Name = ("size",)


@dataclass(frozen=True, eq=False)
class Contrast:
    """One comparison within a term: `weights` [k] over its columns, and the units [U] on its two sides.

    `levels` and `references` have one text for each setting of the term.
    """

    weights: Floats
    levels: tuple[str, ...]
    references: tuple[str, ...]
    inside: Bools
    outside: Bools
    cells: tuple[Bools, ...] = ()  # of an interaction: the four combinations of two levels

    def carried(self, rows: npt.NDArray[np.int64]) -> bool:
        """Whether the units `rows` have enough on each side."""
        return min(int(side[rows].sum()) for side in (self.inside, self.outside, *self.cells)) >= CELL


@dataclass(frozen=True, eq=False)
class Term:
    """Columns [U, k] of the model, centred over the units `rows` [U] in which they live, and 0 elsewhere."""

    name: Name
    kind: Kind
    settings: tuple[str, ...]
    columns: Floats
    rows: Bools
    contrasts: tuple[Contrast, ...]
    needs: tuple[Name, ...] = ()  # the terms that it is always adjusted for

    @property
    def label(self) -> str:
        """The term in words."""
        if self.kind == "covariate":
            return f"the slope of {self.settings[0]}" if self.settings else "the number of trials of a config"
        return f"the bend of {self.settings[0]}" if self.kind == "bend" else " × ".join(self.settings)


@dataclass(frozen=True, eq=False)
class Axis:
    """A range on its own scale: `position` [U] runs from 0 at `low` to 1 at `high`; NaN where inactive."""

    position: Floats
    low: float
    high: float
    log: bool

    def value(self, position: float) -> float:
        """The value of the setting at a position."""
        if position in (0.0, 1.0):  # exact, without rounding
            return self.high if position else self.low
        if self.log:
            return float(np.exp(np.log(self.low) + position * (np.log(self.high) - np.log(self.low))))
        return self.low + position * (self.high - self.low)


def is_range(column: pd.Series) -> bool:
    """Whether a setting is a range: numbers that are not from a list, more than two of them."""
    active = column.dropna()
    return is_numeric(active) and active.nunique() > 2


def axis(column: pd.Series, scale: Scale) -> Axis:
    """Return the axis of a range."""
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    log = scale == "log"
    moved = np.log(values) if log else values
    least, most = np.nanmin(moved), np.nanmax(moved)
    return Axis((moved - least) / (most - least), low, high, log)


def terms_of(settings: pd.DataFrame, scientific: Sequence[str], nuisance: Sequence[str], scales: Mapping[str, Scale]) -> dict[Name, Term]:
    """Return the terms by name: those of each setting, then the interactions of any two scientific settings that have enough units.

    A setting that does not vary has no term. `scales` holds the scale of each range. If there are too many interactions, none is included.
    """
    found: dict[Name, Term] = {}
    for name in (*scientific, *nuisance):
        column = settings[name]
        if column.dropna().nunique() < 2:
            continue
        for term in _range(name, column, scales[name]) if is_range(column) else [_levels(name, column)]:
            found[term.name] = term
    mains = [found[name] for name in scientific if name in found]
    if interactions_of(found, scientific) > MOST:
        return found
    for one, other in combinations(mains, 2):
        term = _interaction(one, other)
        if term.contrasts:
            found[term.name] = term
    return found


def interactions_of(terms: Mapping[Name, Term], scientific: Sequence[str]) -> int:
    """The number of columns that the interactions of these settings would have."""
    widths = [terms[name].columns.shape[1] for name in scientific if name in terms]
    return sum(one * other for one, other in combinations(widths, 2))


def line(name: str) -> Name:
    """The name of the term for a straight line along a range, which its bend is adjusted for."""
    return "line", name


def bend(name: str) -> Name:
    """The name of the term for the bend of a range."""
    return "bend", name


def interaction(one: str, other: str) -> Name:
    """The name of the term for the interaction of two settings."""
    return "interaction", one, other


def size_term(sizes: npt.NDArray[np.int64]) -> Term:
    """Return a term without contrasts that separates units by their number of trials, in the groups `sizes` [U]."""
    columns = (sizes[:, None] == np.unique(sizes)[1:]).astype(np.float64)
    rows = np.ones(len(sizes), dtype=bool)
    return Term(SIZE, "covariate", (), _centred(columns, rows), rows, ())


def compared_levels(n: int) -> list[tuple[int, int]]:
    """The pairs of the n levels of a choice that are compared: all of up to eight levels, else each one with the first, the reference."""
    return list(combinations(range(n), 2)) if n <= _PAIRS else [(0, j) for j in range(1, n)]


def _levels(name: str, column: pd.Series) -> Term:
    active = column.notna().to_numpy()
    values = distinct_values(column.dropna())
    members = [np.array([not pd.isna(v) and v == value for v in column], dtype=bool) for value in values]
    columns = np.column_stack([member.astype(np.float64) for member in members[1:]])
    labels = value_texts(values)
    eye = np.vstack([np.zeros(len(values) - 1), np.eye(len(values) - 1)])  # the reference is the zero of all columns
    contrasts = tuple(
        Contrast(eye[j] - eye[i], (labels[j],), (labels[i],), members[j], members[i])
        for i, j in compared_levels(len(values))
        if min(members[i].sum(), members[j].sum()) >= CELL
    )
    return Term(name, "levels", (name,), _centred(columns, active), active, contrasts)


def _range(name: str, column: pd.Series, scale: Scale) -> list[Term]:
    """The trend compares the lowest with the highest third of the units (Gelman & Park 2009): unlike the slope of a line it means the same
    whatever the curve is, and it has nearly the power of the slope.
    """
    found = axis(column, scale)
    active = np.isfinite(found.position)
    at = np.where(active, found.position, 0.5)
    lower, upper = thirds(found)
    middle = active & (np.abs(at - 0.5) <= 0.25)
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    level, reference = bound(float(values[upper].min()), values, least=True), bound(float(values[lower].max()), values, least=False)
    trend = Contrast(np.ones(1), (f"{level} or more",), (f"{reference} or less",), upper, lower)
    bent = Contrast(np.ones(1), ("its middle",), ("its ends",), middle, active & ~middle)
    enough = min(upper.sum(), lower.sum()) >= CELL
    return [
        Term(name, "trend", (name,), _centred((upper.astype(np.float64) - lower)[:, None] / 2, active), active, (trend,) if enough else ()),
        Term(line(name), "covariate", (name,), _centred(at[:, None], active), active, ()),
        # from the ends to the middle the column rises by 1
        Term(
            bend(name),
            "bend",
            (name,),
            _centred(bent_column(at)[:, None], active),
            active,
            (bent,) if active.sum() >= 3 * CELL and len(set(at[active])) > 2 else (),
            needs=(line(name),),
        ),
    ]


def thirds(over: Axis) -> tuple[Bools, Bools]:
    """Return the units [U] in the lowest and in the highest third of a range, counted in units."""
    at = np.where(np.isfinite(over.position), over.position, 0.5)
    low, high = np.nanquantile(over.position, [1 / 3, 2 / 3])
    active = np.isfinite(over.position)
    if low == np.nanmax(over.position):  # two thirds and more have the largest value
        return active & (at < low), active & (at >= low)
    return active & (at <= low), active & (at >= high) & (at > low)


def bent_column(position: Floats) -> Floats:
    """The column of a bend: 0 at the ends of the range, 1 in the middle."""
    return np.asarray(1 - 4 * (position - 0.5) ** 2)


def _interaction(one: Term, other: Term) -> Term:
    """Products of centred columns, so that the main effects stay averages over the other setting."""
    rows = one.rows & other.rows
    products, contrasts = [], []
    shape = one.columns.shape[1], other.columns.shape[1]
    for i, j in np.ndindex(*shape):
        products.append(_centred(one.columns[:, [i]], rows) * _centred(other.columns[:, [j]], rows))
        first, second = _of_column(one, i), _of_column(other, j)
        if first is None or second is None:
            continue
        cells = tuple(a & b & rows for a in (first.inside, first.outside) for b in (second.inside, second.outside))
        if min(cell.sum() for cell in cells) >= CELL:
            weights = np.zeros(shape)
            weights[i, j] = 1.0
            levels, references = first.levels + second.levels, first.references + second.references
            contrasts.append(Contrast(weights.ravel(), levels, references, cells[0] | cells[3], cells[1] | cells[2], cells))
    settings = one.settings + other.settings
    columns = _centred(np.hstack([np.empty((len(rows), 0)), *products]), rows)
    return Term(interaction(*settings), "interaction", settings, columns, rows, tuple(contrasts), needs=(one.name, other.name))


def _of_column(term: Term, i: int) -> Contrast | None:
    """The contrast that stands for a column alone: of its level with the reference, or of the ends of a range."""
    alone = (contrast for contrast in term.contrasts if (contrast.weights != 0).sum() == 1 and contrast.weights[i] == 1)
    return next(alone, None)


def _centred(columns: Floats, rows: Bools) -> Floats:
    return np.where(rows[:, None], columns - columns[rows].mean(axis=0) if rows.any() else columns, 0.0)
