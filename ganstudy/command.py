"""Commands in messages, for the user to copy."""

import shlex


def shell_command(*words: object) -> str:
    """Return a command in backquotes, its words quoted for the shell where they need it."""
    return f"`{shlex.join(map(str, words))}`"


def command(*words: object) -> str:
    """Return a `ganstudy` command in backquotes, such as `ganstudy resume 'my runs'`."""
    return shell_command("ganstudy", *words)
