"""The terminal: as wide as it is; a file or a pipe gets room for whole tables."""

import sys

from rich.console import Console

PIPE_WIDTH = 160


def terminal(*, stderr: bool = False) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, width=None if stream.isatty() else PIPE_WIDTH)
