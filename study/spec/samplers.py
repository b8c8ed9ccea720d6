"""Samplers of `goal: optimise`: each is a sampler of Optuna. The samplers of `goal: explain` are the designs of study/spec/design.py.

To add one, here or in a plugin: a function from a seed to a sampler, with `@SAMPLERS.register("name")`. A new sampler is made for each config,
from all results so far, so it must not keep state of its own.
"""

from collections.abc import Callable

from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from ganstudy.registry import Registry

SAMPLERS: Registry[Callable[[int], BaseSampler]] = Registry("sampler of goal: optimise")  # seed -> sampler


@SAMPLERS.register("tpe")
def tpe(seed: int) -> BaseSampler:
    """Tree-structured Parzen estimator. Bergstra et al. 2011, as in Optuna"""
    return TPESampler(seed=seed)


@SAMPLERS.register("random")
def random(seed: int) -> BaseSampler:
    """Independent uniform draws. Bergstra & Bengio 2012"""
    return RandomSampler(seed=seed)
