"""A limit of memory, for tests: the kernel ends a process that joins a control group with a limit and exceeds it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_V1 = Path("/sys/fs/cgroup/memory")


@contextmanager
def memory_group(mib: int) -> Iterator[Path]:
    """Make a control group whose processes may use so much memory together, without swap. Yields the file to which a process writes 0 to join.

    Skips the test where this process may not make one.
    """
    lines = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    own = {controllers: path.lstrip("/") for _, controllers, path in lines}
    v1 = "memory" in own
    parent = _V1 / own["memory"] if v1 else Path("/sys/fs/cgroup") / own.get("", "")
    group = parent / f"ganstudy-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / ("memory.limit_in_bytes" if v1 else "memory.max")).write_text(str(mib * 2**20))
    except OSError as error:
        if group.exists():
            group.rmdir()
        pytest.skip(f"no control group for memory can be made here: {error}")
    try:
        yield group / "cgroup.procs"
    finally:
        group.rmdir()  # its processes must have ended
