"""What a study can show: effects that it would find in four of five cases, and how many trials smaller ones need."""

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special, stats

from analysis.explain import Explanation
from analysis.model.multiplicity import ERROR, SHARES
from analysis.model.regression import t_value
from analysis.model.terms import compared_levels
from analysis.risks import rate_and_correlation
from analysis.words import listed, number, plural

_POWER = 0.8
_FEWEST = 12  # units; with fewer, the limits of permuted data vary too much to be foreseen
_CONFIGS = 6  # with two trials; fewer tell little of how alike the trials of a config are
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


@dataclass(frozen=True)
class Variation:
    """How often trials fail, and how alike the trials of one config are (the intraclass correlation)."""

    rate: float = 0.5
    icc: float = 0.3
    rate_from: str = ""  # where the rate is from, as a noun; "" if it is assumed
    icc_from: str = ""  # likewise

    @classmethod
    def of(cls, failed: Sequence[int], judged: Sequence[int], *, source: str) -> "Variation":
        """Estimate both from the numbers of failed and of judged trials of each config; what too few trials tell is assumed.

        source: where they are from, as a noun. The rate needs 12 trials, the correlation 6 configs with two trials.
        """
        n = sum(judged)
        rate, icc = rate_and_correlation(failed, judged) if len(failed) > 1 else ((sum(failed) + 1) / (n + 2), cls.icc)
        known, alike = n >= _FEWEST, sum(each > 1 for each in judged) >= _CONFIGS
        told = f"{plural(n, 'trial')} of {source}"
        return cls(rate if known else cls.rate, icc if known and alike else cls.icc, told if known else "", told if known and alike else "")

    def __str__(self) -> str:
        rate, icc = f"{100 * self.rate:.0f} % of the trials failing", f"an intraclass correlation of {self.icc:.2g}"
        if self.rate_from == self.icc_from:
            return f"{rate} and {icc}, " + (f"as in {self.rate_from}" if self.rate_from else "both assumed")
        return f"{rate}, as in {self.rate_from}, and {icc}, assumed"


_ASSUMED = Variation()


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


def planned_statement(n_trials: int, plans: Mapping[str, Plan], variation: Variation = _ASSUMED) -> str:
    """Return the differences of failure rates that a design will show for each setting, and how many trials a difference of 20 points needs."""
    comparisons, found = _comparisons(plans), _found(plans, variation)
    total = plural(n_trials, "trial")
    shown: dict[str, list[str]] = {}
    for name, points in sorted(found.items(), key=lambda item: item[1]):
        if points < 1:
            shown.setdefault(f"{100 * points:.0f} points", []).append(name)
    best = _best(plans, found)
    sizes = range(_FEWEST, 10**6)

    def seen(size: int) -> bool:
        return planned(replace(plans[best], units=size), comparisons, rate=variation.rate, icc=variation.icc) <= POINTS

    needed = sizes[bisect_left(sizes, True, key=seen)]
    share = n_trials / max(plans[best].units * plans[best].trials, 1)  # of which the setting applies in a part
    advice = f"{100 * POINTS:.0f} points need about {math.ceil(needed * plans[best].trials * share):,} trials"
    advice += f" for {best}." if len(plans) > 1 else "."
    if not shown:
        return f"{total} {'is' if n_trials == 1 else 'are'} too few to tell any difference of failure rates from chance ({plural(comparisons, 'comparison')}; {variation}); {advice}"
    differences = listed([f"{points} for {listed(names)}" for points, names in shown.items()])
    none = [name for name in plans if found[name] >= 1]
    return (
        f"{total} {'shows' if n_trials == 1 else 'show'}, in four of five studies, these differences of failure rates: {differences}"
        + (f", and none for {listed(none)}" if none else "")
        + f" ({plural(comparisons, 'comparison')}; {variation}); {advice}"
    )


def bought(n_trials: int, plans: Mapping[str, Plan], more: Mapping[str, float], variation: Variation = _ASSUMED) -> str:
    """Return what further trials would show, as a sentence: `more` maps what buys them to their number, such as {"one more hour": 120}.

    They are trials of further configs. The difference is that of the setting for which it is the smallest.
    """
    found = _found(plans, variation)
    best = _best(plans, found)
    now = found[best]
    parts = []
    for what, extra in more.items():
        grown = {name: replace(plan, units=round(plan.units * (1 + extra / n_trials))) for name, plan in plans.items()}
        then = _found(grown, variation)[best]
        parts.append(f"{what} trains about {plural(round(extra), 'more trial')}, which show {_points(then)}")
    return f"This design shows {_points(now)} for {best}; {'; '.join(parts)}."


def _points(found: float) -> str:
    return f"{100 * found:.0f} points" if found < 1 else "no difference"


def _comparisons(plans: Mapping[str, Plan]) -> int:
    return sum(len(compared_levels(plan.levels)) if plan.levels else 1 for plan in plans.values())


def _found(plans: Mapping[str, Plan], variation: Variation) -> dict[str, float]:
    comparisons = _comparisons(plans)
    return {name: planned(plan, comparisons, rate=variation.rate, icc=variation.icc) for name, plan in plans.items()}


def _best(plans: Mapping[str, Plan], found: Mapping[str, float]) -> str:
    return min(plans, key=lambda name: (found[name], -plans[name].units))


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
