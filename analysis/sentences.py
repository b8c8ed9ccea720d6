"""Claims in words."""

import numpy as np

from analysis.claim import Claim, Count
from analysis.model import Comparison, JointModel
from analysis.model.outcomes import known
from analysis.model.regression import t_value
from analysis.model.terms import Term
from analysis.outcomes import RISKS, WIN
from analysis.table import Floats, Scale
from analysis.words import listed, number, plural, signed

_PHRASES = {"seconds": "training time"}  # metrics that are not the last value of a curve
_APART = 0.1  # difference of an effect and its counts from which it must be said why they differ
_STABLE = 0.2  # share of failed trials up to which training is called stable


def sentence(claim: Claim) -> str:
    """Return the claim as a sentence that stands alone: statement, interval, n, and whether it may be chance."""
    n = f"{claim.n_with} against {claim.n_without}"
    if claim.claimed:
        return f"{statement(claim)} ({evidence_of(claim)}; {n})."
    doubt = "this comparison alone; not told from chance among all comparisons"
    if claim.role == "nuisance":
        doubt = "a nuisance setting, this comparison alone"
    elif claim.evidence == "observed":
        doubt = "observed, so an association and no effect"
    elif claim.held:
        doubt = f"this comparison alone; not claimed: {claim.held}"
    return f"{statement(claim)} ({claim.shown(claim.effect)}; 95 % interval {claim.interval(family=False)}, {doubt}; {n})."


def evidence_of(claim: Claim) -> str:
    """The corrected effect and the interval of a claim."""
    corrected = (
        "" if claim.shown(claim.corrected) == claim.shown(claim.effect) else f", corrected for selection {claim.shown(claim.corrected)}"
    )
    of = "a parabola's middle against its ends: " if claim.kind == "bend" else ""
    return f"{of}{claim.shown(claim.effect)}{adjustment(claim)}{corrected}; 95 % {claim.interval(family=True)}"


def adjustment(claim: Claim) -> str:
    """What the effect is adjusted for, if the counts beside it do not show the effect; "" if they do."""
    counted = claim.n_with.share - claim.n_without.share
    if claim.outcome != "failed" or not claim.adjusted or abs(counted - claim.effect) < _APART:
        return ""
    return f" adjusted for {listed(list(claim.adjusted))}"


def statement(claim: Claim) -> str:
    """What was found, without interval."""
    if claim.kind == "interaction":
        return f"{dependence(claim)}: {claim.compared}"
    if claim.kind == "bend" and claim.claimed and not claim.peak:
        return f"Along {claim.settings[0]}, {what(claim)} does {uneven(claim.outcome, claim.scale, verb='change ')}"
    if claim.kind == "bend":
        inside = f"inside the range of {claim.settings[0]} than at either end"
        than = inside if claim.claimed else f"in the middle of a parabola along {claim.settings[0]} than at its ends"
        if claim.outcome == WIN:
            return f"A run beats {'more' if claim.effect > 0 else 'fewer'} other runs {than}, failed runs counted last"
        subject = what(claim)
        return f"{subject[0].upper()}{subject[1:]} is {'lower' if claim.effect < claim.no_effect else 'higher'} {than}"
    where, against = f"With {claim.setting} {claim.level}", f"with {claim.reference}"
    if claim.outcome == "failed":
        return f"{where}, {_failed(claim.n_with)}; {against}, {_failed(claim.n_without)}"
    if claim.outcome == WIN:
        return f"{where}, a run beats {'more' if claim.effect > 0 else 'fewer'} other runs than {against}, failed runs counted last"
    if claim.in_points:
        return f"{where}, {what(claim)} is {'lower' if claim.effect < 0 else 'higher'} than {against}"
    if claim.scale == "log":
        return f"{where}, {what(claim)} is {number(claim.effect)} times that {against}"
    return f"{where}, {what(claim)} is {number(abs(claim.effect))} {'higher' if claim.effect >= 0 else 'lower'} than {against}"


def verdict(claim: Claim) -> str:
    """A claim in a few words: "keeps training stable"."""
    if claim.outcome == "failed":
        if not claim.helps:
            return "makes training fail more often"
        return "keeps training stable" if claim.n_with.share <= _STABLE else "makes training fail less often"
    if claim.in_points and claim.outcome != WIN:
        if claim.replaced:
            return f"changes how runs fail: {'fewer' if claim.helps else 'more'} by {RISKS[claim.outcome]}"
        return f"{'lowers' if claim.helps else 'raises'} {what(claim)}"
    if claim.outcome == WIN:
        return f"gives {'better' if claim.helps else 'worse'} runs, failed ones counted last"
    return f"{'improves' if claim.helps else 'worsens'} {claim.outcome}"


def dependence(claim: Claim) -> str:
    """A claim about an interaction, without its size."""
    one, other = claim.settings
    on = f"how runs fail, by {RISKS[claim.outcome]} or otherwise," if claim.replaced else what(claim)
    return f"The effect of {one} on {on} depends on {other}"


