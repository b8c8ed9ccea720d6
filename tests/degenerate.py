"""Changes that make a study degenerate: nothing, or little, can be compared in it."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from analysis import TrialTable

Change = Callable[[TrialTable], TrialTable]


def outcomes(outcome: str, ended: str = "budget") -> Change:
    return lambda table: replace(table, outcome=np.full(len(table), outcome), ended=np.full(len(table), ended))


def finished(n: int) -> Change:
    """Only the first n trials reached the end of their budget; the others died."""

    def change(table: TrialTable) -> TrialTable:
        alive = np.arange(len(table)) < n
        return replace(table, outcome=np.where(alive, "healthy", "diverged"), ended=np.where(alive, "budget", "dead"))

    return change


def constant(value: float) -> Change:
    return lambda table: replace(outcomes("healthy")(table), final=table.final.assign(fd=value))


def setting(name: str, value: object) -> Change:
    return lambda table: replace(
        table, settings=table.settings.assign(**{name: pd.Series([value] * len(table), index=table.settings.index)})
    )


CHANGES: dict[str, Change] = {
    "as staged": lambda table: table,
    "all healthy": outcomes("healthy"),
    "all dead": outcomes("diverged", "dead"),
    "all collapsed": outcomes("mode_collapse"),
    "all stopped early": outcomes("undertrained", "scheduler"),
    "one finisher": finished(1),
    "two finishers": finished(2),
    "constant": constant(3.0),
    "zero": constant(0.0),
    "negative": constant(-2.0),
    "missing": constant(float("nan")),
    "one level": setting("r1", True),
    "no settings": lambda table: replace(table, scientific=(), nuisance=()),
    "inactive": setting("r1.gamma", None),
    "observed": lambda table: replace(table, phase=np.full(len(table), "optimise")),
    "one range value twice": lambda table: replace(
        table, settings=table.settings.assign(**{"d.lr": np.where(np.arange(len(table)) == 0, 1e-3, 1e-4)})
    ),
    "text": lambda table: replace(table, settings=table.settings.assign(loss=[f"{i % 5}" for i in range(len(table))])),
    "empty categories": lambda table: replace(
        table, settings=table.settings.assign(loss=pd.Categorical(["a"] * len(table), categories=["b", "a", "c"]))
    ),
}
