"""Claims in words."""

import numpy as np
from scipy import special

from analysis.claim import Claim, Count
from analysis.model import WIN, Comparison, JointModel
from analysis.model.terms import Term
from analysis.outcomes import RISKS
from analysis.table import Floats
from analysis.words import number, percent

_PHRASES = {"seconds": "training time"}  # metrics that are not the last value of a curve


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
    return f"{statement(claim)} (95 % interval {claim.interval(family=False)}, {doubt}; {n})."


def evidence_of(claim: Claim) -> str:
    """The corrected effect and the interval of a claim."""
    corrected = (
        "" if claim.shown(claim.corrected) == claim.shown(claim.effect) else f", corrected for selection {claim.shown(claim.corrected)}"
    )
    return f"{claim.shown(claim.effect)}{corrected}; 95 % {claim.interval(family=True)}"


def statement(claim: Claim) -> str:
    """What was found, without interval."""
    if claim.kind == "interaction":
        one, other = claim.setting.split(" × ")
        return f"The effect of {one} on {_what(claim)} depends on {other}: {claim.level} against {claim.reference}"
    if claim.kind == "bend":
        if claim.outcome == WIN:
            more = "more" if claim.effect > claim.no_effect else "fewer"
            return f"In the middle of its range, {claim.setting} beats {more} runs than at the ends"
        lower = "lower" if claim.effect < claim.no_effect else "higher"
        what = _what(claim)
        return f"{what[0].upper()}{what[1:]} is {lower} in the middle of the range of {claim.setting} than at its ends"
    if claim.outcome in RISKS:
        inside, outside = _rates(claim)
        return (
            f"{_subject(claim)}, {inside}; {_against(claim)}, {outside}"
            if claim.outcome == "failed"
            else (
                f"{_subject(claim)}, the rate of {RISKS[claim.outcome]} is {abs(100 * claim.effect):.0f} points "
                f"{'lower' if claim.effect < 0 else 'higher'} than {_against(claim)}"
            )
        )
    if claim.outcome == WIN:
        return f"{_subject(claim)}, a run beats one {_against(claim)} in {percent(claim.effect)}, failed runs counted last"
    if claim.scale == "log":
        return f"{_subject(claim)}, {_what(claim)} is {number(claim.effect)} times that {_against(claim)}"
    return f"{_subject(claim)}, {_what(claim)} is {number(abs(claim.effect))} {'higher' if claim.effect >= 0 else 'lower'} than {_against(claim)}"


def verdict(claim: Claim) -> str:
    """A claim in a few words: "keeps training stable"."""
    if claim.outcome == "failed":
        return "keeps training stable" if claim.helps else "makes training fail more often"
    if claim.outcome in RISKS:
        return f"{'lowers' if claim.helps else 'raises'} the rate of {RISKS[claim.outcome]}"
    if claim.outcome == WIN:
        return f"gives {'better' if claim.helps else 'worse'} runs, failed ones counted last"
    return f"{'improves' if claim.helps else 'worsens'} {claim.outcome}"


def subject(claim: Claim) -> str:
    """The level of a claim as the subject of a sentence, with what it is compared with."""
    if claim.kind == "trend":
        return f"{claim.setting}, raised from {claim.reference} to {claim.level},"
    if (claim.level, claim.reference) == ("on", "off"):
        return claim.setting
    return f"{claim.setting} {claim.level}, instead of {claim.reference},"


def simple_effects(model: JointModel, comparison: Comparison) -> tuple[str, ...]:
    """For an interaction: the effect of the first setting at both levels of the second one, each with the interval of the whole answer."""
    term = comparison.term
    if term.kind != "interaction":
        return ()
    one, other = (model.regressions[comparison.response.name].terms[name] for name in term.settings)
    width = other.columns.shape[1]
    index = int(np.argmax(comparison.contrast.weights))
    i, j = index // width, index % width
    found = []
    levels = zip((0, 1), (comparison.contrast.reference.split(", ")[-1], comparison.contrast.level.split(", ")[-1]), strict=True)
    name = comparison.contrast.level.split(", ")[0], comparison.contrast.reference.split(", ")[0]
    for at, label in levels:
        weights = {one.name: _unit(one, i), term.name: np.zeros(term.columns.shape[1])}
        value = _value(other, j, at)
        weights[term.name][i * width : (i + 1) * width] = value
        weights[other.name] = np.zeros(width)
        estimate, error, df = model.combination(comparison.response.name, weights)
        half = -error * float(special.stdtrit(df, special.ndtr(-comparison.limit)))
        low, high = (estimate - half, estimate + half)
        response = comparison.response
        if response.scale == "log":
            text = f"× {number(float(np.exp(estimate)))} (95 % {number(float(np.exp(low)))} to {number(float(np.exp(high)))})"
        elif response.part in ("risk", "other", "win"):
            text = f"{100 * estimate:+.0f} points (95 % {100 * max(low, -1):+.0f} to {100 * min(high, 1):+.0f})".replace("-", "−")
        else:
            text = f"{estimate:+.3g} (95 % {number(low)} to {number(high)})".replace("-", "−")
        found.append(f"with {other.name} {label}, {name[0]} instead of {name[1]}: {text}")
    return tuple(found)


def _unit(term: Term, i: int) -> Floats:
    weights = np.zeros(term.columns.shape[1])
    weights[i] = 1.0
    return weights


def _value(term: Term, j: int, at: int) -> Floats:
    """The columns [k] of a term at the reference (0) or at the level of column j (1)."""
    columns = term.columns[term.rows]
    if term.kind == "trend":
        return np.asarray(columns.min(axis=0) if at == 0 else columns.max(axis=0))
    reference = np.asarray(columns.min(axis=0))  # indicators, centred: all at their lower value
    return np.asarray(np.where(np.arange(len(reference)) == j, columns.max(axis=0), reference)) if at else reference


def _what(claim: Claim) -> str:
    if claim.outcome in RISKS:
        return f"the rate of {RISKS[claim.outcome]}"
    return "the share of runs beaten" if claim.outcome == WIN else f"the {_PHRASES.get(claim.outcome, f'final {claim.outcome}')}"


def _subject(claim: Claim) -> str:
    if claim.kind == "trend":
        return (
            f"With {claim.setting} rising from {claim.reference} to {claim.level}"
            if claim.outcome not in RISKS
            else f"With {claim.setting} in the upper half of its range"
        )
    return f"With {claim.setting} {claim.level}"


def _against(claim: Claim) -> str:
    if claim.kind == "trend":
        return f"at {claim.reference}" if claim.outcome not in RISKS else "in the lower half"
    return f"with {claim.reference}"


def _rates(claim: Claim) -> tuple[str, str]:
    def part(count: Count) -> str:
        return f"{count.failed} of {count.trials} trials failed"

    return part(claim.n_with), part(claim.n_without)