def subject(claim: Claim) -> str:
    """The level of a claim as the subject of a sentence, with what it is compared with."""
    if claim.kind == "bend":
        return f"the bend of {claim.setting}"
    if claim.kind == "interaction":
        return f"how the effect of {claim.settings[0]} depends on {claim.settings[1]}"
    if (claim.level, claim.reference) == ("on", "off"):
        return claim.setting
    return f"{claim.setting} {claim.level}, instead of {claim.reference},"


def counts(claim: Claim) -> str:
    """The failed trials on both sides of a claim about levels or a range."""
    if (claim.level, claim.reference) == ("on", "off"):
        inside, outside = "with it", "without"
    else:
        inside, outside = f"with {claim.level}", f"with {claim.reference}"
    return f"{_failed(claim.n_with)} {inside}, {claim.n_without.failed} of {claim.n_without.trials} {outside}"


def what(claim: Claim) -> str:
    """The outcome of a claim, as the subject of a sentence."""
    if claim.outcome in RISKS:
        return f"the rate of {RISKS[claim.outcome]}"
    return (
        "the share of other runs that a run beats"
        if claim.outcome == WIN
        else f"the {_PHRASES.get(claim.outcome, f'final {claim.outcome}')}"
    )


def aspect(outcome: str) -> str:
    """An outcome in a few words: "failures"."""
    return (
        {"failed": "failures", WIN: "the share of other runs beaten"}.get(outcome) or RISKS.get(outcome) or _PHRASES.get(outcome, outcome)
    )


def manner(outcome: str, *, more: bool) -> str:
    """What runs do with more or with less of an outcome: "fail less often"."""
    if outcome == WIN:
        return f"beat {'more' if more else 'fewer'} other runs"
    if outcome in RISKS:
        often = f"fail {'more' if more else 'less'} often"
        return often if outcome == "failed" else f"{often} by {RISKS[outcome]}"
    return f"have {'higher' if more else 'lower'} {_PHRASES.get(outcome, outcome)}"


def uneven(outcome: str, scale: Scale, *, verb: str = "") -> str:
    """That a curve is no straight line, on the scale on which it is not: "not change evenly on a log scale"."""
    return f"not {verb}evenly" + (f" on a log scale of {_PHRASES.get(outcome, outcome)}" if scale == "log" else "")


def simple_effects(model: JointModel, comparison: Comparison) -> tuple[str, ...]:
    """For an interaction: the effect of the first setting at both levels of the second one, each with the interval of the whole answer and its trials."""
    term, response = comparison.term, comparison.response
    if term.kind != "interaction":
        return ()
    one, other = (model.terms[name] for name in term.settings)
    width = other.columns.shape[1]
    i, j = divmod(int(np.argmax(comparison.contrast.weights)), width)
    (level, other_level), (reference, other_reference) = comparison.contrast.levels, comparison.contrast.references
    found = []
    same = [c for c in model.comparisons if c.claimed and (c.term.name, c.response.name) == (term.name, response.name)]
    limit = max(c.limit for c in same)  # one for all effects that an interaction names
    counted = known(model.units.table, response.name)
    trials = [int((cell[model.units.of] & counted).sum()) for cell in comparison.contrast.cells]
    for at, label, n in ((0, other_reference, (trials[1], trials[3])), (1, other_level, (trials[0], trials[2]))):
        weights = {one.name: np.zeros(one.columns.shape[1]), other.name: np.zeros(width), term.name: np.zeros(term.columns.shape[1])}
        weights[one.name][i] = 1.0
        weights[term.name][i * width : (i + 1) * width] = _value(term, other, j, at)
        estimate, error, df = model.combination(response.name, weights)
        half = error * t_value(limit, df)
        low, high = estimate - half, estimate + half
        if response.part != "objective":  # no difference of shares is larger than 100 points
            estimate, low, high = (float(np.clip(value, -1, 1)) for value in (estimate, low, high))
        if response.scale == "log":
            text = f"× {number(float(np.exp(estimate)))} (95 % {number(float(np.exp(low)))} to {number(float(np.exp(high)))}"
        elif response.part != "objective":
            text = f"{signed(100 * estimate, '.0f')} points (95 % {signed(100 * low, '.0f')} to {signed(100 * high, '.0f')}"
        else:
            text = f"{signed(estimate, '.3g')} (95 % {number(low)} to {number(high)}"
        found.append(f"with {term.settings[1]} {label}, {level} instead of {reference}: {text}; {n[0]} against {plural(n[1], 'trial')})")
    return tuple(found)


def _value(term: Term, other: Term, j: int, at: int) -> Floats:
    """The columns [k] of `other`, centred as in an interaction, at the reference (0) or at the level of column j (1)."""
    columns = other.columns[other.rows]
    least, most = columns.min(axis=0), columns.max(axis=0)  # of indicators, or the ends of a range
    value = np.where(np.arange(len(least)) == j, most, least) if at else least
    return np.asarray(value - other.columns[term.rows].mean(axis=0))


def _failed(count: Count) -> str:
    return f"{count.failed} of {plural(count.trials, 'trial')} failed"
