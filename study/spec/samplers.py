"""Samplers of `goal: optimise`, by name. The samplers of `goal: explain` are the designs of study/spec/design.py.

To add one, here or in a plugin: a class of Optuna samplers, or a function that returns one, with `@SAMPLERS.register("name")`. Its keyword
arguments are what a study file may give, beside those of GIVEN, which the study gives if they are asked for. study/engine/adaptive.py says when
a sampler is made. study/spec/sampling.py reads the `sampler:` of a study file and says what each sampler cannot do.
"""

from collections.abc import Callable, Mapping

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, NSGAIIISampler, NSGAIISampler, QMCSampler, RandomSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from ganstudy.registry import Registry

SAMPLERS: Registry[Callable[..., BaseSampler]] = Registry("sampler of goal: optimise")

GIVEN = {  # arguments that the study gives -> why a study file does not
    "seed": "design_seed decides it",
    "domains": "they are those of space",
    "source_trials": "warm_start gives them",
    "constraints_func": "constraints of the study give it",
}


@SAMPLERS.register("tpe")
class Tpe(TPESampler):
    """Tree-structured Parzen estimator. Bergstra et al. 2011, as in Optuna"""


@SAMPLERS.register("gp")
class Gp(GPSampler):
    """Gaussian process with log expected improvement. Ament et al. 2023, as in Optuna"""


@SAMPLERS.register("cmaes")
class CmaEs(CmaEsSampler):
    """Covariance matrix adaptation, for ranges only. Hansen & Ostermeier 2001, as in Optuna"""


@SAMPLERS.register("nsga2")
class Nsga2(NSGAIISampler):
    """Genetic algorithm for one or two objectives. Deb et al. 2002, as in Optuna"""


@SAMPLERS.register("nsga3")
class Nsga3(NSGAIIISampler):
    """Genetic algorithm for three or more objectives. Deb & Jain 2014, as in Optuna"""


@SAMPLERS.register("qmc")
class Qmc(QMCSampler):
    """Scrambled Sobol or Halton sequence over all settings, also conditional ones. Bergstra & Bengio 2012, as in Optuna"""

    def __init__(self, *, seed: int, domains: Mapping[str, BaseDistribution], qmc_type: str = "sobol"):
        super().__init__(seed=seed, qmc_type=qmc_type, scramble=True)
        self._domains = dict(domains)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return the whole space. Optuna's own takes the settings of the first trial, so the others would be drawn at random."""
        return self._domains


@SAMPLERS.register("random")
class Random(RandomSampler):
    """Independent uniform draws. Bergstra & Bengio 2012"""
