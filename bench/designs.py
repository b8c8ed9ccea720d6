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
    "3 levels": (3,),
    "4 levels": (4,),
    "6 levels": (6,),
}
_COUNTS = {
    "switches": (4, 8, 12, 24, 40),
    "ranges": (4, 8, 12, 24, 40),
    "switches and ranges": (4, 8, 12, 24, 40),
    "mixed": (6, 12, 24, 40),
}
_FEW = (3, 5, 8)  # settings with several levels each
_SCIENTIFIC = 4

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


def _table(sampler: str, seeds: int) -> None:
    print(f"\n{sampler}, {seeds} seeds: largest |r| of two settings / of a scientific setting with an interaction of two others\n")
    print("| settings | " + " | ".join(f"{group} configs" for group in SIZES) + " |")
    print("|---" * (len(SIZES) + 1) + "|")
    for kind, turn in KINDS.items():
        for count in _COUNTS.get(kind, _FEW):
            space = space_of([turn[i % len(turn)] for i in range(count)])
            worst = {group: [0.0, 0.0] for group in SIZES}
            for seed in range(seeds):
                rows = DESIGNS[sampler](space, n_configs=200, design_seed=seed)
                for group, found in worst.items():
                    found[0] = max(found[0], *(worst_pair(space, rows[:size]) for size in SIZES[group]))
                    found[1] = max(found[1], *(worst_interaction(space, rows[:size]) for size in SIZES[group]))
            print(f"| {count} {kind} | " + " | ".join(f"{pair:.2f} / {product:.2f}" for pair, product in worst.values()) + " |", flush=True)


def main() -> None:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    for sampler in ("balanced", "sobol", "random"):
        _table(sampler, seeds)


if __name__ == "__main__":
    main()
