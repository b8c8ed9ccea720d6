"""SpecError: a study file is invalid."""

from ganstudy import UserError


class SpecError(UserError):
    """An invalid entry of a study file. `where` is the path of keys to the entry."""

    def __init__(self, where: tuple[str, ...], message: str):
        super().__init__(message)
        self.where = where
