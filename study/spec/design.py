"""Designs: which configurations a study that explains looks at. Randomised, and fixed before the first run, so that effects are effects."""

from itertools import product
from typing import Any

import numpy as np
from optuna.distributions import CategoricalDistribution
from scipy.stats import qmc

from study.spec.errors import SpecError
from study.spec.space import Space, at


def points(space: Space, *, sampler: str, n_configs: int, design_seed: int) -> list[dict[str, Any]]:
    """The n_configs points of the space; StudySpec.asked leaves out the settings of tricks that are off. A longer design begins with the shorter one.

    sobol: a scrambled Sobol sequence over all domains (Owen 1998); random: independent uniforms;
    factorial: rounds of every combination of the scientific choices, each in random order, the nuisance settings from a Sobol sequence.
    """
    domains, rng = space.domains, np.random.default_rng(design_seed)
    if sampler == "factorial":
        domains = {name: domain for name, domain in domains.items() if name in space.nuisance}
    uniforms = rng.random((n_configs, len(domains))) if sampler == "random" else sobol(n_configs, len(domains), rng)
    rows: list[dict[str, Any]] = [{name: at(domain, u) for (name, domain), u in zip(domains.items(), row, strict=True)} for row in uniforms]
    if sampler == "factorial":
        cells = factorial(space)
        # a new order each round: a fixed one would give each cell its own part of the Sobol points, and so of the nuisance settings
        rng = np.random.default_rng(design_seed)
        order = np.concatenate([rng.permutation(len(cells)) for _ in range(-(-len(rows) // len(cells)))])
        rows = [cells[cell] | row for cell, row in zip(order, rows, strict=False)]
    return rows


def factorial(space: Space) -> list[dict[str, Any]]:
    """Every combination of the scientific settings, all of which are choices."""
    choices = {name: domain.choices for name, domain in space.scientific.items() if isinstance(domain, CategoricalDistribution)}
    return [dict(zip(choices, cell, strict=True)) for cell in product(*choices.values())]


def sobol(n: int, dims: int, rng: np.random.Generator) -> np.ndarray[Any, np.dtype[np.float64]]:
    """[n, dims] in [0, 1)."""
    if not dims:
        return np.zeros((n, 0))
    sampler = qmc.Sobol(dims, scramble=True, rng=rng)
    drawn: np.ndarray[Any, np.dtype[np.float64]] = sampler.random_base2(max(1, int(np.ceil(np.log2(n)))))[:n]
    return drawn


def seed_of(design_seed: int, *, config: int, replicate: int) -> int:
    """A seed of its own for every trial: s20003007 is configuration 3's eighth run in the design of seed 2."""
    return 10_000_000 * design_seed + 1_000 * config + replicate


def cells_of(space: Space) -> int:
    """How many combinations a factorial design has. SpecError where a scientific setting is not a choice."""
    n = 1
    for name, distribution in space.scientific.items():
        if not isinstance(distribution, CategoricalDistribution):
            raise SpecError(
                ("space", "scientific", name),
                f"sampler: factorial needs choices, and {name} is a range; list the values, or use sampler: sobol",
            )
        n *= len(distribution.choices)
    return n
