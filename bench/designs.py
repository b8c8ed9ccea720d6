"""The largest correlations in designs of `goal: explain`, by sampler, number of settings and number of configs.

`python -m bench.designs` prints the tables of docs/designs.md, in a few minutes on one core; `python -m bench.designs 20` takes 20 seeds instead of 5.
"""

import sys
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from study.spec.design import DESIGNS
from study.spec.space import Space

SIZES = {"12 to 23": range(12, 24), "24 to 31": range(24, 32), "32 to 63": range(32, 64), "64 to 200": (64, 65, 70, 80, 100, 130, 200)}
KINDS: dict[str, tuple[int, ...]] = {  # levels of the settings, in turn; 0: a range
    "switches": (2,),
    "ranges": (0,),
    "switches and ranges": (2, 0),
    "mixed": (2, 0, 3, 2, 0, 4),
    "choices of 3": (3,),
    "choices of 4": (4,),
    "choices of 6": (6,),
}
_COUNTS = {
    "switches": (4, 8, 12, 24, 40),
    "ranges": (4, 8, 12, 24, 40),
    "switches and ranges": (4, 8, 12, 24, 40),
    "mixed": (6, 12, 24, 40),
}
_FEW = (3, 5, 8)  # settings with several levels each
_SCIENTIFIC = 4
_SAMPLERS = ("balanced", "sobol", "random")

Floats = npt.NDArray[np.float64]


def space_of(levels: Sequence[int], *, scientific: int = _SCIENTIFIC) -> Space:
    """Return a space of settings x0, x1, …; the first ones are scientific."""
    domains: dict[str, BaseDistribution] = {
        f"x{i}": CategoricalDistribution(list(range(k))) if k else FloatDistribution(0.0, 1.0) for i, k in enumerate(levels)
    }
    names = list(domains)
    return Space(
        scientific={name: domains[name] for name in names[:scientific]}, nuisance={name: domains[name] for name in names[scientific:]}
    )


def columns(space: Space, rows: Sequence[dict[str, Any]]) -> list[Floats]:
    """Return the standardised columns [rows, c] of each setting: an indicator of each level, one column for a choice of two and for a range."""
    found = []
    for name, domain in space.domains.items():
        values = np.array([row[name] for row in rows], dtype=np.float64)[:, None]
        if isinstance(domain, CategoricalDistribution) and len(domain.choices) > 2:
            values = (values == np.array(domain.choices)).astype(np.float64)
        centred = values - values.mean(axis=0)
        found.append(centred / np.where(centred.any(axis=0), np.sqrt((centred**2).mean(axis=0)), 1.0))
    return found


def worst_pair(space: Space, rows: Sequence[dict[str, Any]]) -> float:
    """Return the largest |r| of columns of two settings."""
    coded = columns(space, rows)
    owner = np.repeat(np.arange(len(coded)), [len(each.T) for each in coded])
    r = np.abs(np.hstack(coded).T @ np.hstack(coded)) / len(rows)
    return float(np.where(owner[:, None] != owner, r, 0).max())


def worst_interaction(space: Space, rows: Sequence[dict[str, Any]]) -> float:
    """Return the largest |r| of a column of a scientific setting with a product of columns of two others."""
    coded, worst = [each for name, each in zip(space.domains, columns(space, rows), strict=True) if name in space.scientific], 0.0
    for a, b in combinations(range(len(coded)), 2):
        product = (coded[a][:, :, None] * coded[b][:, None, :]).reshape(len(rows), -1)
        product = product - product.mean(axis=0)
        product /= np.where(product.std(axis=0) > 1e-9, product.std(axis=0), 1.0)
        worst = max(worst, *(float(np.abs(coded[c].T @ product).max()) / len(rows) for c in range(len(coded)) if c not in (a, b)))
    return worst


def _worst(space: Space, sampler: str, seeds: int) -> list[tuple[float, float]]:
    """Return for each group of sizes the largest |r| of two settings, and of a scientific setting with an interaction."""
    designs = [DESIGNS[sampler](space, n_configs=200, design_seed=seed) for seed in range(seeds)]
    return [
        (
            max(worst_pair(space, rows[:size]) for rows in designs for size in sizes),
            max(worst_interaction(space, rows[:size]) for rows in designs for size in sizes),
        )
        for sizes in SIZES.values()
    ]


def main() -> None:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    head = "| settings | " + " | ".join(f"{group} configs" for group in SIZES) + " |\n" + "|---" * (len(SIZES) + 1) + "|"
    tables = ([head], [head])
    for kind, turn in KINDS.items():
        for count in _COUNTS.get(kind, _FEW):
            space = space_of([turn[i % len(turn)] for i in range(count)])
            worst = [_worst(space, sampler, seeds) for sampler in _SAMPLERS]
            for what, table in enumerate(tables):
                cells = (", ".join(f"{found[group][what]:.2f}" for found in worst) for group in range(len(SIZES)))
                table.append(f"| {count} {kind} | " + " | ".join(cells) + " |")
            print(f"{count} {kind} done", file=sys.stderr)
    for pair, table in zip(("two settings", "a scientific setting and the interaction of two others"), tables, strict=True):
        print(f"\nLargest |r| of {pair}, {seeds} seeds: {', '.join(_SAMPLERS)}\n", *table, sep="\n")


if __name__ == "__main__":
    main()
