"""Settings for all tests: one thread for torch and BLAS, and groups of tests for parallel processes."""

import os

# Set before torch is imported, and inherited by processes that tests start. More threads are not faster here, and change the order of sums.
os.environ["OMP_NUM_THREADS"] = "1"

from collections import Counter
from typing import Any

import pytest
from processes import group


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the tests: the slowest group, Ray, first, then larger groups. The order within a file is kept."""
    groups = {item: group(str(item.path)) for item in items}
    size = Counter(groups.values())
    items.sort(key=lambda item: (groups[item] != "ray", -size[groups[item]]))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Return a scheduler that gives whole groups to processes. With pytest 9.2, xdist 3.8 ignores its mark xdist_group."""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return group(nodeid.partition("::")[0])

    config.option.loadscopereorder = False  # keep the order of pytest_collection_modifyitems
    return Groups(config, log)
