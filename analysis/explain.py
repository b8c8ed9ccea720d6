"""What a setting does to the risk of failing or to the score, as claims in words that carry their n and their interval."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from analysis import estimate
from analysis.settings import Side, adjustable, covariates, sides, split_at_median, units
from analysis.table import Bools, Direction, Scale, TrialTable
from analysis.words import RISKS, SCORES, listed, number, percent, plural, value_text


@dataclass(frozen=True)
class Count:
    """How much stands on one side of a comparison."""

    trials: int
    configs: int

    def __str__(self) -> str:
        return f"{plural(self.trials, 'trial')} of {plural(self.configs, 'configuration')}"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What one level of a setting does, against a reference level, to an outcome.

    On the "linear" scale `effect` is a difference (of rates, or of mean scores), on the "log" scale a ratio of geometric means.
    """

    setting: str
    level: str
    reference: str
    outcome: str  # failed, one of OUTCOMES that is not healthy, or the name of a score
    scale: Scale
    better: Direction
    effect: float
    low: float  # 95 %
    high: float
    p: float
    q: float  # Benjamini & Hochberg over the claims of one call
    n_with: Count
    n_without: Count
    evidence: Literal["designed", "observed"]
    context: str  # what was fixed, what was adjusted for, which trials
    sentence: str

    @property
    def no_effect(self) -> float:
        """The value of `effect` that says nothing happens: 0 for a difference, 1 for a ratio."""
        return 1.0 if self.scale == "log" else 0.0

    @property
    def clear(self) -> bool:
        """Whether the interval excludes no effect. One in twenty would by chance alone: look at q where there are many."""
        return not self.low <= self.no_effect <= self.high

    @property
    def helps(self) -> bool:
        """Whether the effect goes the better way (clear or not)."""
        return (self.effect < self.no_effect) == (self.better == "min")

    @property
    def strength(self) -> float:
        """The effect in half widths of its interval: above 1 it is clear."""
        effect, low, high = (np.log(x) if self.scale == "log" else x for x in (self.effect, self.low, self.high))
        return float(abs(effect) / max((high - low) / 2, 1e-12))  # 1e-12: a score without any spread


def explain(table: TrialTable, outcome: str = "failed", *, settings: Sequence[str] | None = None, seed: int = 0) -> list[Claim]:
    """Each level of each setting against its reference, strongest claim first.

    `outcome` is "failed" or a failure such as "mode_collapse" (an effect is a difference of rates), or the name of a score (a difference of means or
    ratio of geometric means, among runs that reached the end, adjusted for the other scientific settings where that can be
    estimated). `settings` are the scientific and nuisance ones unless given; `seed` is of the permutations. If the table holds
    trials of a randomised design (phase explore) only these are used: an adaptive search chose the others by their results.
    A side needs two configs, or both sides are one each: then nothing but the seeds varies within them, and the interval is over seeds.
    A conditional knob is compared among trials where it lives. Raises ValueError for an unknown name.
    """
    names = list(settings) if settings is not None else [*table.scientific, *table.nuisance]
    unknown = sorted(set(names) - set(map(str, table.knobs.columns)))
    if unknown:
        raise ValueError(f"settings must be knobs of this table; got {unknown}; there are {list(table.knobs.columns)}")
    if outcome not in (*RISKS, *table.better):
        raise ValueError(f"an outcome must be one of {list(RISKS)} or a score of {sorted(table.better)}; got {outcome!r}")
    table = basis(table)
    if outcome not in RISKS:
        table = table.where(np.isfinite(table.at_end(outcome)))
    claims = []
    for name in names:
        found = sides(table, name)
        for level in found[1:]:
            both = level.trials | found[0].trials
            claim = _compare(table.where(both), name, level, found[0], both, outcome, seed)
            if claim is not None:
                claims.append(claim)
    claims = [replace(c, q=float(q)) for c, q in zip(claims, estimate.q_values(np.array([c.p for c in claims])), strict=True)]
    return sorted(claims, key=lambda claim: -claim.strength)


def basis(table: TrialTable) -> TrialTable:
    """The trials that claims rest on: those of the randomised design if there are any, else all that carry evidence."""
    counted = table.where(table.evidence)
    designed = counted.phase == "explore"
    return counted.where(designed) if designed.any() else counted


