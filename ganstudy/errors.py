"""UserError: the base class of every error that the user can fix."""


class UserError(ValueError):
    """A request that is invalid or cannot be carried out. The message says what must hold, what was given, what is allowed, and what to do.

    The `ganstudy` command prints it without a traceback. Any other exception is a bug and keeps its traceback.
    """
