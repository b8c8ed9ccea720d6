"""What a study can show: effects that it would find in four of five cases, and how many trials smaller ones need."""

import math
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy import special, stats

from analysis.explain import Explanation
from analysis.model.multiplicity import ERROR, SHARES
from analysis.model.regression import t_value
from analysis.model.terms import compared_levels
from analysis.words import listed, number, plural

_POWER = 0.8
_FEWEST = 12  # units; with fewer, the limits of permuted data vary too much to be foreseen
_NEAR = 1.05  # an effect that is this near to one worth finding needs no more trials
_LARGEST = math.log(1e6)  # a factor that no study looks for
POINTS, FACTOR = 0.20, 1.5  # effects worth finding: 20 points of failures, a factor of 1.5 in a metric


def detectable(error: float, limit: float, df: float) -> float:
    """Return the effect whose score passes `limit` with a power of 80 %, given the standard error of its estimate and its degrees of freedom.

    Infinite if the limit is.
    """
    return float((t_value(limit, df) + special.stdtrit(df, _POWER)) * error)


@dataclass(frozen=True)
class Plan:
    """What a design has for one setting: its levels (None for a range), and the units in which it applies, of some trials each."""

    levels: int | None
    units: int
    trials: int


def planned(plan: Plan, comparisons: int, *, rate: float = 0.5, icc: float = 0.3) -> float:
    """Return the difference of failure rates that a design shows with a power of 80 %; infinite if it has too few units.

    For failures at `rate`, and the correlation `icc` between trials of one unit. A setting has equally many units at each of its levels; of a
    range, the highest third is compared with the lowest. The limit is Bonferroni's for the share of the error rate that risks have, a
    little above that of the permutations.
    """
    per_unit = rate * (1 - rate) * (1 + (plan.trials - 1) * icc) / plan.trials
    error = math.sqrt(per_unit * 2 * (plan.levels or 3) / max(plan.units, 1))
    limit = float(stats.norm.isf(ERROR * SHARES["risk"] / (2 * max(comparisons, 1))))
    return detectable(error, limit, plan.units - 2) if plan.units >= _FEWEST else float("inf")


def planned_statement(n_trials: int, plans: Mapping[str, Plan]) -> str:
    """Return the differences of failure rates that a design will show for each setting, and how many trials a difference of 20 points needs."""
    comparisons = sum(len(compared_levels(plan.levels)) if plan.levels else 1 for plan in plans.values())
    found = {name: planned(plan, comparisons) for name, plan in plans.items()}
    total = plural(n_trials, "trial")
    shown: dict[str, list[str]] = {}
    for name, points in sorted(found.items(), key=lambda item: item[1]):
        if points < 1:
            shown.setdefault(f"{100 * points:.0f} points", []).append(name)
    best = min(plans, key=lambda name: (found[name], -plans[name].units))
    sizes = range(_FEWEST, 10**6)
    needed = sizes[bisect_left(sizes, True, key=lambda size: planned(replace(plans[best], units=size), comparisons) <= POINTS)]
    share = n_trials / max(plans[best].units * plans[best].trials, 1)  # of which the setting applies in a part
    advice = f"{100 * POINTS:.0f} points need about {math.ceil(needed * plans[best].trials * share):,} trials"
    advice += f" for {best}." if len(plans) > 1 else "."
    if not shown:
        return f"{total} {'is' if n_trials == 1 else 'are'} too few to tell any difference of failure rates from chance ({plural(comparisons, 'comparison')}); {advice}"
    differences = listed([f"{points} for {listed(names)}" for points, names in shown.items()])
    none = [name for name in plans if found[name] >= 1]
    return (
        f"{total} {'shows' if n_trials == 1 else 'show'}, in four of five studies, these differences of failure rates: {differences}"
        + (f", and none for {listed(none)}" if none else "")
        + f" ({plural(comparisons, 'comparison')}, half of the trials failing); {advice}"
    )


def statement(explanation: Explanation) -> list[str]:
    """Return what the trials at hand would have shown, and how many more would show an effect worth finding; [] if nothing is open."""
    model = explanation.model
    assert model is not None
    if len(model.units) < _FEWEST:
        return [f"With fewer than {_FEWEST} {model.units.kind}s, only very large effects can be told from noise."]
    parts, none = [], []
    for outcome in explanation.outcomes:
        rows = [c for c in model.comparisons if c.response.name == outcome and c.role == "scientific" and not c.claimed]
        rows = [c for c in rows if c.term.kind in ("levels", "trend") and c.response.part != "other"]
        if not rows:
            continue
        response = rows[0].response
        found = float(np.median([detectable(c.error, c.limit, c.df) for c in rows]))
        risk, log = response.part == "risk", response.scale == "log"
        if found > (1 if risk else _LARGEST if log else float("inf")) or not math.isfinite(found):
            none.append("failures" if risk else outcome)
            continue
        if risk:
            shown, target, wanted = f"{100 * found:.0f} points of failures", POINTS, f"{100 * POINTS:.0f} points"
        elif log:
            shown, target, wanted = f"a factor of {number(math.exp(found))} in {outcome}", math.log(FACTOR), f"{FACTOR:g}"
        else:
            parts.append(f"a difference of {number(found)} in {outcome}")
            continue
        more = math.ceil(len(explanation.table) * ((found / target) ** 2 - 1))
        parts.append(shown + (f" ({plural(more, 'more trial')} would show {wanted})" if found > _NEAR * target else ""))
    lines = [f"This study would find, in four of five cases, {listed(parts)}."] if parts else []
    return lines + ([f"It is too small to show any effect on {' or '.join(none)}."] if none else [])
