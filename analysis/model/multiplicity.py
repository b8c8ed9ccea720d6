"""One error rate over everything that an answer says: limits on scores from permuted data, shared between parts of the answer.

Westfall & Young 1993: the largest score over all comparisons, under permutations of units, gives the limit that a score must pass. The parts
(risk, objective, …) have their own limits, so that many secondary comparisons do not hide the effects that a study was run for. Their shares
of the error rate are fixed; the limits are such that the whole errs in `ERROR` of permutations.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import special

from analysis.table import Floats

# One in twenty studies without effects may claim anything. One point of these five is left for what permutations of the data at hand do not
# cover: later claims are tested given earlier ones, and nuisance settings are chosen by the same data.
ERROR = 0.04
ALONE = float(special.ndtri(0.975))  # the score that a single comparison must pass
SHARES: Mapping[str, float] = {"risk": 0.55, "objective": 0.25, "win": 0.10, "other": 0.10}


@dataclass(frozen=True, eq=False)
class Limits:
    """The limits of each part, and what is needed to adjust a p value."""

    limit: Mapping[str, float]  # part -> the score that a claim must pass; infinite if no score of the permuted data is rare enough
    largest: Mapping[str, Floats]  # part -> [B], sorted: the largest score of each permutation
    least: Floats  # [B], sorted: the smallest weighted p value of each permutation

    def adjusted_p(self, part: str, score: float) -> float:
        """The share of permutations in which anything is at least as surprising as this score is in its part."""
        if not np.isfinite(score) or part not in self.largest:
            return float("nan")
        weighted = _tail(self.largest[part], np.array([abs(score)]))[0] / _share(part, self.largest)
        n = len(self.least)
        return float((np.searchsorted(self.least, weighted + 1e-12, side="right") + 1) / (n + 1))


def limits(scores: Mapping[str, list[Floats]]) -> Limits:
    """Return the limits for permuted scores by part, each a list of [m, B]. NaN scores are no comparisons."""
    largest = {part: np.nanmax(np.abs(np.vstack(found)), axis=0) for part, found in scores.items() if found}
    if not largest:
        return Limits({}, {}, np.empty(0))
    sorted_ = {part: np.sort(found) for part, found in largest.items()}
    weighted = [_tail(sorted_[part], found) / _share(part, largest) for part, found in largest.items()]
    least = np.sort(np.minimum.reduce(weighted))
    # the largest weighted p value that at most ERROR of the permutations reach, ties included
    reached = np.searchsorted(least, least + 1e-12, side="right") <= ERROR * len(least)
    allowed = float(least[reached][-1]) if reached.any() else 0.0
    limit = {}
    for part, found in sorted_.items():
        passing = _tail(found, found) <= allowed * _share(part, largest) + 1e-12
        first = int(np.argmax(passing))
        # between two scores that the data can take, so that a claim passes it and its interval excludes zero effect
        # few units can take few orders, whose largest score may be small; an interval of a claim is never narrower than one alone
        limit[part] = max(float((found[max(first - 1, 0)] + found[first]) / 2), ALONE) if passing.any() else float("inf")
    return Limits(limit, sorted_, least)


def _tail(largest: Floats, scores: Floats) -> Floats:
    """The share of permutations, the data themselves counted among them, whose largest score reaches a score."""
    n = len(largest)
    return np.asarray((n - np.searchsorted(largest, scores - 1e-9, side="left") + 1) / (n + 1))


def _share(part: str, present: Mapping[str, Floats]) -> float:
    """The share of a part; those of absent parts are divided among the present ones."""
    return SHARES[part] / sum(SHARES[other] for other in present)
