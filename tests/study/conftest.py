"""What the tests of the program share: tiny studies on points, and one Ray."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import ray
from toy import TOY

from study.cluster import ENVIRONMENT
from study.spec import StudySpec


@pytest.fixture
def toy() -> Callable[..., StudySpec]:
    """toy(n_configs=8, base={"d.lr": 1.0}): a StudySpec; base and space are merged into the toy's own."""

    def make(**changes: Any) -> StudySpec:
        merged = {**TOY, **changes}
        for part in ("base", "space"):
            merged[part] = {**TOY[part], **changes.get(part, {})}
        return StudySpec.from_dict(merged)

    return make


@pytest.fixture(scope="module")
def one_ray() -> Iterator[None]:
    """One Ray of two CPUs for a file of tests; never two at once."""
    with pytest.MonkeyPatch.context() as patch:
        for name, setting in ENVIRONMENT.items():
            patch.setenv(name, setting)
        ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        yield
        ray.shutdown()
