"""What the three packages share: the root of user errors, registries, and files that are written whole. Imports none of them."""

from ganstudy.errors import UserError

__all__ = ["UserError"]
