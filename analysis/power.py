"""What a study can show: effects that it would find in four of five cases, and how many trials smaller ones need."""

import math

import numpy as np
from scipy import stats

from analysis.explain import Explanation
from analysis.model.multiplicity import ERROR, SHARES
from analysis.words import number, plural

_POWER = 0.8
POINTS, FACTOR = 0.20, 1.5  # effects worth finding: 20 points of failures, a factor of 1.5 in a metric


def detectable(error: float, limit: float) -> float:
    """Return the effect whose score passes `limit` with a power of 80 %, given the standard error of its estimate."""
    return float((limit + stats.norm.ppf(_POWER)) * error)


def planned(n_configs: int, seeds: int, comparisons: int, *, rate: float = 0.5, icc: float = 0.3) -> float:
    """Return the difference of failure rates that a design shows with a power of 80 %.

    For `comparisons` of two halves of the configs, failures at `rate`, and the correlation `icc` between seeds of one config. The limit is
    Bonferroni's for the share of the error rate that risks have, a little above that of the permutations.
    """
    per_config = rate * (1 - rate) * (1 + (seeds - 1) * icc) / seeds
    error = math.sqrt(per_config * 4 / n_configs)
    return detectable(error, float(stats.norm.isf(ERROR * SHARES["risk"] / (2 * max(comparisons, 1)))))


def planned_statement(n_configs: int, seeds: int, comparisons: int) -> str:
    """Return the difference of failure rates that a design will show, and how many configs a difference of 20 points needs."""
    found = planned(n_configs, seeds, comparisons)
    trials = plural(n_configs * seeds, "trial")
    if found >= 1:
        shown = f"{trials} are too few to tell any difference of failure rates from chance among {plural(comparisons, 'comparison')}"
    else:
        shown = (
            f"{trials} show, in four of five studies, a difference of {100 * found:.0f} points between failure rates "
            f"({plural(comparisons, 'comparison')}, half of the trials failing)"
        )
    needed = math.ceil(n_configs * (found / POINTS) ** 2)
    return f"{shown}; {100 * POINTS:.0f} points need about {needed} configs."


def statement(explanation: Explanation) -> list[str]:
    """Return what the trials at hand would have shown, and how many more would show an effect worth finding; [] if nothing is open."""
    model = explanation.model
    assert model is not None
    parts = []
    for outcome in explanation.outcomes:
        rows = [
            c
            for c in model.comparisons
            if c.response.name == outcome and c.role == "scientific" and c.term.kind in ("levels", "trend") and not c.claimed
        ]
        if not rows:
            continue
        response = rows[0].response
        found = float(np.median([detectable(c.error, c.limit) for c in rows]))
        trials = len(explanation.table)
        if response.part == "risk":
            target, shown, wanted = POINTS, f"{100 * min(found, 1):.0f} points of failures", f"{100 * POINTS:.0f} points"
        elif response.scale == "log":
            target, shown, wanted = math.log(FACTOR), f"a factor of {number(math.exp(found))} in {outcome}", f"{FACTOR:g}"
        else:
            continue
        more = max(0, math.ceil(trials * ((found / target) ** 2 - 1)))
        parts.append(shown + (f" ({plural(more, 'more trial')} would show {wanted})" if more else ""))
    return [f"This study would find, in four of five cases, {' and '.join(parts)}."] if parts else []
