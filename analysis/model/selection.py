"""Whether a difference in a metric may be due to selection: which runs failed and so have no value."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from analysis.model.multiplicity import ALONE
from analysis.model.outcomes import OF_ALL, Response, failing, winning
from analysis.model.regression import Regression
from analysis.model.terms import Name, Term
from analysis.model.units import Units


@dataclass(eq=False)
class Selection:
    """Compares the runs that did not fail with all runs, failed ones counted last."""

    units: Units
    terms: dict[Name, Term]
    _known: dict[str, Regression] = field(default_factory=dict)

    def explains(self, response: Response, term: Term, i: int, score: float, adjust: Sequence[Name]) -> str:
        """How contrast `i` of a term, which differs in a metric, does not once failed runs count: "lost" or "reversed"; "" if it does.

        Where failures differ, the runs that are left are selected. So the difference must also hold when failed runs are counted last, and
        must not go the other way anywhere.
        """
        if response.part != "objective" or response.name in OF_ALL:
            return ""
        failed = self._score("", term, i, adjust)
        if failed is None:
            return ""  # all units fail equally often
        win = self._score(response.name, term, i, adjust) or 0.0
        better = -response.direction.sign * score
        if better * win <= 0:
            return "reversed" if abs(win) > ALONE else "lost"
        return "lost" if abs(failed) > ALONE and abs(win) <= ALONE else ""

    def _score(self, metric: str, term: Term, i: int, adjust: Sequence[Name]) -> float | None:
        """The score of failures (""), or of the share of runs that are beaten in a metric."""
        if metric not in self._known:
            self._known[metric] = Regression(winning(self.units, metric) if metric else failing(self.units), self.terms)
        regression = self._known[metric]
        fit = None if regression.response.constant else regression.fit(term, adjust)
        return None if fit is None else float(np.nan_to_num(fit.score[i]))
