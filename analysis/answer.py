"""The answer of a study in sentences: the data, what each setting does, and what cannot be told."""

from analysis import estimate, power, sentences
from analysis.claim import Claim
from analysis.explain import Explanation
from analysis.model import WIN
from analysis.outcomes import RISKS
from analysis.words import listed, percent, plural


def answer(explanation: Explanation) -> str:
    """Return the answer, one statement per line.

    Every setting that the study asks about is named, in the order of the study file. All claims hold together with 95 % confidence.
    """
    table = explanation.table
    if not len(table):
        return "No answer yet: no trial has finished."
    n = f"{plural(len(table), 'trial')} of {plural(len(set(table.config_id)), 'config')}"
    failing = estimate.rate(table.failed, table.config_id)
    failed = f"{int(table.failed.sum())} failed ({percent(failing.value)}, 95 % interval {percent(failing.low)} to {percent(failing.high)})"
    chosen = "not randomised" if table.foreign else "chosen by an adaptive search"
    source = "a randomised design" if explanation.designed else f"{chosen}, so what good runs have in common are associations, not causes"
    lines = [f"{n} ({source}): {failed}."]
    lines += _equal(explanation)
    if not explanation.designed:
        return "\n".join([*lines, *_in_common(explanation)])
    claimed = [claim for claim in explanation.claims if claim.claimed]
    for name in table.scientific:
        lines += _of_setting([claim for claim in claimed if claim.setting == name], average=name in _depending(explanation))
    lines += _of_interactions([claim for claim in claimed if claim.kind == "interaction"])
    lines += [
        f"Not claimed: {claim.details[0]} ({claim.setting} {claim.level})."
        for claim in explanation.claims
        if claim.details and not claim.claimed
    ]
    return "\n".join([*lines, *_nothing(explanation)])


def _equal(explanation: Explanation) -> list[str]:
    """The outcomes in which all runs are equal, so that no setting can be seen to change them."""
    if explanation.model is None:
        return []
    equal = [outcome for outcome in explanation.outcomes if outcome not in explanation.model.regressions]
    table, lines = explanation.table, []
    if "failed" in equal:
        lines.append(f"{'All trials' if table.failed.all() else 'No trial'} failed, so nothing can be told about what makes them fail.")
    if metrics := [outcome for outcome in equal if outcome != "failed"]:
        why = "there is no trial that did not fail" if table.failed.all() else "all trials are equal in it"
        lines.append(f"Nothing can be told about {listed(metrics)}: {why}.")
    return lines


def _depending(explanation: Explanation) -> set[str]:
    """The settings whose effect is claimed to depend on another one."""
    return {name for claim in explanation.claims if claim.claimed and claim.kind == "interaction" for name in claim.setting.split(" × ")}


def _of_setting(claims: list[Claim], *, average: bool) -> list[str]:
    """A line for each comparison, with all its outcomes; the summary is left out where it only repeats them."""
    lines = []
    compared = dict.fromkeys((claim.kind, claim.level, claim.reference) for claim in claims)
    for key in compared:
        mine = [claim for claim in claims if (claim.kind, claim.level, claim.reference) == key]
        if len(mine) > 1:
            mine = [claim for claim in mine if claim.outcome != WIN] or mine
        if key[0] == "bend":
            lines += [f"{sentences.statement(claim)} ({sentences.evidence_of(claim)})." for claim in mine]
            continue
        parts = []
        for claim in mine:
            text = sentences.verdict(claim)
            if claim.outcome == "failed":
                with_, without = claim.n_with, claim.n_without
                text += f": {with_.failed} of {with_.trials} trials failed {_inside(claim)}, {without.failed} of {without.trials} {_outside(claim)}"
            parts.append(f"{text} ({sentences.evidence_of(claim)})")
        lines.append(f"{'On average, ' if average else ''}{sentences.subject(mine[0])} {'; it '.join(parts)}.")
    return lines


