"""Code shared by trainables, analysis and study: user errors, enums of the records, registries, units, files. Imports none of these packages."""

from ganstudy.errors import UserError

__all__ = ["UserError"]
