"""Confounding: which settings vary so much together that their effects cannot be told apart."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.levels import distinct_values, is_numeric
from analysis.table import Floats

_NO_SPREAD = 1e-9  # variance of a column that is constant but for rounding; the columns are standardised

_ROUNDING = 1e-9


@dataclass(frozen=True)
class Confounded:
    """A setting that varies together with another setting, or with the interaction of two others."""

    setting: str
    others: tuple[str, ...]  # one setting, or the two of an interaction
    r: float  # the largest correlation of a column of `setting` with one of `others`, with its sign; 1 or -1: identical
    n: int  # configs in which all of them are active


def limit(n: int, *, interaction: bool = False) -> float:
    """Return the smallest |r| that counts as confounded among n configs: .5, and .3 from 24 configs on, if no interaction is involved."""
    return 0.3 if n >= 24 and not interaction else 0.5


def confounded(settings: pd.DataFrame, scientific: Collection[str] = ()) -> list[Confounded]:
    """Return the pairs of settings with |r| of at least `limit`, then the settings confounded with an interaction, each with the largest |r| first.

    settings: a row per config; NaN or None where a setting is inactive. A correlation is taken among the rows in which all settings concerned
    are active. scientific: the settings whose two-factor interactions are compared with the other settings among them.

    The columns of a setting are the ranks of its numbers, or an indicator of each level of a categorical column, of names or of booleans; two
    levels make one column. An interaction has the products of the centred columns of its two settings.
    """
    columns = [_Columns.of(str(name), settings[name]) for name in settings]
    every = _Columns.joined(columns, len(settings))
    pairs = _hits(every, every, settings)
    asked = [each for each in columns if each.owners and each.owners[0][0] in scientific]
    mains, interactions = _Columns.joined(asked, len(settings)), []
    for i, first in enumerate(asked[:-1]):
        interactions += _hits(mains, first.times(_Columns.joined(asked[i + 1 :], len(settings))), settings)
    return [*_sorted(pairs), *_sorted(interactions)]


@dataclass(frozen=True)
class _Columns:
    """Columns [rows, c], standardised, 0 where inactive; where they are active, as 0 and 1; and the settings that each belongs to."""

    values: Floats
    active: Floats
    owners: list[tuple[str, ...]]

    @classmethod
    def of(cls, name: str, column: pd.Series) -> "_Columns":
        live = column.dropna()
        present = column.notna().to_numpy()
        if is_numeric(live):
            coded = live.astype(float).rank().to_numpy()[:, None]
        else:
            values = distinct_values(live)
            values = values[1:] if len(values) == 2 else values
            coded = np.array([[each == value for value in values] for each in live], dtype=np.float64).reshape(len(live), len(values))
        spread = coded.std(axis=0) if len(coded) else np.zeros(coded.shape[1])
        coded = coded[:, spread > _NO_SPREAD]
        full = np.zeros((len(column), coded.shape[1]))
        full[present] = (coded - coded.mean(axis=0)) / coded.std(axis=0) if coded.size else coded
        return cls(full, np.repeat(present[:, None], full.shape[1], axis=1).astype(np.float64), [(name,)] * full.shape[1])

    @classmethod
    def joined(cls, parts: "Sequence[_Columns]", rows: int) -> "_Columns":
        none = np.empty((rows, 0))
        return cls(
            np.hstack([none, *(part.values for part in parts)]),
            np.hstack([none, *(part.active for part in parts)]),
            [owner for part in parts for owner in part.owners],
        )

    def times(self, others: "_Columns") -> "_Columns":
        """Return the product of each column with each of the others."""
        rows = len(self.values)
        return _Columns(
            (self.values[:, :, None] * others.values[:, None, :]).reshape(rows, -1),
            (self.active[:, :, None] * others.active[:, None, :]).reshape(rows, -1),
            [(*a, *b) for a in self.owners for b in others.owners],
        )


def _correlations(a: _Columns, b: _Columns) -> tuple[Floats, Floats]:
    """Return the correlations [A, B] of columns among the rows in which both are active, 0 where one is constant there, and these numbers of rows."""
    n = a.active.T @ b.active
    rows = np.maximum(n, 1)
    sum_a, sum_b = a.values.T @ b.active, a.active.T @ b.values
    var_a = (a.values**2).T @ b.active / rows - (sum_a / rows) ** 2
    var_b = a.active.T @ b.values**2 / rows - (sum_b / rows) ** 2
    both = (var_a > _NO_SPREAD) & (var_b > _NO_SPREAD)
    covariance = a.values.T @ b.values / rows - sum_a * sum_b / rows**2
    return np.where(both, covariance / np.sqrt(np.where(both, var_a * var_b, 1.0)), 0.0), n


def _hits(mains: _Columns, others: _Columns, settings: pd.DataFrame) -> list[Confounded]:
    """Return what is confounded, once for each combination of settings, with its largest correlation."""
    place = {name: i for i, name in enumerate(settings)}
    interaction = len(others.owners[0]) == 2 if others.owners else False
    r, n = _correlations(mains, others)
    found: dict[tuple[str, ...], Confounded] = {}
    for i, j in np.argwhere(np.abs(r) > limit(len(settings), interaction=interaction) - _ROUNDING):  # the limit falls with n
        (setting,), other = mains.owners[i], others.owners[j]
        if abs(r[i, j]) < limit(int(n[i, j]), interaction=interaction) - _ROUNDING or setting in other:
            continue
        if not interaction and place[setting] > place[other[0]]:
            continue
        known = found.get((setting, *other))
        if known is None or abs(r[i, j]) > abs(known.r) + _ROUNDING:
            found[setting, *other] = Confounded(setting, other, float(r[i, j]), int(n[i, j]))
    return list(found.values())


def _sorted(found: list[Confounded]) -> list[Confounded]:
    return sorted(found, key=lambda each: -round(abs(each.r), 9))
