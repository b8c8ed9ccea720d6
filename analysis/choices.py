"""What is claimed about the levels of a choice, in one sentence for all levels that it holds for."""

import math
from collections.abc import Collection
from dataclasses import replace

from analysis import sentences
from analysis.claim import Claim, Count
from analysis.outcomes import RISKS, WIN
from analysis.words import listed


def better_and_worse(claims: Collection[Claim], levels: Collection[str]) -> list[str]:
    """Return a sentence for each outcome and each set of levels that are better than the same others.

    Parameters
    ----------
    claims
        Claims about pairs of levels of one choice.
    levels
        Its levels, in order.
    """
    order = {level: i for i, level in enumerate(levels)}
    outcomes = list(dict.fromkeys(claim.outcome for claim in claims))
    lines: list[str] = []
    elsewhere = {claim.compared for claim in claims if claim.outcome != WIN}
    for outcome in outcomes:  # the summary of a pair is left out where it only repeats another outcome
        told = [
            _better_first(claim) for claim in claims if claim.outcome == outcome and (outcome != WIN or claim.compared not in elsewhere)
        ]
        groups: dict[tuple[str, ...], list[Claim]] = {}
        for level in levels:
            beaten = sorted((claim for claim in told if claim.level == level), key=lambda claim: order[claim.reference])
            for verdict in dict.fromkeys(map(_verdict, beaten)):
                mine = [claim for claim in beaten if _verdict(claim) == verdict]
                groups.setdefault((verdict, *(claim.reference for claim in mine)), []).extend(mine)
        lines += map(_sentence, groups.values())
    return lines


def _better_first(claim: Claim) -> Claim:
    """The same comparison, with the better level first."""
    if claim.helps:
        return claim

    def turned(value: float) -> float:
        if claim.scale == "log":
            return 1 / value if value else math.inf
        return -value

    return replace(
        claim,
        levels=claim.references,
        references=claim.levels,
        n_with=claim.n_without,
        n_without=claim.n_with,
        effect=turned(claim.effect),
        corrected=turned(claim.corrected),
        family_low=turned(claim.family_high),
        family_high=turned(claim.family_low),
    )


def _verdict(claim: Claim) -> str:
    """The verdict on kinds of failure differs between levels; of other outcomes, one holds for all."""
    return sentences.verdict(claim) if claim.outcome in RISKS and claim.outcome != "failed" else ""


def _sentence(claims: list[Claim]) -> str:
    """A sentence about claims that join every level of some with every level of others."""
    better = {claim.level: claim.n_with for claim in claims}
    worse = {claim.reference: claim.n_without for claim in claims}
    least_stable = max(claims, key=lambda claim: claim.n_with.share)
    verb, rest = sentences.verdict(least_stable).split(" ", 1)
    text = f"{claims[0].setting} {listed(list(better))} {verb.removesuffix('s') if len(better) > 1 else verb} {rest}"
    if claims[0].outcome == "failed":
        mine = f"{listed([_failed(count) for count in better.values()])} trials failed"
        text += f": {mine}, {listed([f'{_failed(count)} with {level}' for level, count in worse.items()])}"
    else:
        text += f", compared with {listed(list(worse))}"
    return f"{text} ({_evidence(claims)})."


def _evidence(claims: list[Claim]) -> str:
    """The effects, the corrected effects and the intervals of all claims, from the least to the largest."""
    if len(claims) == 1:
        return sentences.evidence_of(claims[0])
    one = claims[0]
    effects, corrected = (_span(one, values) for values in ([c.effect for c in claims], [c.corrected for c in claims]))
    widest = replace(one, family_low=min(claim.family_low for claim in claims), family_high=max(claim.family_high for claim in claims))
    picked = "" if corrected == effects else f", corrected for selection {corrected}"
    adjusted = next(filter(None, map(sentences.adjustment, claims)), "")
    return f"{effects}{adjusted}{picked}; 95 % intervals within {widest.interval(family=True)}"


def _span(claim: Claim, effects: list[float]) -> str:
    """−0.5 and −0.2 -> "−50 to −20 points"."""
    least, most = claim.shown(min(effects)), claim.shown(max(effects))
    return most if least == most else f"{least.removesuffix(' points')} to {most.removeprefix('× ')}"


def _failed(count: Count) -> str:
    return f"{count.failed} of {count.trials}"