def _compare(table: TrialTable, name: str, level: Side, reference: Side, both: Bools, outcome: str, seed: int) -> Claim | None:
    """`table` holds the trials of both sides only; None where a side has fewer than two units."""
    group = level.trials[both]
    n_with, n_without = (Count(int(side.sum()), len(set(table.config_id[side]))) for side in (group, ~group))
    of = units(table, group, ~group)
    if min(len(set(of[side])) for side in (group, ~group)) < 2:
        return None
    scale: Scale
    better: Direction
    if outcome in RISKS:
        events = table.failed if outcome == "failed" else table.outcome == outcome
        scale, better, adjustment = "linear", "min", ""
        found = estimate.rate_difference(events, of, group)
        p = estimate.permutation_p(events.astype(np.float64), of, group, seed=seed)
        said = _said_risk(name, level.label, reference.label, outcome, found, float(events[group].mean()), float(events[~group].mean()))
    else:
        scale, better = table.scale(outcome), table.direction(outcome)
        others = adjustable(table, [other for other in table.scientific if other != name])
        found, p, adjusted = estimate.adjusted_difference(table.at_end(outcome), of, group, covariates(table, others), scale=scale)
        adjustment = "runs that reached the end only; " + (
            f"adjusted for {listed(others)}" if adjusted else "not adjusted for other settings"
        )
        said = _said_score(name, level.label, reference.label, outcome, found, scale)
    if n_with.configs == n_without.configs == 1:
        adjustment = "; ".join(filter(None, [adjustment, "one configuration on each side, so the interval is over their seeds alone"]))
    claim = Claim(
        setting=name,
        level=level.label,
        reference=reference.label,
        outcome=outcome,
        scale=scale,
        better=better,
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
    tail = "" if claim.clear else " The interval includes no effect, so the data cannot tell."
    return replace(claim, sentence=f"{said} ({n_with} against {n_without}).{tail}")


def _said_risk(name: str, level: str, reference: str, outcome: str, found: estimate.Interval, inside: float, outside: float) -> str:
    points = f"{abs(100 * found.value):.0f} points {'less' if found.value < 0 else 'more'}"
    span = f"difference {_points(found.low)} to {_points(found.high)} points"
    return (
        f"With {name} {level} the rate of {RISKS[outcome]} is {percent(inside)}, with {reference} {percent(outside)}: {points}, 95 % {span}"
    )


def _said_score(name: str, level: str, reference: str, outcome: str, found: estimate.Interval, scale: Scale) -> str:
    span = f"95 % {number(found.low)} to {number(found.high)}"
    what = SCORES.get(outcome, f"final {outcome}")
    if scale == "log":
        return f"With {name} {level} the {what} is {number(found.value)} times that with {reference}, {span}"
    more = "higher" if found.value >= 0 else "lower"
    return f"With {name} {level} the {what} is {number(abs(found.value))} {more} than with {reference}, difference {span}"


def _points(share: float) -> str:
    return f"{100 * share:+.0f}".replace("-", "−")


def _context(table: TrialTable, name: str, adjustment: str) -> str:
    varied = [other for other in (*table.scientific, *table.nuisance) if other != name]
    split = "split at the median of its configurations" if split_at_median(table, name) else ""
    mixed = f"averaged over {listed(varied)}" if varied else ""
    fixed = ", ".join(f"{knob} {value_text(value)}" for knob, value in table.fixed.items())
    return "; ".join(filter(None, [split, adjustment, mixed, f"fixed: {fixed}" if fixed else ""]))


def answer(table: TrialTable, claims: Sequence[Claim]) -> str:
    """The study's answer in two to four sentences, one a line: what it rests on, what helps, what hurts, what cannot be told."""
    used = basis(table)
    if not len(used):
        return "Nothing can be told yet: no trial has finished."
    failing = estimate.rate(used.failed, used.config_id)
    source = "a randomised design" if (used.phase == "explore").all() else "runs chosen by a search, so what is seen is association"
    n = f"{plural(len(used), 'trial')} of {plural(len(set(used.config_id)), 'configuration')}"
    said = [f"Of {n} ({source}), {percent(failing.value)} failed (95 % interval {percent(failing.low)} to {percent(failing.high)})."]
    clear = [claim for claim in claims if claim.clear]
    for heading, group in (("What helps", [c for c in clear if c.helps]), ("What hurts", [c for c in clear if not c.helps])):
        compared: dict[str, str] = {}  # a comparison is named once, with all that it does
        for claim in group:
            name = f"{claim.setting} {claim.level} against {claim.reference}"
            compared[name] = (f"{compared[name]}, " if name in compared else f"{name}: ") + _short(claim, len(claims))
        if group:
            said.append(f"{heading}: {'; '.join(compared.values())}.")
    untold = [name for name in dict.fromkeys(c.setting for c in claims) if name not in {c.setting for c in clear}]
    untold += [
        f"{name} (fewer than two configurations on a side, or one seed each)"
        for name in table.scientific
        if name not in {c.setting for c in claims}
    ]
    if not clear:
        said.append(f"No setting has a clear effect: of {plural(len(claims), 'comparison')} every interval includes none.")
    if untold:
        said.append(f"What cannot be told: the effect of {listed(untold)}.")
    return "\n".join(said)


def _short(claim: Claim, n_claims: int) -> str:
    if claim.outcome in RISKS:
        what = f"{RISKS[claim.outcome]} {_points(claim.effect)} points (95 % {_points(claim.low)} to {_points(claim.high)}"
    elif claim.scale == "log":
        what = f"{claim.outcome} × {number(claim.effect)} (95 % {number(claim.low)} to {number(claim.high)}"
    else:
        what = f"{claim.outcome} {number(claim.effect)} (95 % {number(claim.low)} to {number(claim.high)}"
    doubt = f", q = {claim.q:.2f}: may be chance among {n_claims} comparisons" if claim.q > 0.1 else ""
    return f"{what}, n = {claim.n_with.trials} + {claim.n_without.trials}{doubt})"
