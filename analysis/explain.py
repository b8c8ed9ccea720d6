"""The effect of each setting on the risk of failure or on a metric, as claims with their n, interval and sentence."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from analysis import estimate
from analysis.levels import Level, adjustable, covariates, independent_units, is_split_at_median, levels
from analysis.outcomes import RISKS
from analysis.table import Bools, Scale, TrialTable
from analysis.words import listed, number, percent, plural, value_text
from ganstudy import UserError
from ganstudy.direction import Direction

_PHRASES = {"seconds": "training time"}  # metrics that are not the last value of a curve


@dataclass(frozen=True)
class Count:
    """Number of trials and configs in one group of a comparison."""

    trials: int
    configs: int

    def __str__(self) -> str:
        return f"{plural(self.trials, 'trial')} of {plural(self.configs, 'config')}"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The effect of one level of a setting, compared with a reference level, on an outcome or a metric.

    On the "linear" scale `effect` is a difference (of rates or of means), on the "log" scale a ratio of geometric means.
    """

    setting: str
    level: str
    reference: str
    outcome: str  # a key of RISKS, or the name of a metric
    scale: Scale
    direction: Direction  # of the outcome: risks are minimized
    effect: float
    low: float  # 95 %
    high: float
    p: float
    q: float  # Benjamini & Hochberg over the claims of one call
    n_with: Count
    n_without: Count
    evidence: Literal["designed", "observed"]
    context: str  # fixed settings, adjustment, which trials
    sentence: str

    @property
    def no_effect(self) -> float:
        """The value of `effect` that means no effect: 0 for a difference, 1 for a ratio."""
        return 1.0 if self.scale == "log" else 0.0

    @property
    def clear(self) -> bool:
        """Whether the interval excludes zero effect. One in twenty claims is clear by chance, so check `q` when there are many."""
        return not self.low <= self.no_effect <= self.high

    @property
    def helps(self) -> bool:
        """Whether the effect is an improvement, clear or not."""
        return (self.effect < self.no_effect) == (self.direction is Direction.MINIMIZE)

    @property
    def strength(self) -> float:
        """The effect in half widths of its interval: above 1 it is clear."""
        effect, low, high = (np.log(x) if self.scale == "log" else x for x in (self.effect, self.low, self.high))
        return float(abs(effect) / max((high - low) / 2, 1e-12))  # 1e-12: a metric without any spread


def explain(table: TrialTable, outcome: str = "failed", *, settings: Sequence[str] | None = None, seed: int = 0) -> list[Claim]:
    """Compare each level of each setting with its reference level; the strongest claim comes first.

    `outcome` is "failed", one failure such as "mode_collapse", or a metric. Effects on failures are differences of rates. Effects on a
    metric are differences of means or ratios of geometric means, over trials that completed their budget, adjusted for the other
    scientific settings if possible.

    `settings` defaults to the scientific and nuisance settings; `seed` seeds the permutation test. If the table holds trials of a
    randomised design (phase explore), only these are used, because an adaptive search selects trials by their results. A conditional
    setting is compared among trials in which it is active.

    Each group needs two configs. If both groups hold a single config, the interval is over its seeds. Raises UserError for an unknown name.
    """
    names = list(settings) if settings is not None else [*table.scientific, *table.nuisance]
    unknown = sorted(set(names) - set(map(str, table.settings.columns)))
    if unknown:
        raise UserError(f"settings must be columns of table.settings; got {unknown}; there are {list(table.settings.columns)}")
    if outcome not in (*RISKS, *table.directions):
        raise UserError(
            f"an outcome must be one of {list(RISKS)} or a metric with a direction, {sorted(table.directions)}; got {outcome!r}"
        )
    table = basis(table)
    if outcome not in RISKS:
        table = table.where(np.isfinite(table.at_end(outcome)))
    claims = []
    for name in names:
        found = levels(table, name)
        for level in found[1:]:
            both = level.trials | found[0].trials
            claim = _compare(table.where(both), name, level, found[0], both, outcome, seed)
            if claim is not None:
                claims.append(claim)
    claims = [replace(c, q=float(q)) for c, q in zip(claims, estimate.q_values(np.array([c.p for c in claims])), strict=True)]
    return sorted(claims, key=lambda claim: -claim.strength)


def basis(table: TrialTable) -> TrialTable:
    """Return the trials that claims use: those of the randomised design if there are any, else all trials that are evidence."""
    counted = table.where(table.evidence)
    designed = counted.phase == "explore"
    return counted.where(designed) if designed.any() else counted