def _inside(claim: Claim) -> str:
    if claim.kind == "trend":
        return "in the upper half of the range"
    return "with it" if claim.reference == "off" else f"with {claim.level}"


def _outside(claim: Claim) -> str:
    if claim.kind == "trend":
        return "in the lower half"
    return "without" if claim.reference == "off" else f"with {claim.reference}"


def _of_interactions(claims: list[Claim]) -> list[str]:
    """A line for each pair of settings and outcome; the summary is left out where it only repeats another outcome."""
    lines = []
    for name in dict.fromkeys(claim.setting for claim in claims):
        mine = [claim for claim in claims if claim.setting == name]
        outcomes = list(dict.fromkeys(claim.outcome for claim in mine))
        for outcome in [each for each in outcomes if each != WIN] or outcomes:
            one, other = name.split(" × ")
            what = {"failed": "failures", WIN: "the share of runs beaten"}.get(outcome, RISKS.get(outcome, outcome))
            found = dict.fromkeys(detail for claim in mine if claim.outcome == outcome for detail in claim.details)
            lines.append(f"The effect of {one} on {what} depends on {other}: {'; '.join(sorted(found))}.")
    return lines


def _nothing(explanation: Explanation) -> list[str]:
    """What cannot be told: settings without a claim, levels that were not compared, and what more trials would show."""
    table = explanation.table
    told = {claim.setting for claim in explanation.claims if claim.claimed}
    terms = explanation.model.terms.values() if explanation.model else []
    compared = {term.settings[0] for term in terms if term.contrasts}
    unclear = [name for name in table.scientific if name not in told and name in compared]
    alone = [name for name in table.scientific if name not in compared]
    lines = []
    depends = _depending(explanation)
    if not explanation.claims:
        unclear = []
    if unclear and not told:
        lines.append(f"Nothing can be told from noise about {listed(unclear)}.")
    elif unclear:
        averages = [f"{name} on average" if name in depends else name for name in unclear]
        lines.append(f"Cannot be told from noise: the effect of {listed(averages)}.")
    partly = [
        f"{name} {claim.level} against {claim.reference}{' on average' if name in depends else ''}"
        for name in table.scientific
        if name in {claim.setting for claim in explanation.claims if claim.claimed}
        for claim in _first_of_each([c for c in explanation.claims if c.setting == name and c.kind == "levels"])
        if not any(c.claimed for c in explanation.claims if (c.setting, c.level, c.reference) == (name, claim.level, claim.reference))
    ]
    if partly:
        lines.append(f"Cannot be told from noise: {listed(partly)}.")
    if alone:
        lines.append(f"Not compared: {listed(alone)} (a level has fewer than two configs, or a single seed).")
    if (unclear or partly) and explanation.model is not None:
        lines += power.statement(explanation)
    return lines


def _first_of_each(claims: list[Claim]) -> list[Claim]:
    return list({(claim.level, claim.reference): claim for claim in reversed(claims)}.values())[::-1]


def _in_common(explanation: Explanation) -> list[str]:
    """What the best runs of a search have in common: associations that pass the limits of the joint model."""
    model = explanation.model
    assert model is not None
    passed = [
        c for c in model.comparisons if c.claimed and c.term.kind in ("levels", "trend") and c.response.name in (WIN, *explanation.outcomes)
    ]
    names = list(dict.fromkeys(c.term.settings[0] for c in passed))
    if not names:
        return ["The settings of good and bad runs differ no more than by chance."]
    lines = []
    for name in names:
        best = max((c for c in passed if c.term.settings[0] == name), key=lambda c: abs(c.score))
        good = -best.response.direction.sign * best.score > 0
        more = best.contrast.level if good else best.contrast.reference
        less = best.contrast.reference if good else best.contrast.level
        lines.append(
            f"Better runs have {name} {more} more often than {less} (an association in {best.response.name}, p = {best.family_p:.2g})."
        )
    return lines
