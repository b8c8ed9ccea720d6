"""A cache of OptunaHub with two packages, in which it looks before it downloads."""

import os
from pathlib import Path

import pytest

from study.spec import sampling

PACKAGE = '''
import optuna
from optuna.samplers import RandomSampler

class Fixed(optuna.samplers.BaseSampler):
    """Draws at random, then stays at the lower ends."""

    def __init__(self, *, n: int = 2, seed: int | None = None):
        self.n, self.random = n, RandomSampler(seed=seed)

    def infer_relative_search_space(self, study, trial):
        return {}

    def sample_relative(self, study, trial, search_space):
        return {}

    def sample_independent(self, study, trial, param_name, param_distribution):
        if trial.number < self.n:
            return self.random.sample_independent(study, trial, param_name, param_distribution)
        return getattr(param_distribution, "low", False)  # a choice has none
'''


def fill_cache(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Put `samplers/fixed` and `samplers/two`, which has two samplers, into a cache in the folder."""
    patch.setenv("OPTUNAHUB_CACHE_HOME", os.fspath(folder))
    packages = folder / "github.com" / "optuna" / "optunahub-registry" / "main" / "package" / "samplers"
    for name, text in (("fixed", PACKAGE), ("two", PACKAGE + "\n\nclass Other(Fixed):\n    pass\n")):
        (packages / name).mkdir(parents=True)
        (packages / name / "__init__.py").write_text(text)
    sampling._of_hub.cache_clear()