def _compare(table: TrialTable, name: str, level: Level, reference: Level, both: Bools, outcome: str, seed: int) -> Claim | None:
    """Return the claim, or None if a group has fewer than two units. `table` holds the trials of the two levels only."""
    group = level.trials[both]
    n_with, n_without = (Count(int(part.sum()), len(set(table.config_id[part]))) for part in (group, ~group))
    unit = independent_units(table, group, ~group)
    if min(len(set(unit[part])) for part in (group, ~group)) < 2:
        return None
    scale: Scale
    if outcome in RISKS:
        events = table.failed if outcome == "failed" else table.outcome == outcome
        scale, direction, adjustment = "linear", Direction.MINIMIZE, ""
        found = estimate.rate_difference(events, unit, group)
        p = estimate.permutation_p(events.astype(np.float64), unit, group, seed=seed)
        statement, interval = _risk_statement(
            name, level.label, reference.label, outcome, found, float(events[group].mean()), float(events[~group].mean())
        )
    else:
        scale, direction = table.scale(outcome), table.direction(outcome)
        others = adjustable(table, [other for other in table.scientific if other != name])
        found, p, adjusted = estimate.adjusted_difference(table.at_end(outcome), unit, group, covariates(table, others), scale=scale)
        adjustment = "only trials that completed their budget; " + (
            f"adjusted for {listed(others)}" if adjusted else "not adjusted for other settings"
        )
        statement, interval = _metric_statement(name, level.label, reference.label, outcome, found, scale)
    if n_with.configs == n_without.configs == 1:
        adjustment = "; ".join(filter(None, [adjustment, "one config in each group, so the interval is over its seeds only"]))
    claim = Claim(
        setting=name,
        level=level.label,
        reference=reference.label,
        outcome=outcome,
        scale=scale,
        direction=direction,
        effect=found.value,
        low=found.low,
        high=found.high,
        p=p,
        q=np.nan,
        n_with=n_with,
        n_without=n_without,
        evidence="designed" if (table.phase == "explore").all() else "observed",
        context=_context(table, name, adjustment),
        sentence="",
    )
    tail = "" if claim.clear else " The interval includes zero effect, so the data cannot tell."
    return replace(claim, sentence=f"{statement} (95 % interval {interval}; {n_with} against {n_without}).{tail}")


def _risk_statement(
    name: str, level: str, reference: str, outcome: str, found: estimate.Interval, inside: float, outside: float
) -> tuple[str, str]:
    """Return the statement about a rate and its interval as text."""
    points = f"{abs(100 * found.value):.0f} points {'lower' if found.value < 0 else 'higher'}"
    return (
        f"With {name} {level}, the rate of {RISKS[outcome]} is {percent(inside)}, against {percent(outside)} with {reference}: {points}",
        f"{_points(found.low)} to {_points(found.high)} points",
    )


def _metric_statement(name: str, level: str, reference: str, outcome: str, found: estimate.Interval, scale: Scale) -> tuple[str, str]:
    """Return the statement about a metric and its interval as text."""
    interval = f"{number(found.low)} to {number(found.high)}"
    what = _PHRASES.get(outcome, f"final {outcome}")
    if scale == "log":
        return f"With {name} {level}, the {what} is {number(found.value)} times that with {reference}", interval
    more = "higher" if found.value >= 0 else "lower"
    return f"With {name} {level}, the {what} is {number(abs(found.value))} {more} than with {reference}", interval


def _points(share: float) -> str:
    return f"{100 * share:+.0f}".replace("-", "−")


def _context(table: TrialTable, name: str, adjustment: str) -> str:
    varied = [other for other in (*table.scientific, *table.nuisance) if other != name]
    split = "split at the median of its configs" if is_split_at_median(table, name) else ""
    averaged = f"averaged over {listed(varied)}" if varied else ""
    fixed = ", ".join(f"{setting} {value_text(value)}" for setting, value in table.fixed.items())
    return "; ".join(filter(None, [split, adjustment, averaged, f"fixed: {fixed}" if fixed else ""]))


def answer(table: TrialTable, claims: Sequence[Claim]) -> str:
    """Return the study's answer in two to four sentences, one per line: the data, what helps, what hurts, what cannot be told."""
    used = basis(table)
    if not len(used):
        return "No answer yet: no trial has finished."
    failing = estimate.rate(used.failed, used.config_id)
    source = (
        "a randomised design"
        if (used.phase == "explore").all()
        else "chosen by an adaptive search, so effects are associations, not causes"
    )
    n = f"{plural(len(used), 'trial')} of {plural(len(set(used.config_id)), 'config')}"
    lines = [f"Of {n} ({source}), {percent(failing.value)} failed (95 % interval {percent(failing.low)} to {percent(failing.high)})."]
    clear = [claim for claim in claims if claim.clear]
    for heading, group in (("Helps", [c for c in clear if c.helps]), ("Hurts", [c for c in clear if not c.helps])):
        compared: dict[str, str] = {}  # each comparison is named once, followed by all its effects
        for claim in group:
            name = f"{claim.setting} {claim.level} against {claim.reference}"
            compared[name] = (f"{compared[name]}, " if name in compared else f"{name}: ") + _short(claim, len(claims))
        if group:
            lines.append(f"{heading}: {'; '.join(compared.values())}.")
    unclear = [name for name in dict.fromkeys(c.setting for c in claims) if name not in {c.setting for c in clear}]
    unclear += [
        f"{name} (a level has fewer than two configs, or a single seed)"
        for name in table.scientific
        if name not in {c.setting for c in claims}
    ]
    if claims and not clear:
        lines.append(f"No setting has a clear effect: the intervals of all {plural(len(claims), 'comparison')} include zero effect.")
    if unclear:
        lines.append(f"Cannot tell: the effect of {listed(unclear)}.")
    return "\n".join(lines)


def _short(claim: Claim, n_claims: int) -> str:
    if claim.outcome in RISKS:
        what = f"{RISKS[claim.outcome]} {_points(claim.effect)} points (95 % {_points(claim.low)} to {_points(claim.high)}"
    elif claim.scale == "log":
        what = f"{claim.outcome} × {number(claim.effect)} (95 % {number(claim.low)} to {number(claim.high)}"
    else:
        what = f"{claim.outcome} {number(claim.effect)} (95 % {number(claim.low)} to {number(claim.high)}"
    doubt = f", q = {claim.q:.2f}: may be chance among {n_claims} comparisons" if claim.q > 0.1 else ""
    return f"{what}, n = {claim.n_with.trials} + {claim.n_without.trials}{doubt})"
