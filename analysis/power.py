"""What a study can show: effects that it would find in four of five cases, and how many trials smaller ones need."""

import math
from bisect import bisect_left
from collections.abc import Mapping

import numpy as np
from scipy import special, stats

from analysis.explain import Explanation
from analysis.model.multiplicity import ERROR, SHARES
from analysis.model.regression import t_value
from analysis.words import listed, number, plural

_POWER = 0.8
_FEWEST = 12  # units; with fewer, the limits of permuted data vary too much to be foreseen
POINTS, FACTOR = 0.20, 1.5  # effects worth finding: 20 points of failures, a factor of 1.5 in a metric


def detectable(error: float, limit: float, df: float) -> float:
    """Return the effect whose score passes `limit` with a power of 80 %, given the standard error of its estimate and its degrees of freedom.

    Infinite if the limit is.
    """
    return float((t_value(limit, df) + special.stdtrit(df, _POWER)) * error)


def planned(n_units: int, trials: int, comparisons: int, *, levels: int | None = 2, rate: float = 0.5, icc: float = 0.3) -> float:
    """Return the difference of failure rates that a design shows with a power of 80 %; more than 1 if it shows none.

    For units (configs) of `trials` trials each, failures at `rate`, and the correlation `icc` between trials of one unit. A setting has
    equally many units at each of its `levels`, or is a range (None), whose ends are compared. The limit is Bonferroni's for the share of the
    error rate that risks have, a little above that of the permutations.
    """
    per_unit = rate * (1 - rate) * (1 + (trials - 1) * icc) / trials
    spread = 2 * levels if levels else 12  # two groups of n/levels, or the slope over a uniform range
    error = math.sqrt(per_unit * spread / n_units)
    limit = float(stats.norm.isf(ERROR * SHARES["risk"] / (2 * max(comparisons, 1))))
    return detectable(error, limit, n_units - 2) if n_units >= _FEWEST else float("inf")


def planned_statement(n_units: int, trials: int, levels: Mapping[str, int | None]) -> str:
    """Return the differences of failure rates that a design will show, and how many trials a difference of 20 points needs.

    `levels` maps each setting to its number of levels, None for a range.
    """
    comparisons = sum(math.comb(n, 2) if n else 1 for n in levels.values())
    found = {name: planned(n_units, trials, comparisons, levels=n) for name, n in levels.items()}
    total = plural(n_units * trials, "trial")
    shown: dict[str, list[str]] = {}
    for name, points in sorted(found.items(), key=lambda item: item[1]):
        if points < 1:
            shown.setdefault(f"{100 * points:.0f} points", []).append(name if levels[name] else f"{name} from end to end")
    best = min(found, key=lambda name: found[name])
    sizes = range(_FEWEST, 10**6)
    needed = sizes[bisect_left(sizes, True, key=lambda size: planned(size, trials, comparisons, levels=levels[best]) <= POINTS)]
    advice = f"{100 * POINTS:.0f} points need about {needed * trials:,} trials" + (f" for {best}." if len(levels) > 1 else ".")
    if not shown:
        return f"{total} are too few to tell any difference of failure rates from chance ({plural(comparisons, 'comparison')}); {advice}"
    differences = listed([f"{points} for {listed(names)}" for points, names in shown.items()])
    return (
        f"{total} show, in four of five studies, these differences of failure rates: {differences} ({plural(comparisons, 'comparison')}, half "
        f"of the trials failing); {advice}"
    )


def statement(explanation: Explanation) -> list[str]:
    """Return what the trials at hand would have shown, and how many more would show an effect worth finding; [] if nothing is open."""
    model = explanation.model
    assert model is not None
    if len(model.units) < _FEWEST:
        return [f"With fewer than {_FEWEST} {model.units.kind}s, only very large effects can be told from noise."]
    parts, none = [], []
    for outcome in explanation.outcomes:
        rows = [
            c
            for c in model.comparisons
            if c.response.name == outcome and c.role == "scientific" and c.term.kind in ("levels", "trend") and not c.claimed
        ]
        if not rows:
            continue
        response = rows[0].response
        found = float(np.median([detectable(c.error, c.limit, c.df) for c in rows]))
        trials = len(explanation.table)
        log = response.scale == "log"
        if response.part != "risk" and not log:
            continue
        if not math.isfinite(found) or (response.part == "risk" and found > 1):
            none.append("failures" if response.part == "risk" else outcome)
            continue
        target = math.log(FACTOR) if log else POINTS
        shown = f"a factor of {number(math.exp(found))} in {outcome}" if log else f"{100 * found:.0f} points of failures"
        more = max(0, math.ceil(trials * ((found / target) ** 2 - 1)))
        wanted = f"{FACTOR:g}" if log else f"{100 * POINTS:.0f} points"
        parts.append(shown + (f" ({plural(more, 'more trial')} would show {wanted})" if more else ""))
    lines = [f"This study would find, in four of five cases, {' and '.join(parts)}."] if parts else []
    return lines + ([f"It is too small to show any effect on {' or '.join(none)}."] if none else [])
