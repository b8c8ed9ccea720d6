"""How all tests run: one thread each for torch and BLAS, in groups that processes can share out."""

import os

# Before torch is loaded, also in processes that tests start: more threads are no faster here, and equal bits need the same sums.
os.environ["OMP_NUM_THREADS"] = "1"

from collections import Counter
from typing import Any

import pytest
from processes import group


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Ray's group first, which takes longest, then by number of tests. The order within a file stays."""
    groups = {item: group(str(item.path)) for item in items}
    size = Counter(groups.values())
    items.sort(key=lambda item: (groups[item] != "ray", -size[groups[item]]))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Gives whole groups to processes. (With pytest 9.2, xdist 3.8 ignores its own mark, xdist_group.)"""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return group(nodeid.partition("::")[0])

    config.option.loadscopereorder = False  # the order is that of pytest_collection_modifyitems
    return Groups(config, log)
