"""The effect of each setting on each outcome, as claims with their n, interval and sentence."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import overload

import numpy as np

from analysis import sentences
from analysis.claim import Claim, Count, Evidence
from analysis.model import Comparison, JointModel, Response, Units, joint_model, responses, units_of
from analysis.model.curve import peaks
from analysis.model.outcomes import OF_ALL, kinds, known, refuse_unknown
from analysis.model.terms import Kind
from analysis.outcomes import FAILURES
from analysis.table import Bools, Strings, TrialTable, as_table
from analysis.words import listed, plural, value_text, value_texts
from ganstudy import UserError
from ganstudy.ended import Ended

_HUGE = 700.0  # its exponential overflows


@dataclass(frozen=True, eq=False, repr=False)
class Explanation(Sequence[Claim]):
    """The claims of a study, the strongest of each kind first, and the model behind them."""

    table: TrialTable  # the trials that were used
    outcomes: tuple[str, ...]
    settings: tuple[str, ...]  # that are asked about
    claims: tuple[Claim, ...]
    model: JointModel | None  # None if there is nothing to compare
    lost: Mapping[str, Sequence[str]] = field(default_factory=dict)  # setting -> its values all of whose trials crashed, as words

    @overload
    def __getitem__(self, index: int) -> Claim: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Claim]: ...
    def __getitem__(self, index: int | slice) -> Claim | Sequence[Claim]:
        return self.claims[index]

    def __len__(self) -> int:
        return len(self.claims)

    def __repr__(self) -> str:
        claimed = sum(claim.claimed for claim in self.claims)
        return f"Explanation({plural(len(self), 'comparison')} about {listed(list(self.outcomes))}, {claimed} claimed)"

    def __iter__(self) -> Iterator[Claim]:
        return iter(self.claims)

    @property
    def designed(self) -> bool:
        """Whether all trials belong to a randomised design. Only then are effects causes."""
        return bool((self.table.phase == "explore").all())

    def units(self, table: TrialTable) -> Strings:
        """Return the unit of observation [T] of each trial of `table`, as in the model: its config, or the trial itself."""
        return table.trial_id if self.model is not None and self.model.units.kind == "trial" else table.config_id


def explain(
    table: TrialTable, outcome: str | Sequence[str] = "failed", *, settings: Sequence[str] | None = None, seed: int = 0
) -> Explanation:
    """Compare the levels of each setting in all outcomes at once.

    `outcome` is "failed", one failure such as "mode_collapse", or a metric, or several of them. What is claimed holds for all of them
    together: in at most one of twenty studies without any effect is anything claimed, so ask for all outcomes in one call. Effects on a
    metric are over trials that completed their budget and did not fail. With "failed" and a metric there is also "win", which counts failed
    runs last.

    `settings` defaults to the scientific settings; nuisance settings are adjusted for if they matter, and never claimed. `seed` seeds the
    permutations. If the table holds trials of a randomised design (phase explore), only these are used. From other trials nothing is
    claimed, because a search selects trials by their results. A conditional setting is compared among trials in which it is active.

    Raises UserError for an unknown name and for anything but a TrialTable.
    """
    table = as_table(table)
    asked = (outcome,) if isinstance(outcome, str) else tuple(dict.fromkeys(outcome))
    names = list(dict.fromkeys(settings)) if settings is not None else [*table.scientific]
    if unknown := sorted(set(names) - set(map(str, table.settings.columns))):
        raise UserError(f"settings must be columns of table.settings; got {unknown}; there are {list(table.settings.columns)}")
    for name in asked:
        refuse_unknown(name, table)
    lost = _lost(table, names)
    table = basis(table)
    if not len(table):
        return Explanation(table, asked, tuple(names), (), None)
    units = units_of(table)
    nuisance = [name for name in (*table.scientific, *table.nuisance) if name not in names]
    model = joint_model(units, responses(units, asked), scientific=names, nuisance=nuisance, seed=seed)
    evidence: Evidence = "designed" if (table.phase == "explore").all() else "observed"
    claims = [_claim(model, comparison, evidence) for comparison in model.comparisons]
    order = {name: i for i, name in enumerate(asked)}
    claims.sort(key=lambda claim: (not claim.claimed, claim.role == "nuisance", order.get(claim.outcome, len(order)), claim.p))
    return Explanation(table, asked, tuple(names), tuple(claims), model, lost)


def _lost(table: TrialTable, names: Sequence[str]) -> dict[str, list[str]]:
    """Return, for each setting, its values all of whose trials crashed; a setting without such a value is left out."""
    crashed = table.ended == Ended.ERROR.value
    found = {}
    for name in names:
        values = table.settings[name]
        if values_lost := sorted({*values[crashed].dropna()} - {*values[~crashed].dropna()}, key=str):
            found[name] = value_texts(values_lost)
    return found


def all_outcomes(table: TrialTable, objective: str) -> tuple[str, ...]:
    """Return the outcomes that an answer is about: the risk of failure, the objective, and each kind of failure that is not rare."""
    return ("failed", objective, *kinds(basis(table)))


def basis(table: TrialTable) -> TrialTable:
    """Return the trials that claims use: those of the randomised design if there are any, else all trials that are evidence."""
    counted = table.where(table.evidence)
    designed = counted.phase == "explore"
    return counted.where(designed) if designed.any() else counted


def _claim(model: JointModel, comparison: Comparison, evidence: Evidence) -> Claim:
    response, term, contrast = comparison.response, comparison.term, comparison.contrast
    value = _effect_of(response, term.kind)
    scientific = comparison.role == "scientific"
    single, family = comparison.interval(family=False), comparison.interval(family=scientific)
    claimed = comparison.claimed and evidence == "designed"
    inside, outside = (_count(model.units, response, side) for side in (contrast.inside, contrast.outside))
    fewer = comparison.estimate < 0
    claim = Claim(
        settings=term.settings,
        kind=term.kind,
        levels=contrast.levels,
        references=contrast.references,
        outcome=response.name,
        scale=response.scale,
        direction=response.direction,
        effect=value(comparison.estimate),
        low=value(single[0]),
        high=value(single[1]),
        p=comparison.p,
        claimed=claimed,
        family_p=comparison.family_p,
        family_low=value(family[0]),
        family_high=value(family[1]),
        corrected=value(comparison.corrected if claimed else comparison.estimate),
        n_with=inside,
        n_without=outside,
        evidence=evidence,
        role="scientific" if scientific else "nuisance",
        context=_context(model, comparison),
        peak=term.kind == "bend" and claimed and peaks(model, response.name, term.settings[0]),
        details=sentences.simple_effects(model, comparison) if claimed else (),
        adjusted=_adjusted(model, comparison),
        # by a study's own definition, a kind of failure may be none
        replaced=response.part == "other"
        and response.name in FAILURES
        and model.units.table.own_failures is None
        and not (inside.share < outside.share if fewer else inside.share > outside.share),
        held=_HELD[comparison.selected].format(response.name),
    )
    return replace(claim, sentence=sentences.sentence(claim))


_HELD = {
    "": "",
    "lost": "{} differs among the runs that did not fail, but not when failed runs are counted last",
    "reversed": "{} differs among the runs that did not fail, but the other way when failed runs are counted last",
}


def _effect_of(response: Response, kind: Kind) -> Callable[[float], float]:
    """The function from working values to effects."""
    if response.scale == "log":
        return lambda x: float(np.exp(x)) if x < _HUGE else float("inf")
    shares = response.part != "objective" and kind != "interaction"
    return (lambda x: float(np.clip(x, -1.0, 1.0))) if shares else float


def _count(units: Units, response: Response, side: Bools) -> Count:
    table = units.table
    counted = side[units.of] & known(table, response.name)
    return Count(int(counted.sum()), len(set(table.config_id[counted])), int((table.failed & counted).sum()))


def _adjusted(model: JointModel, comparison: Comparison) -> tuple[str, ...]:
    """What a comparison is adjusted for, in words."""
    term = comparison.term
    beside = model.adjusted_for(comparison.response.name, term)
    return tuple(model.terms[name].label for name in beside if name != term.name and name not in term.needs)


def _context(model: JointModel, comparison: Comparison) -> str:
    table, term, response = model.units.table, comparison.term, comparison.response
    beside = list(_adjusted(model, comparison))
    varied = [name for name in (*table.scientific, *table.nuisance) if name not in term.settings]
    parts = [
        "only trials that completed their budget and did not fail" if response.part == "objective" and response.name not in OF_ALL else "",
        f"adjusted for {listed(beside)}" if beside else "",
        f"averaged over {listed(varied)}" if varied else "",
        "one config for each combination of levels, so the interval is over its seeds only" if model.units.kind == "trial" else "",
        "fixed: " + ", ".join(f"{setting} {value_text(value)}" for setting, value in table.fixed.items()) if table.fixed else "",
    ]
    return "; ".join(filter(None, parts))
