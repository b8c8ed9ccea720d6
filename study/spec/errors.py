"""SpecError: a study file that asks for what cannot be."""

from ganstudy import UserError


class SpecError(UserError):
    """Something in a study file that cannot hold. `where` are the keys that lead to it."""

    def __init__(self, where: tuple[str, ...], message: str):
        super().__init__(message)
        self.where = where
