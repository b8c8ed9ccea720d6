"""Which trials may rank configs, after some configs were chosen by the values of others."""

import numpy as np

from analysis.table import TrialTable

CONFIRM, ABLATE = "confirm", "ablate"  # phases whose configs were chosen by the values of earlier trials


def confirmed(table: TrialTable) -> TrialTable:
    """Return the trials of phase confirm, if any of them is evidence; else all trials but those of phase ablate.

    The trials by which a config was chosen would flatter it.
    """
    fresh = (table.phase == CONFIRM) & table.evidence
    return table.where(np.asarray(fresh if fresh.any() else table.phase != ABLATE))


def has_confirmed(table: TrialTable) -> bool:
    """Whether any config of the table was trained with fresh seeds."""
    return bool((table.phase[table.evidence] == CONFIRM).any())
