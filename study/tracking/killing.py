"""Ends processes."""

from contextlib import suppress

import psutil


def kill(process: psutil.Process) -> None:
    """Kill a process and all that it started. wandb-core has a session of its own and would keep retrying."""
    with suppress(psutil.NoSuchProcess):
        for each in [*process.children(recursive=True), process]:
            with suppress(psutil.NoSuchProcess):
                each.kill()
