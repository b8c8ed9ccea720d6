"""Two studies side by side: the effects that both measured, with their difference, and one table of all trials."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.multitest import multipletests

from analysis.claim import Claim
from analysis.confirmed import confirmed, has_confirmed
from analysis.explain import Explanation
from analysis.levels import distinct_values, is_numeric
from analysis.outcomes import WIN
from analysis.table import TrialTable, as_table
from analysis.words import listed, plural, value_text
from ganstudy import UserError

_ERROR = 0.05  # of all differences together
_NAMED = 6  # values of a numeric setting that are named one by one
_OVERLAP = 0.8  # share of the union of two ranges that both must cover, for thirds of them to mean the same


@dataclass(frozen=True, kw_only=True)
class Difference:
    """An effect in two studies, and by how much it differs.

    On the "log" scale, effects are ratios and the difference is a ratio of ratios; else it is a difference of differences.
    """

    first: Claim
    second: Claim
    difference: float  # second against first
    low: float  # 95 %, for this comparison alone
    high: float
    family_low: float  # 95 % for all comparisons at once
    family_high: float
    p: float  # for this comparison alone
    family_p: float  # adjusted for all comparisons (Holm 1979)

    @property
    def differs(self) -> bool:
        """Whether the effects may be said to differ: both studies are randomised, and it holds among all comparisons at once."""
        return self.family_p < _ERROR and {self.first.evidence, self.second.evidence} == {"designed"}


def compare(first: Explanation, second: Explanation) -> list[Difference]:
    """Return the comparisons of levels and ranges that both studies made, the surest difference first.

    A difference is between independent studies: its standard error is the root of the summed squares, its degrees of freedom are those of
    Welch 1947. What is compared must mean the same: the same levels, and for a range about the same range. That an effect differs does not
    say why: everything that the studies do differently may be the reason.
    """
    pairs = _pairs(first, second)
    found = []
    for (one, a), (other, b) in pairs:
        error = float(np.hypot(a.error, b.error))
        df = error**4 / (a.error**4 / a.df + b.error**4 / b.df)
        found.append((one, other, b.estimate - a.estimate, error, df, float(2 * stats.t.sf(abs(b.estimate - a.estimate) / error, df))))
    adjusted = multipletests([p for *_, p in found], method="holm")[1] if found else []
    family = 1 - _ERROR / (2 * max(len(found), 1))
    made = []
    for (one, other, estimate, error, df, p), family_p in zip(found, adjusted, strict=True):
        alone, every = (error * float(stats.t.ppf(q, df)) for q in (0.975, family))
        ends = [_own(one, value) for value in (estimate, estimate - alone, estimate + alone, estimate - every, estimate + every)]
        if one.in_points:  # each effect is within ±1
            ends = [min(max(value, -2.0), 2.0) for value in ends]
        made.append(
            Difference(
                first=one, second=other, difference=ends[0], low=ends[1], high=ends[2], family_low=ends[3], family_high=ends[4], p=p,
                family_p=float(family_p),
            )
        )  # fmt: skip
    return sorted(made, key=lambda each: (each.family_p, each.p))


def together(tables: Mapping[str, TrialTable]) -> TrialTable:
    """Return the trials of several studies as one table, for `rank`. Settings in which the studies differ are scientific.

    A trial that several studies ran, the same config with the same seed, is taken once. If only some of the studies have confirmed configs
    (`analysis.confirmed`), only the fresh seeds of these are taken, and all trials of the others; none of them has a phase then, since a ranking
    would take those of phase confirm alone. Raises UserError without tables, and for tables whose metrics have
    other directions or whose failures are defined in another way.
    """
    if not tables:
        raise UserError("the tables of one study or more are needed to rank them together; given none")
    parts = [as_table(table) for table in tables.values()]
    head = parts[0]
    for name, part in zip(tables, parts, strict=True):
        shared = head.directions.keys() & part.directions.keys()
        if wrong := sorted(each for each in shared if head.directions[each] is not part.directions[each]):
            raise UserError(f"studies that are ranked together must have the same direction for {wrong[0]}; {name} has another one")
        if (head.own_failures is None) != (part.own_failures is None):
            raise UserError(f"studies that are ranked together must define a failure alike; {name} does so in another way")
    if len({has_confirmed(part) for part in parts}) > 1:
        parts = [replace(part, phase=np.full(len(part), "")) for part in map(confirmed, parts)]
    known: set[str] = set()
    for i, part in enumerate(parts):
        parts[i] = part.where(np.array([trial_id not in known for trial_id in part.trial_id], dtype=bool))
        known.update(part.trial_id)
    settings = pd.concat([part.settings.astype(object) for part in parts])
    varied = [str(name) for name in settings if settings[name].astype(str).nunique() > 1]
    settings = settings.infer_objects()
    asked = dict.fromkeys(name for part in parts for name in part.scientific)
    beside = [name for name in dict.fromkeys(name for part in parts for name in part.nuisance) if name not in asked]
    columns: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS}
    return replace(
        head,
        **columns,
        own_failures=None if head.own_failures is None else np.concatenate([part.failed for part in parts]),
        settings=settings,
        final=pd.concat([part.final for part in parts]),
        curves={},
        images=np.zeros((len(settings), 0)),
        scientific=tuple(dict.fromkeys([*asked, *(name for name in varied if name not in beside)])),
        nuisance=tuple(beside),
        directions={name: way for part in reversed(parts) for name, way in part.directions.items()},
        scales={name: scale for part in reversed(parts) for name, scale in part.scales.items()},
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
        missing="",
    )


_COLUMNS = ("trial_id", "config_id", "seed", "phase", "ended", "outcome", "diagnosis", "onset_kimg")


def unmatched(first: Explanation, second: Explanation, studies: Mapping[str, TrialTable]) -> list[str]:
    """Return why settings that both studies ask about are not compared, as sentences. studies: the name of each and all its trials."""
    shared = [name for name in first.settings if name in second.settings]
    done = {name for one, _ in _pairs(first, second) for name in one[0].settings}
    told = []
    for name in shared:
        if name in done:
            continue
        values = [_values(found, name) for found in (first, second)]
        if all(is_numeric(each) and each.nunique() > 2 for each in values):
            spans = [f"{each.min():g} to {each.max():g}" for each in values]
            told.append(f"{name} is not compared, since its ranges differ: {spans[0]}, and {spans[1]}")
        else:
            there = "; ".join(
                f"{study} has {_seen(found, table, name)}" for found, (study, table) in zip((first, second), studies.items(), strict=True)
            )
            told.append(f"{name} is not compared, since the studies do not both compare the same levels of it: {there}")
    return told


def _seen(found: Explanation, table: TrialTable, name: str) -> str:
    """The values of a setting in the trials that claims use, and what became of those with its other values: "off (all its trials with on crashed, 4 of them)"."""
    column, counted = table.settings[name], _values(found, name)
    if is_numeric(counted) and counted.nunique() > _NAMED:
        return f"{counted.min():g} to {counted.max():g}"
    seen, lost = [], []
    for value in distinct_values(column.dropna()):
        with_it = (column == value).fillna(False).to_numpy(dtype=bool)
        if (counted == value).any():
            seen.append(value_text(value))
        elif (table.ended[with_it] == "error").all():
            lost.append(f"all its trials with {value_text(value)} crashed, {with_it.sum()} of them")
        else:
            lost.append(f"none of its {plural(int(with_it.sum()), 'trial')} with {value_text(value)} counts")
    return (listed(seen) or "no level") + (f" ({'; '.join(lost)})" if lost else "")


def _pairs(first: Explanation, second: Explanation) -> list[tuple[tuple[Claim, Any], tuple[Claim, Any]]]:
    """Return what both studies compared: the claim and the comparison behind it, of each study."""
    theirs = {_key(claim): (claim, comparison) for claim, comparison in _compared(second)}
    return [
        ((claim, comparison), theirs[_key(claim)])
        for claim, comparison in _compared(first)
        if _key(claim) in theirs and (claim.kind != "trend" or _same_range(first, second, claim.setting))
    ]


def _compared(found: Explanation) -> list[tuple[Claim, Any]]:
    if found.model is None:
        return []
    by_key = {(c.response.name, c.term.kind, c.term.settings, c.contrast.levels, c.contrast.references): c for c in found.model.comparisons}
    return [
        (claim, by_key[claim.outcome, claim.kind, claim.settings, claim.levels, claim.references])
        for claim in found
        # "win" compares a run with the others of its own study
        if claim.kind in ("levels", "trend") and claim.role == "scientific" and claim.outcome != WIN
    ]


def _key(claim: Claim) -> tuple[Any, ...]:
    levels = (claim.levels, claim.references) if claim.kind == "levels" else ()  # thirds of a range have other bounds in each study
    return claim.outcome, claim.kind, claim.settings, claim.scale, *levels


def _same_range(first: Explanation, second: Explanation, name: str) -> bool:
    values = [_values(found, name).to_numpy(dtype=np.float64) for found in (first, second)]
    if all(found.table.setting_scale(name) == "log" for found in (first, second)):
        values = [np.log(each) for each in values]
    lows, highs = [each.min() for each in values], [each.max() for each in values]
    return bool(min(highs) - max(lows) >= _OVERLAP * (max(highs) - min(lows)))


def _values(found: Explanation, name: str) -> pd.Series:
    return found.table.settings[name].dropna()


def _own(claim: Claim, value: float) -> float:
    """A difference on the working scale as it is shown."""
    return float(np.exp(np.clip(value, -700, 700))) if claim.scale == "log" else value


def sentence(each: Difference, names: tuple[str, str]) -> str:
    """Return a difference that holds, as a sentence."""
    one, other = each.first, each.second
    return (
        f"The effect of {one.setting} ({one.compared}) on {one.outcome} differs: {one.shown(one.effect)} in {names[0]}, "
        f"{other.shown(other.effect)} in {names[1]} (difference {one.shown(each.difference)}; 95 % {interval(each)})."
    )


def interval(each: Difference) -> str:
    """Return the 95 % interval of a difference, for all comparisons at once, as text."""
    return replace(each.first, family_low=each.family_low, family_high=each.family_high).interval(family=True)
