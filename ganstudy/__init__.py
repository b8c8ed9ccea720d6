"""What the three packages share: user errors, words of the records, registries, units, files. Imports none of them."""

from ganstudy.errors import UserError

__all__ = ["UserError"]
