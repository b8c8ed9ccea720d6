"""Combinations of table entries: each entry alone, and a pairwise covering array, in which every two entries meet that may meet."""

import random
from collections.abc import Callable, Mapping
from functools import cache
from itertools import combinations
from typing import Any

from tiny import tiny_config

from trainables.losses import LOSSES
from trainables.models import ARCHS
from trainables.optimisers import OPTIMISERS
from trainables.tricks import TRICKS
from trainables.tricks.base import ImageTrick
from trainables.updates import UPDATES

CHOICES: dict[str, list[Any]] = {"arch": list(ARCHS), "loss": list(LOSSES), "update": list(UPDATES), "optimiser": list(OPTIMISERS)}
CHOICES |= {
    "condition": [False, "concat-concat", "batchnorm-projection", "concat-auxiliary"]
}  # G's and D's; test_conditional.py has them all
CHOICES |= {name: [False, True] for name in TRICKS}
PLAIN = {"arch": "mlp", "loss": "nonsaturating", "update": "alternating", "optimiser": "adam"}
TRIES = 5  # rows thought of for each that is taken
AT_ONCE = ("simultaneous", "extragradient")  # these refuse rounds of several steps
ROUND = {"d_steps": 3, "g_steps": 2}  # ticks of two steps end inside rounds of three
SHORT = {"budget_kimg": 0.072, "tick_kimg": 0.024, "d.norm": "batch"}  # norms that remember: their running statistics must travel too
SETTINGS = {"lookahead": {"lookahead.k": 2}, "unrolled": {"unrolled.steps": 1, "g_steps": 1, "d.norm": "layer"}}
GENTLE = {
    "g.lr": 1e-8,
    "d.lr": 1e-8,
}  # nothing holds SGD's steps back where a trick makes gradients large; RMSprop's first are 30 times the rate

Entry = tuple[str, Any]  # ("loss", "hinge"), ("r1", True)
Pair = tuple[Entry, Entry]


def asked(entries: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a row."""
    update = entries.get("update", "alternating")
    on = {name: value for name, value in entries.items() if value is not False}
    if told := on.pop("condition", None):
        on |= dict(zip(("g.condition", "d.condition"), told.split("-"), strict=True))
    images = any(issubclass(TRICKS[name], ImageTrick) for name in on if name in TRICKS)
    return (  # type: ignore[no-any-return]
        SHORT  # type: ignore[operator]
        | ({"data": "digits"} if images else {})
        | ({} if update in AT_ONCE else ROUND)
        | SETTINGS.get(update, {})
        | (GENTLE if entries.get("optimiser") in ("sgd", "rmsprop") else {})
        | on
    )


def alone() -> list[dict[str, Any]]:
    """Every entry of each table beside what is plain, and all plain."""
    return [
        PLAIN,
        *(PLAIN | {name: value} for name, values in CHOICES.items() for value in values if value not in (False, PLAIN.get(name))),
    ]


@cache
def refused() -> dict[Pair, str]:
    """Pairs of entries that may not meet -> the reason that is given."""
    entries = [(name, value) for name, values in CHOICES.items() for value in values]
    found = {}
    for pair in combinations(entries, 2):
        if pair[0][0] != pair[1][0]:
            try:
                tiny_config(asked(dict(pair)))
            except ValueError as reason:
                found[pair] = str(reason)
    return found


def rows() -> list[dict[str, Any]]:
    """Settings name -> entry, few rows, in which every pair that is not refused stands at least once. Always the same."""
    return covering(CHOICES, refused(), clash=mixed_pairs)


def mixed_pairs(row: Mapping[str, Any]) -> bool:
    """The one refusal between three entries: a loss of pairs, classes, and a trick that gives fakes other classes than the real ones have."""
    loss, tricks = row.get("loss"), ("experience_replay", "mode_seeking")
    return loss is not None and LOSSES[loss].paired and bool(row.get("condition")) and any(row.get(name) for name in tricks)


def covering(
    choices: Mapping[str, list[Any]], refused: Mapping[Pair, str], *, clash: Callable[[Mapping[str, Any]], bool] = lambda row: False
) -> list[dict[str, Any]]:
    """The same of any choices, given which pairs may not meet, and what else may not be in one row."""
    rng, order = random.Random(0), {name: i for i, name in enumerate(choices)}

    def pairs(row: Mapping[str, Any]) -> set[Pair]:
        return set(combinations(sorted(row.items(), key=lambda entry: order[entry[0]]), 2))

    def grown(seed: Pair) -> dict[str, Any]:
        """A row around a pair: each further setting takes the value that brings most pairs that are still missing."""
        row = dict(seed)
        for name in rng.sample(list(choices), len(choices)):
            if name not in row:
                gains = {value: pairs(row | {name: value}) - pairs(row) for value in choices[name]}
                allowed = [value for value, pairs in gains.items() if not pairs & refused.keys() and not clash(row | {name: value})]
                row[name] = max(allowed, key=lambda value: (len(gains[value] & missing), rng.random()))
        return {name: row[name] for name in choices}

    settings = [{a: x, b: y} for a, b in combinations(choices, 2) for x in choices[a] for y in choices[b]]
    missing = {pair for row in settings for pair in pairs(row)} - refused.keys()
    found = []
    while missing:
        thought_of = [grown(seed) for seed in rng.choices(sorted(missing, key=repr), k=TRIES)]
        best = max(thought_of, key=lambda row: len(pairs(row) & missing))
        found.append(best)
        missing -= pairs(best)
    return found
