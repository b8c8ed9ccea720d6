"""Settings for all tests: one thread for torch and BLAS, and groups of tests for parallel processes."""

import os

# Set before torch is imported, and inherited by processes that tests start. More threads are not faster here, and change the order of sums.
os.environ["OMP_NUM_THREADS"] = "1"
# Ray's workers give way to other processes by default, such as the tests beside them, and the tests that start Ray are the slowest group.
os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112  (Ray's own name)

import hashlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import ray
from processes import group

from analysis.metrics import METRICS
from analysis.metrics.baselines import baselines
from analysis.metrics.comparison import Reference, Samples

_NICE = 5


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the tests: the slowest group, Ray, first, then larger groups. The order within a file is kept."""
    groups = {item: group(str(item.path)) for item in items}
    size = Counter(groups.values())
    items.sort(key=lambda item: (groups[item] != "ray", -size[groups[item]]))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let tests that start no Ray give way to those that do: beside each other they then end at about the same time."""
    if os.environ.get("PYTEST_XDIST_WORKER") and group(str(item.path)) != "ray" and os.getpriority(os.PRIO_PROCESS, 0) < _NICE:
        os.nice(_NICE)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Return a scheduler that gives whole groups to processes. With pytest 9.2, xdist 3.8 ignores its mark xdist_group."""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return group(nodeid.partition("::")[0])

    config.option.loadscopereorder = False  # keep the order of pytest_collection_modifyitems
    return Groups(config, log)


@pytest.fixture(autouse=True)
def _one_ray_at_a_time(request: pytest.FixtureRequest) -> Iterator[None]:
    """Refuse to start a Ray in a test that runs beside those that do."""

    def refused(*args: Any, **keys: Any) -> None:
        raise AssertionError(f"a file that starts Ray must be listed in tests/processes.py; {request.path.name} is not")

    with pytest.MonkeyPatch.context() as patch:
        if group(str(request.path)) != "ray":
            patch.setattr(ray, "init", refused)
        yield


@pytest.fixture(autouse=True, scope="session")
def _baselines_measured_once() -> Iterator[None]:
    """Measure the real-data baselines of the same data once in a process. They are the same each time, and take most of the time of preparing a study."""
    measured: dict[str, Any] = {}

    def once(real: Reference, pool: Samples, n: int, **keys: int) -> Any:
        parts = [real.points, real.train, real.shares, real.labels, pool.features, pool.probabilities, pool.data, pool.labels]
        digest = hashlib.sha256(repr((n, keys, tuple(METRICS), real.balls.k, real.mixture is None)).encode())
        for part in parts:
            digest.update(b"-" if part is None else f"{part.shape}{part.dtype}".encode() + np.ascontiguousarray(part).tobytes())
        if (key := digest.hexdigest()) not in measured:
            measured[key] = baselines(real, pool, n, **keys)
        return dict(measured[key])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("study.evaluation.evaluator.baselines", once)
        yield
