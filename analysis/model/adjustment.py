"""What a term of the joint model is adjusted for."""

from collections.abc import Mapping, Sequence

import pandas as pd

from analysis.confounding import confounded
from analysis.model.terms import Name, Term, bend, interaction, line

Rivals = Mapping[str, Sequence[str]]  # setting -> the settings that vary together with it


def adjust(term: Term, chosen: Sequence[Name], terms: Mapping[Name, Term], rivals: Rivals) -> list[Name]:
    """What a term needs, what is chosen, and the settings that vary together with its own, so that none gets the credit of another.

    An average over another setting is not adjusted for the interaction with it: the configs are a sample of that setting too.
    """
    own = dict.fromkeys(term.settings)  # in their order
    main = term.kind != "interaction"
    others = [name for name in chosen if name != term.name and not (main and name[0] == "interaction" and own.keys() & set(name[1:]))]
    like = [name for setting in own for rival in rivals[setting] if rival not in own for name in _same(term, setting, rival, terms)]
    return list(dict.fromkeys([*term.needs, *straight([*others, *like], terms), *like]))


def _same(term: Term, setting: str, rival: str, terms: Mapping[Name, Term]) -> list[Name]:
    """The terms of a rival that could stand for a term: its own, its bend, or its interaction with the other setting."""
    found: list[Name] = [rival]
    if term.kind == "bend":
        found.append(bend(rival))
    elif term.kind == "interaction":
        found += [interaction(*pair) for other in term.settings if other != setting for pair in ((rival, other), (other, rival))]
    return [name for name in found if name in terms]


def straight(names: Sequence[Name], terms: Mapping[Name, Term]) -> list[Name]:
    """The terms that stand for these when others are adjusted for them: of a range its slope, which explains more than its thirds."""
    return [line(terms[name].settings[0]) if terms[name].kind == "trend" else name for name in names]


def rivals_of(settings: pd.DataFrame, terms: Mapping[Name, Term], names: Sequence[str]) -> Rivals:
    """The settings that vary together in the units at hand."""
    found: dict[str, list[str]] = {name: [] for name in names}
    for each in confounded(settings[list(names)]):
        for one, other in ((each.setting, each.others[0]), (each.others[0], each.setting)):
            if other in terms:
                found[one].append(other)
    return found
