"""The answer of a study in sentences: the data, what each setting does, and what cannot be told."""

from analysis import estimate, sentences
from analysis.choices import better_and_worse
from analysis.claim import Claim
from analysis.explain import Explanation
from analysis.levels import distinct_values
from analysis.model import Comparison, JointModel
from analysis.model.curve import peaks
from analysis.outcomes import WIN
from analysis.shape import shapes
from analysis.unclear import depending, equal, together, unassociated, unclear
from analysis.words import counted, listed, percent, plural, value_texts


def answer(explanation: Explanation) -> str:
    """Return the answer, one statement per line.

    Every setting that is asked about is named, in the order of the study file. All claims hold together with 95 % confidence.
    """
    table = explanation.table
    if not len(table):
        return "No answer yet: no trial has finished."
    n = f"{plural(len(table), 'trial')} of {plural(len(set(table.config_id)), 'config')}"
    seeds_only = explanation.model is not None and explanation.model.units.kind == "trial"
    chosen = "not randomised" if table.foreign else "chosen by an adaptive search"
    source = "a randomised design" if explanation.designed else f"{chosen}, so what good runs have in common are associations, not causes"
    lines = [*filter(None, [table.missing]), f"{n} ({source}): {_failed(explanation)}."]
    if seeds_only:
        lines.append(
            "Every combination of the settings was run, so intervals are over seeds only: they do not speak of other values of the settings."
        )
    lines += equal(explanation)
    if not explanation.designed:
        return "\n".join([*lines, *_in_common(explanation), *together(explanation), *table.notes])
    claimed = [claim for claim in explanation.claims if claim.claimed]
    for name in explanation.settings:
        mine = [claim for claim in claimed if claim.settings == (name,)]
        lines += [*_of_setting(explanation, name, mine), *_best(explanation, mine)]
    lines += _of_interactions([claim for claim in claimed if claim.kind == "interaction"])
    lines += list(
        dict.fromkeys(
            f"Not claimed for {sentences.subject(claim).rstrip(',')}: {claim.held}." for claim in explanation.claims if claim.held
        )
    )
    return "\n".join([*lines, *unclear(explanation), *together(explanation), *(_scope(explanation) if claimed else []), *table.notes])


def _failed(explanation: Explanation) -> str:
    """How many trials failed, of those that were not stopped before."""
    table = explanation.table
    judged, stopped = table.where(~table.censored), int(table.censored.sum())
    if not len(judged):
        return "all were stopped by a scheduler before they failed"
    share = estimate.rate(judged.failed, explanation.units(judged))
    text = f"{int(judged.failed.sum())} failed ({counted(share.value)}, 95 % interval {percent(share.low)} to {percent(share.high)})"
    left_out = [f"{plural(stopped, 'trial')} stopped by a scheduler"] if stopped else []
    left_out += ["crashed trials"] if explanation.lost else []
    return f"{text}; {listed(left_out)} left out" if left_out else text


def _scope(explanation: Explanation) -> list[str]:
    """What the claims hold for, and so what could change them."""
    table = explanation.table
    beside = [name for name in (*table.scientific, *table.nuisance) if name not in explanation.settings]
    over = f"on average over {listed(beside)}" if beside else ""
    fixed = f"for one value of {plural(len(table.fixed), 'other setting')}" if table.fixed else ""
    return [f"All of this holds {listed([over, fixed])}; other values could change it."] if over or fixed else []


def _of_setting(explanation: Explanation, name: str, claims: list[Claim]) -> list[str]:
    """A line for each comparison, with all its outcomes; the summary is left out where it only repeats them.

    Several comparisons of a choice are told together, with a line for each outcome.
    """
    average = "On average, " if name in depending(explanation) else ""
    lines = []
    # a bend without a peak only says how a trend goes
    ordered = sorted(claims, key=lambda claim: claim.kind == "bend" and not claim.peak)
    compared = dict.fromkeys((claim.kind, claim.levels, claim.references) for claim in ordered)
    if len(compared) > 1 and all(kind == "levels" for kind, *_ in compared):
        values = distinct_values(explanation.table.settings[name].dropna())
        return [f"{average}{line}" for line in better_and_worse(claims, value_texts(values))]
    for key in compared:
        mine = [claim for claim in claims if (claim.kind, claim.levels, claim.references) == key]
        if len(mine) > 1:
            mine = [claim for claim in mine if claim.outcome != WIN] or mine
        if key[0] == "bend":
            lines += [f"{sentences.statement(claim)} ({sentences.evidence_of(claim)})." for claim in mine]
            continue
        parts = []
        for claim in mine:
            text = sentences.verdict(claim)
            if claim.outcome == "failed":
                text += f": {sentences.counts(claim)}"
            parts.append(f"{text} ({sentences.evidence_of(claim)})")
        lines.append(f"{average}{sentences.subject(mine[0])} {'; it '.join(parts)}.")
    return lines


