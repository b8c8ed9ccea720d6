"""Which failures are a risk in a ranking, beside the value that it ranks by.

Most failures are told by measures of their own: a run died, lost modes, swung back and forth. A poor fit is told by how much of the data the samples
cover at the end, which is what a distance to the data measures too. Counted as a failure as well, it would count twice. Where nearly all runs have a
poor fit, runs that still improve at their end, which are not called a poor fit, would rank above runs that fit much better.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from analysis.outcomes import POOR_FIT
from analysis.table import Bools, TrialTable

FIT = frozenset(
    {"fd", "fd_ratio", "kid", "swd", "coverage", "recall", "ndb", "class_fd"}
)  # worse for samples that cover too little of the data


def as_ranked(table: TrialTable, by: Sequence[str]) -> TrialTable:
    """Return the trials with the failures that a ranking by some metrics counts: without poor fits, if one of the metrics is in FIT.

    What the study itself calls a failure is one in any case, and so is a dead trial, which has no value at the end.
    """
    failed = failed_as_ranked(table, by)
    return table if failed is table.failed else replace(table, own_failures=failed)


def failed_as_ranked(table: TrialTable, by: Sequence[str]) -> Bools:
    """Return the failures [T] of `as_ranked`."""
    if table.own_failures is not None or FIT.isdisjoint(by):
        return table.failed
    return np.asarray(table.failed & ((table.outcome != POOR_FIT) | table.dead))
