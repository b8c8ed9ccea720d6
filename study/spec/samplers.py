"""Samplers: what proposes configs. `goal: explain` takes a design, `goal: optimise` a sampler of Optuna.

To add one, here or in a plugin: a function with `@DESIGNS.register("name")` (see study/spec/design.py) or `@SAMPLERS.register("name")`.
"""

from collections.abc import Callable
from typing import Any, Protocol

from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from ganstudy.registry import Registry
from study.spec.space import Space


class Design(Protocol):
    """A randomised design: all its configs are fixed before the first trial."""

    def __call__(self, space: Space, *, n_configs: int, design_seed: int) -> list[dict[str, Any]]:
        """n_configs points of the space, {setting: value}. A longer design must begin with the shorter one, so that studies can be extended."""


DESIGNS: Registry[Design] = Registry("sampler of goal: explain")
SAMPLERS: Registry[Callable[[int], BaseSampler]] = Registry("sampler of goal: optimise")  # seed -> sampler; made again for each config


@SAMPLERS.register("tpe")
def tpe(seed: int) -> BaseSampler:
    """Tree-structured Parzen estimator. Bergstra et al. 2011, as in Optuna"""
    return TPESampler(seed=seed)


@SAMPLERS.register("random")
def random(seed: int) -> BaseSampler:
    """Independent uniform draws. Bergstra & Bengio 2012"""
    return RandomSampler(seed=seed)
