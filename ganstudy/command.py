"""Commands in messages, for the user to copy."""

import shlex


def command(*words: object) -> str:
    """Return a `ganstudy` command in backquotes, its words quoted for the shell where they need it: `ganstudy resume 'my runs'`."""
    return f"`ganstudy {shlex.join(map(str, words))}`"
