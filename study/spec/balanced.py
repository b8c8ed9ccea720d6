"""The balanced design: every setting takes its values equally often, and no two settings take them together.

A choice deals its levels in rounds. A range deals the 12 equal parts of its scale once in each block of 12 configs, and within each part a
van der Corput sequence, so that after 2^k blocks each of 12 · 2^k parts has one value: a nested Latin hypercube (McKay et al. 1979; Qian 2009).
`study.spec.exchange` decides which values meet in a config.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from study.spec.domains import at
from study.spec.exchange import BLOCK, UNIT, Bools, Exchange, Floats
from study.spec.space import Space
from trainables.config import need_of


def balanced_rows(space: Space, *, n_configs: int, design_seed: int, cells: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Return n_configs points of the space. The first n of them depend only on the space, the seed and the cells.

    cells: combinations of settings. If given, the configs take them in rounds, each in random order, and only the other settings are dealt.
    """
    rng = np.random.default_rng(design_seed)
    domains = space.domains
    chosen = set(cells[0]) if cells else set()
    depths = {name: 0 if name in chosen else _depth(space, name) for name in domains}
    cell = (cells[i] for _ in count() for i in rng.permutation(len(cells)))
    always = [_Setting(name, domain, rng) for name, domain in domains.items() if not depths[name]]
    sometimes = [_Setting(name, domains[name], rng) for name in sorted(domains, key=depths.__getitem__) if depths[name]]
    exchange = Exchange(
        [setting.columns for setting in always],
        scientific=[setting.name in space.scientific for setting in always],
        two_sided=[setting.two_sided for setting in always],
        fixed=[setting.name in chosen for setting in always],
    )
    rows: list[dict[str, Any]] = []
    while len(rows) < n_configs:
        given = [next(cell) for _ in range(BLOCK)] if cells else []
        dealt = []
        for number, setting in enumerate(always):
            values = [row[setting.name] for row in given] if setting.name in chosen else setting.deal(BLOCK)
            dealt.append([values[i] for i in rng.permutation(BLOCK)] if exchange.is_shuffled(number) else values)
        orders = exchange.add([setting.coded(values) for setting, values in zip(always, dealt, strict=True)], rng)
        block: list[dict[str, Any]] = [
            {setting.name: values[order[i]] for setting, values, order in zip(always, dealt, orders, strict=True)} for i in range(BLOCK)
        ]
        for setting in sometimes:
            lives = np.array([_lives(space, setting.name, row) for row in block])
            values = setting.deal_where(lives)
            order = exchange.place(setting.coded(values), lives)
            for row, i in zip(block, order, strict=True):
                row[setting.name] = values[i]
        rows += block
    return [{name: row[name] for name in domains} for row in rows[:n_configs]]


@dataclass
class _Setting:
    """Deals the values of a setting and codes them as columns."""

    name: str
    domain: BaseDistribution
    rng: np.random.Generator

    def __post_init__(self) -> None:
        self._live, self._idle = self._stream(), self._stream()
        if isinstance(self.domain, CategoricalDistribution):
            k = len(self.domain.choices)
            indicators = (np.eye(k) - 1 / k) * k / np.sqrt(k - 1)
            self._codes = {
                repr(choice): row for choice, row in zip(self.domain.choices, indicators[:, :1] if k == 2 else indicators, strict=True)
            }
        else:
            values = self._on_scale([at(self.domain, (i + 0.5) / 240) for i in range(240)])
            self._centre, self._spread = values.mean(), values.std() or 1.0

    @property
    def columns(self) -> int:
        """The number of columns: an indicator for each level of a choice; one for a choice of two, and for a range."""
        k = len(self.domain.choices) if isinstance(self.domain, CategoricalDistribution) else 1
        return 1 if k == 2 else k

    @property
    def two_sided(self) -> bool:
        return self.columns == 1

    def deal(self, n: int) -> list[Any]:
        """Return the next n values. Of a choice of two and of a range, each two are opposite."""
        return [next(self._live) for _ in range(n)]

    def deal_where(self, lives: Bools) -> list[Any]:
        """Return a value for each row. Those of live rows are balanced among themselves."""
        return [next(self._live if live else self._idle) for live in lives]

    def coded(self, values: list[Any]) -> Floats:
        """Return the columns [n, c] of values: whole numbers with standard deviation UNIT over all values of the setting."""
        if isinstance(self.domain, CategoricalDistribution):
            return np.asarray(np.rint(UNIT * np.array([self._codes[repr(value)] for value in values])))
        return np.asarray(np.rint(UNIT * (self._on_scale(values) - self._centre) / self._spread)[:, None])

    def _on_scale(self, values: list[Any]) -> Floats:
        assert isinstance(self.domain, (FloatDistribution, IntDistribution))
        numbers: Floats = np.array(values, dtype=np.float64)
        return np.log(numbers) if self.domain.log else numbers

    def _stream(self) -> Iterator[Any]:
        if isinstance(self.domain, CategoricalDistribution):
            while True:
                for level in self.rng.permutation(len(self.domain.choices)):
                    yield self.domain.choices[level]
        parts = BLOCK // 2
        shifts = self.rng.integers(2**32, size=parts)
        for number in count():
            van_der_corput = int(f"{number:032b}"[::-1], 2)
            for part in self.rng.permutation(parts):
                u = (part + ((van_der_corput ^ int(shifts[part])) + 0.5) / 2**32) / BLOCK
                pair = (u, 1 - u)
                for i in self.rng.permutation(2):
                    yield at(self.domain, pair[i])


def _decided(space: Space) -> set[str]:
    """Return the settings whose values the space decides; the others are in the base, which a design does not know."""
    return {*space.domains, *(name for variants in space.variants.values() for bundle in variants.values() for name in bundle)}


def _depth(space: Space, name: str) -> int:
    """Return 0 for a setting that always lives as far as the space decides, 1 if it needs one of these, 2 if it needs one of those, …"""
    need = need_of(name)
    known = [other for other in need.names if other in _decided(space)] if need else []
    return 1 + max(_depth(space, other) for other in known) if known else 0


def _lives(space: Space, name: str, row: Mapping[str, Any]) -> bool:
    """Return whether a setting lives in a row, as far as the space decides."""
    flat = space.spelt_out(row)

    def met(setting: str) -> bool:
        need = need_of(setting)
        known = [other for other in need.names if other in _decided(space)] if need else []
        return need is None or not known or any(other in flat and flat[other] in need.values() and met(other) for other in known)

    return met(name)
