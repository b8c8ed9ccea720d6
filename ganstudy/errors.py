"""UserError: the root of every error that a person can mend."""


class UserError(ValueError):
    """A request that cannot be met. The message says what must hold, what was given, what is allowed, and what to do.

    The `ganstudy` command prints it without a traceback. Any other exception is a bug and keeps its traceback.
    """
