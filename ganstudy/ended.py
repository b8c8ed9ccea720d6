"""Ended: why a trial stopped. How well it trained is its outcome (analysis.outcomes)."""

from collections.abc import Mapping
from enum import StrEnum


class Ended(StrEnum):
    """Why a trial stopped. A trial that is still training has no member; tables hold "" for it."""

    BUDGET = "budget"
    SCHEDULER = "scheduler"  # censored at its last tick
    DEAD = "dead"  # a result: the settings caused it
    ERROR = "error"  # a fault of the program or the machine: no evidence about the settings; run the trial again

    @property
    def label(self) -> str:
        """Return the reason in words, for reports."""
        return ENDED_LABELS[self]


ENDED_LABELS: Mapping[str, str] = {
    Ended.BUDGET: "completed its budget",
    Ended.SCHEDULER: "stopped early by the scheduler",
    Ended.DEAD: "died: non-finite values, or no further progress possible",
    Ended.ERROR: "crashed (no evidence)",
    "": "unfinished (no evidence yet)",
}
