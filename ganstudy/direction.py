"""Direction: whether smaller or larger values of a metric are better."""

from enum import StrEnum

from ganstudy.errors import UserError


class Direction(StrEnum):
    """Which way a metric is optimised. `Direction("minimize")` converts; any other word raises UserError."""

    MINIMIZE = "minimize"
    MAXIMIZE = "maximize"

    @property
    def sign(self) -> float:
        """1 for minimize, -1 for maximize: a value times its sign is better when smaller."""
        return 1.0 if self is Direction.MINIMIZE else -1.0

    @property
    def phrase(self) -> str:
        """The direction in words, for axes and tables."""
        return "less is better" if self is Direction.MINIMIZE else "more is better"

    @classmethod
    def _missing_(cls, value: object) -> "Direction":
        raise UserError(f"a direction must be one of {[str(each) for each in cls]}; got {value!r}")
