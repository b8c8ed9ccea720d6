"""Designs: the configs of a study with goal: explain.

A design is randomised and fixed before the first trial, so that differences between configs can be read as effects of settings.
"""

from itertools import product
from typing import Any

import numpy as np
from optuna.distributions import CategoricalDistribution
from scipy.stats import qmc

from study.spec.errors import SpecError
from study.spec.space import Space, at


def rows(space: Space, *, sampler: str, n_configs: int, design_seed: int) -> list[dict[str, Any]]:
    """Return n_configs rows of values, one value per setting of the space. A longer design begins with the shorter one.

    Settings of tricks that are off still have values here; StudySpec.asked leaves them out.

    sobol: a scrambled Sobol sequence over all domains (Owen 1998). random: independent uniforms.
    factorial: rounds of all combinations of the scientific choices, each round in random order; nuisance settings from a Sobol sequence.
    """
    domains, rng = space.domains, np.random.default_rng(design_seed)
    if sampler == "factorial":
        domains = {name: domain for name, domain in domains.items() if name in space.nuisance}
    uniforms = rng.random((n_configs, len(domains))) if sampler == "random" else _sobol(n_configs, len(domains), rng)
    drawn: list[dict[str, Any]] = [
        {name: at(domain, u) for (name, domain), u in zip(domains.items(), row, strict=True)} for row in uniforms
    ]
    if sampler == "factorial":
        cells = factorial(space)
        # A new order in each round: with a fixed order, each cell would get only part of the Sobol sequence, so part of the nuisance ranges.
        rng = np.random.default_rng(design_seed)
        order = np.concatenate([rng.permutation(len(cells)) for _ in range(-(-len(drawn) // len(cells)))])
        drawn = [cells[cell] | row for cell, row in zip(order, drawn, strict=False)]
    return drawn


def factorial(space: Space) -> list[dict[str, Any]]:
    """Return all combinations of the scientific settings, which must all be choices."""
    choices = {name: domain.choices for name, domain in space.scientific.items() if isinstance(domain, CategoricalDistribution)}
    return [dict(zip(choices, cell, strict=True)) for cell in product(*choices.values())]


def _sobol(n: int, dims: int, rng: np.random.Generator) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the first n numbers of a scrambled Sobol sequence, [n, dims], in [0, 1)."""
    if not dims:
        return np.zeros((n, 0))
    sampler = qmc.Sobol(dims, scramble=True, rng=rng)
    drawn: np.ndarray[Any, np.dtype[np.float64]] = sampler.random_base2(max(1, int(np.ceil(np.log2(n)))))[:n]
    return drawn


def seed_of(design_seed: int, *, config: int, replicate: int) -> int:
    """Return a unique seed for a trial. Seed 20003007 is design seed 2, config 3, replicate 7."""
    return 10_000_000 * design_seed + 1_000 * config + replicate


def cells_of(space: Space) -> int:
    """Return the number of combinations of a factorial design. Raises SpecError if a scientific setting is a range."""
    n = 1
    for name, distribution in space.scientific.items():
        if not isinstance(distribution, CategoricalDistribution):
            raise SpecError(
                ("space", "scientific", name),
                f"sampler: factorial needs choices, and {name} is a range; list the values, or use sampler: sobol",
            )
        n *= len(distribution.choices)
    return n
