"""The rich console of all terminal output. A terminal sets the width; files and pipes get a fixed one."""

import sys

from rich.console import Console

PIPE_WIDTH = 160  # columns: room for whole tables


def terminal(*, stderr: bool = False) -> Console:
    """Return a console on standard output, or on standard error.

    Text is printed as it is: names, paths and messages of users may contain "[red]" or ":x:". What has a style is a rich Text.
    """
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=None if stream.isatty() else PIPE_WIDTH)
