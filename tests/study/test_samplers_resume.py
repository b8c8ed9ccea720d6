"""A resumed search proposes what it would have proposed without the interruption, for every sampler."""

from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from searches import CONDITIONAL, RANGES, asked, drive

from study.spec.samplers import SAMPLERS

SEARCHES: dict[str, Any] = {
    "tpe": ("tpe", CONDITIONAL),
    "gp": ({"name": "gp", "n_startup_trials": 4}, RANGES),
    "cmaes": ({"name": "cmaes", "popsize": 4}, RANGES),
    "cmaes of optuna": ({"name": "optuna.samplers.CmaEsSampler", "popsize": 4, "use_separable_cma": True}, RANGES),
    "nsga2": ({"name": "nsga2", "population_size": 5}, RANGES),
    "nsga3": ({"name": "nsga3", "population_size": 5}, RANGES),
    "qmc": ("qmc", CONDITIONAL),
    "random": ("random", CONDITIONAL),
    "counting": ("counting", RANGES),
}


class Counting(optuna.samplers.RandomSampler):
    """A sampler of a plugin whose proposals follow from its own state: the results that it was told, in order"""

    def __init__(self, seed: int) -> None:
        super().__init__(seed=seed)
        self.told = 1.0

    def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: Any) -> Any:
        drawn = super().sample_independent(study, trial, param_name, param_distribution)
        return param_distribution.low + (drawn - param_distribution.low) * self.told

    def after_trial(self, study: Any, trial: Any, state: Any, values: Any) -> None:
        self.told = (self.told + 0.1 * trial.number) % 1


@pytest.fixture(autouse=True)
def plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SAMPLERS, "counting", Counting)


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) if name == "gp" else name for name in SEARCHES])
def test_a_killed_search_goes_on_as_if_nothing_had_happened(tmp_path: Path, name: str) -> None:
    sampler, space = SEARCHES[name]
    spec = asked(sampler, space, enqueue=["defaults", {"g.lr": 1e-4}])
    whole = drive(tmp_path / "whole", spec, range(100))
    assert len(whole) == spec.n_configs
    first, second = sorted(int(event) for event in np.random.default_rng(len(name)).choice(np.arange(5, 34), 2, replace=False))
    for events in (range(first), range(first, second), range(second, 100)):
        again = drive(tmp_path / "killed", spec, events)
    assert again == whole
    assert whole[0]["g.lr"] == 2e-4
    assert whole[1]["g.lr"] == 1e-4
    assert len({repr(sorted(flat.items())) for flat in whole}) == spec.n_configs


@pytest.mark.parametrize("name", ["tpe", "cmaes", "nsga2", "qmc"])
def test_a_killed_search_of_several_seeds_goes_on_too(tmp_path: Path, name: str) -> None:
    sampler, space = SEARCHES[name]
    spec = asked(sampler, space, n_configs=10, seeds=3)
    whole = drive(tmp_path / "whole", spec, range(200))
    assert len(whole) > spec.n_configs
    for events in (range(13), range(13, 22), range(22, 200)):
        again = drive(tmp_path / "killed", spec, events)
    assert again == whole
