"""Ended: why a trial stopped. What it came to is its outcome (analysis.outcomes)."""

from collections.abc import Mapping
from enum import StrEnum


class Ended(StrEnum):
    """Why a trial stopped. A trial that still trains has no member; tables hold "" for it."""

    BUDGET = "budget"
    SCHEDULER = "scheduler"  # censored at its last tick
    DEAD = "dead"  # a result: the settings caused it
    ERROR = "error"  # of the program or the machine: no evidence, run it again

    @property
    def label(self) -> str:
        """The reason in words, for reports."""
        return ENDED_LABELS[self]


ENDED_LABELS: Mapping[str, str] = {
    Ended.BUDGET: "completed its budget",
    Ended.SCHEDULER: "stopped early by the scheduler",
    Ended.DEAD: "died: non-finite values, or no further progress possible",
    Ended.ERROR: "crashed (no evidence)",
    "": "unfinished (no evidence yet)",
}
