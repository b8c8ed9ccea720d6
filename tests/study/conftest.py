"""What the tests of the program share: tiny studies on points, and one Ray."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import ray

from study.cluster import ENVIRONMENT
from study.spec import StudySpec

TOY: dict[str, Any] = {
    "name": "toy",
    "question": "Does R1 keep a small GAN on a ring from failing?",
    "base": {"data": "ring8", "arch": "mlp", "g.width": 8, "d.width": 8, "latent.dim": 4, "g.norm": "none", "budget_kimg": 0.6, "tick_kimg": 0.2, "batch_size": 50},
    "space": {"scientific": {"r1": [False, True]}, "nuisance": {"g.lr": {"low": 1e-4, "high": 1e-2, "log": True}}},
    "n_configs": 4,
    "judge_samples": 200,
}


@pytest.fixture
def toy() -> Callable[..., StudySpec]:
    """toy(n_configs=8, base={"d.lr": 1.0}): a StudySpec; base and space are merged into the toy's own."""

    def make(**changes: Any) -> StudySpec:
        merged = {**TOY, **changes}
        for part in ("base", "space"):
            merged[part] = {**TOY[part], **changes.get(part, {})}
        return StudySpec.from_dict(merged)

    return make


@pytest.fixture(scope="session")
def one_ray() -> Iterator[None]:
    """One Ray of two CPUs for all tests that train in it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, setting in ENVIRONMENT.items():
            patch.setenv(name, setting)
        ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        yield
        ray.shutdown()