def _best(explanation: Explanation, claims: list[Claim]) -> list[str]:
    """Where a range is best, in each outcome in which it has a claim; the summary is left out where there is another."""
    outcomes = list(dict.fromkeys(claim.outcome for claim in claims if claim.kind in ("trend", "bend")))
    found = [
        (shape.outcome, shape.where)
        for outcome in [each for each in outcomes if each != WIN] or outcomes
        for shape in shapes(explanation, outcome)
        if shape.setting == claims[0].settings[0] and shape.where
    ]
    return [f"For {sentences.aspect(outcome)}, {claims[0].setting} is {where}." for outcome, where in found]


def _of_interactions(claims: list[Claim]) -> list[str]:
    """A line for each pair of settings and outcome; the summary is left out where it only repeats another outcome."""
    lines = []
    for names in dict.fromkeys(claim.settings for claim in claims):
        mine = [claim for claim in claims if claim.settings == names]
        outcomes = list(dict.fromkeys(claim.outcome for claim in mine))
        for outcome in [each for each in outcomes if each != WIN] or outcomes:
            told = [claim for claim in mine if claim.outcome == outcome]
            found = dict.fromkeys(detail for claim in told for detail in claim.details)
            lines.append(f"{sentences.dependence(told[0])}: {'; '.join(sorted(found))}.")
    return lines


def _in_common(explanation: Explanation) -> list[str]:
    """What good runs of a search have in common: associations that pass the limits of the joint model; and the settings without one."""
    model = explanation.model
    assert model is not None
    found = [c for c in model.comparisons if c.claimed and c.response.name in (WIN, *explanation.outcomes)]
    lines = []
    for name in explanation.settings:
        strongest: dict[str, Comparison] = {}  # outcome -> its comparison; a bend without a peak only where nothing else is there
        mine = {c: c.term.kind == "bend" and not peaks(model, c.response.name, name) for c in found if c.term.settings == (name,)}
        for each in sorted(mine, key=lambda c: (mine[c], -abs(c.score))):
            strongest.setdefault(each.response.name, each)
        if len(strongest) > 1:
            strongest.pop(WIN, None)
        groups: dict[tuple[str, ...], list[Comparison]] = {}
        for outcome in (*explanation.outcomes, WIN):
            if outcome in strongest:
                groups.setdefault((strongest[outcome].term.kind, *strongest[outcome].contrast.levels), []).append(strongest[outcome])
        for group in groups.values():
            lines += [_bend(model, name, each) for each in group] if group[0].term.kind == "bend" else [_association(name, group)]
    pairs = {(*c.term.settings, c.response.name): c for c in sorted(found, key=lambda c: abs(c.score)) if c.term.kind == "interaction"}
    elsewhere = [(one, other) for one, other, outcome in pairs if outcome != WIN]
    for (one, other, outcome), each in pairs.items():
        if outcome != WIN or (one, other) not in elsewhere:
            lines.append(f"How {one} goes with {sentences.aspect(outcome)} depends on {other} (p = {each.family_p:.2g}).")
    held = [claim for claim in explanation.claims if claim.held]
    lines += dict.fromkeys(f"No association is told for {sentences.subject(claim).rstrip(',')}: {claim.held}." for claim in held)
    told = {name for c in found for name in c.term.settings} | {name for claim in held for name in claim.settings}
    return [*lines, *unassociated(explanation, told)]


def _association(name: str, comparisons: list[Comparison]) -> str:
    """One comparison of a setting in several outcomes, from the side that is better in the first of them."""
    first = comparisons[0]
    good = -first.response.direction.sign * first.score > 0
    more, less = first.contrast.levels[0], first.contrast.references[0]
    mine, others = (more, less) if good else (less, more)
    what = [f"{sentences.manner(c.response.name, more=(c.score > 0) == good)} (p = {c.family_p:.2g})" for c in comparisons]
    return f"Runs with {name} {mine} {listed(what)} than those with {others}."


def _bend(model: JointModel, name: str, comparison: Comparison) -> str:
    outcome, p = comparison.response.name, f"p = {comparison.family_p:.2g}"
    if not peaks(model, outcome, name):
        return f"{name} goes with {sentences.aspect(outcome)}, but {sentences.uneven(outcome, comparison.response.scale)} along its range ({p})."
    return f"Runs with {name} inside its range {sentences.manner(outcome, more=comparison.score > 0)} ({p}) than those at either end."
