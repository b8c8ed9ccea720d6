"""Combinations of table entries: each entry alone, and a pairwise covering array of all allowed pairs."""

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
}  # conditions of G and D; test_conditional_files.py has all pairs
CHOICES |= {name: [False, True] for name in TRICKS}
PLAIN = {"arch": "mlp", "loss": "nonsaturating", "update": "alternating", "optimiser": "adam"}
TRIES = 5  # candidates per chosen row
AT_ONCE = ("simultaneous", "extragradient")  # they refuse d_steps and g_steps
ROUND = {"d_steps": 3, "g_steps": 2}  # ticks of two steps end within rounds of three
SHORT = {"budget_kimg": 0.072, "tick_kimg": 0.024, "d.norm": "batch"}  # batch norm, so that checkpoints hold running statistics
SETTINGS = {"lookahead": {"lookahead.k": 2}, "unrolled": {"unrolled.steps": 1, "g_steps": 1, "d.norm": "layer"}}
GENTLE = {
    "g.lr": 1e-8,
    "d.lr": 1e-8,
}  # SGD does not limit large gradients of tricks; RMSprop's first steps are 30 times the rate

Entry = tuple[str, Any]  # ("loss", "hinge"), ("r1", True)
Pair = tuple[Entry, Entry]


def asked(entries: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a row."""
    update = entries.get("update", "alternating")
    on = {name: value for name, value in entries.items() if value is not False}
    if condition := on.pop("condition", None):
        on |= dict(zip(("g.condition", "d.condition"), condition.split("-"), strict=True))
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
    """Return a row of defaults, and one row per table entry that changes only this entry."""
    return [
        PLAIN,
        *(PLAIN | {name: value} for name, values in CHOICES.items() for value in values if value not in (False, PLAIN.get(name))),
    ]


@cache
def refused() -> dict[Pair, str]:
    """Return refused pair of entries -> error message."""
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
    """Return a few rows, {table: entry}, that cover every allowed pair at least once. Deterministic."""
    return covering(CHOICES, refused(), clash=mixed_pairs)


def mixed_pairs(row: Mapping[str, Any]) -> bool:
    """Whether a row has the only refused triple: a paired loss, a condition, and a trick that changes the classes of fakes."""
    loss, tricks = row.get("loss"), ("experience_replay", "mode_seeking")
    return loss is not None and LOSSES[loss].paired and bool(row.get("condition")) and any(row.get(name) for name in tricks)


def covering(
    choices: Mapping[str, list[Any]], refused: Mapping[Pair, str], *, clash: Callable[[Mapping[str, Any]], bool] = lambda row: False
) -> list[dict[str, Any]]:
    """Return rows that cover every pair of `choices`, except refused pairs. `clash` tells which rows are not allowed for other reasons."""
    rng, order = random.Random(0), {name: i for i, name in enumerate(choices)}

    def pairs(row: Mapping[str, Any]) -> set[Pair]:
        return set(combinations(sorted(row.items(), key=lambda entry: order[entry[0]]), 2))

    def grown(seed: Pair) -> dict[str, Any]:
        """Extend a pair to a row: each further setting takes the value that covers most missing pairs."""
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
        candidates = [grown(seed) for seed in rng.choices(sorted(missing, key=repr), k=TRIES)]
        best = max(candidates, key=lambda row: len(pairs(row) & missing))
        found.append(best)
        missing -= pairs(best)
    return found
