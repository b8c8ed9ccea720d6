"""Designs: the configs of a study with goal: explain.

A design is randomised and fixed before the first trial, so that differences between configs can be read as effects of settings.
To add one, here or in a plugin: a function as `Design` describes, with `@DESIGNS.register("name")`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from typing import Any, Protocol

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution
from scipy.stats import qmc

from ganstudy.registry import Registry
from study.spec.balanced import balanced_rows
from study.spec.domains import at
from study.spec.errors import SpecError
from study.spec.space import Space

MAX_CONFIGS = 100_000  # of a study; it takes half a minute to make the design of so many
_FIRST_OF_SEARCH, _CONFIRMING = 5_000, 9_999  # numbers of configs in seeds
MAX_SEED = 10**11  # of a design; the seeds of its trials are below 2^63, as PyTorch's must be


class Design(Protocol):
    """A randomised design: all its configs are fixed before the first trial."""

    def __call__(self, space: Space, *, n_configs: int, design_seed: int) -> list[dict[str, Any]]:
        """Return n_configs points of the space, {setting: value}. A longer design must begin with the shorter one, so that studies can be extended."""


DESIGNS: Registry[Design] = Registry("sampler of goal: explain")


def rows_of(name: str, space: Space, *, n_configs: int, design_seed: int) -> Sequence[Mapping[str, Any]]:
    """Return the configs of the design `name`, {setting: value}. Raises UserError for an unknown name."""
    return _made(_Asked(DESIGNS.pick(name), n_configs, design_seed, repr(space), space))


@dataclass(frozen=True)
class _Asked:
    """A design; equal ones have the same rows."""

    design: Design
    n_configs: int
    design_seed: int
    written: str  # the space, in words that tell it from any other
    space: Space = field(compare=False)


@lru_cache(maxsize=2)  # the checks, the dry run and the launch of a study each ask for its design
def _made(asked: _Asked) -> Sequence[Mapping[str, Any]]:
    return asked.design(asked.space, n_configs=asked.n_configs, design_seed=asked.design_seed)


@DESIGNS.register("balanced")
def balanced_design(space: Space, *, n_configs: int, design_seed: int) -> list[dict[str, Any]]:
    """Balanced choices and stratified ranges, ordered so that no two settings vary together. Li & Wu 1997"""
    return balanced_rows(space, n_configs=n_configs, design_seed=design_seed)


@DESIGNS.register("sobol")
def sobol_design(space: Space, *, n_configs: int, design_seed: int) -> list[dict[str, Any]]:
    """A scrambled Sobol sequence over all domains; in small designs two choices can be identical. Owen 1998"""
    domains = space.domains
    return _rows(domains, _sobol(n_configs, len(domains), np.random.default_rng(design_seed)))


@DESIGNS.register("factorial")
def factorial_design(space: Space, *, n_configs: int, design_seed: int) -> list[dict[str, Any]]:
    """Rounds of every combination of the scientific choices, each in random order; the nuisance settings balanced against them. Fisher 1935"""
    return balanced_rows(space, n_configs=n_configs, design_seed=design_seed, cells=factorial(space))


@DESIGNS.register("random")
def random_design(space: Space, *, n_configs: int, design_seed: int) -> list[dict[str, Any]]:
    """Independent uniform draws. Bergstra & Bengio 2012"""
    domains = space.domains
    return _rows(domains, np.random.default_rng(design_seed).random((n_configs, len(domains))))


@DESIGNS.register("factorial_sobol")
def factorial_sobol_design(space: Space, *, n_configs: int, design_seed: int) -> list[dict[str, Any]]:
    """Rounds of every combination of the scientific choices, each in random order; the nuisance settings from a Sobol sequence, as up to format 2"""
    domains = {name: domain for name, domain in space.domains.items() if name in space.nuisance}
    rows = _rows(domains, _sobol(n_configs, len(domains), np.random.default_rng(design_seed)))
    cells, rng = factorial(space), np.random.default_rng(design_seed)
    # a new order each round: a fixed one would give each cell its own part of the Sobol points, and so of the nuisance settings
    order = np.concatenate([rng.permutation(len(cells)) for _ in range(-(-len(rows) // len(cells)))])
    return [cells[cell] | row for cell, row in zip(order, rows, strict=False)]


def _rows(domains: Mapping[str, BaseDistribution], uniforms: np.ndarray[Any, np.dtype[np.float64]]) -> list[dict[str, Any]]:
    return [{name: at(domain, u) for (name, domain), u in zip(domains.items(), row, strict=True)} for row in uniforms]


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
    """Return a seed for a trial that no other trial of the study has. Seed 20003007 is design seed 2, config 3, replicate 7.

    Studies with other design seeds have other seeds, up to 10,000 configs each.
    """
    return 10_000_000 * design_seed + 1_000 * config + replicate


def first_after(n_explored: int) -> int:
    """Return the number of the first config of a search after a design, so that their seeds differ, also if the design grows later."""
    return max(_FIRST_OF_SEARCH, n_explored) if n_explored else 0


def fresh_seed(design_seed: int, n: int) -> int:
    """Return seed n of those that confirm configs. No other trial has it in a study of less than 9,999 configs in each phase."""
    return seed_of(design_seed, config=_CONFIRMING, replicate=n)


def config_of(design_seed: int, seed: int) -> int:
    """Return the number of the config in a seed: config_of(s, seed_of(s, config=n, replicate=r)) == n."""
    return (seed - 10_000_000 * design_seed) // 1_000


def replicate_of(seed: int) -> int:
    """Return which trial of its config has this seed, from 0: replicate_of(seed_of(s, config=n, replicate=r)) == r."""
    return seed % 1_000


def n_distinct(flats: Iterable[Mapping[str, Any]]) -> int:
    """Return how many configs there are among the settings of trials: fewer than a design has places, where it repeats them in a small space."""
    return len({tuple(sorted((name, str(value)) for name, value in flat.items() if name != "seed")) for flat in flats})


FACTORIAL = ("factorial", "factorial_sobol")  # samplers whose configs are whole rounds of cells


def cells_of(space: Space) -> int:
    """Return the number of combinations of a factorial design. Raises SpecError if a scientific setting is a range."""
    n = 1
    for name, distribution in space.scientific.items():
        if not isinstance(distribution, CategoricalDistribution):
            raise SpecError(
                ("space", "scientific", name),
                f"sampler: factorial needs choices, and {name} is a range; list the values, or leave sampler out",
            )
        n *= len(distribution.choices)
    return n
