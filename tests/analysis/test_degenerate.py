"""Studies in which little can be compared: explaining them raises nothing, warns of nothing, claims nothing, and says why."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis import TrialTable, answer, explain
from analysis.explain import all_outcomes

Stage = Callable[..., TrialTable]
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


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(("configs", "seeds"), [(1, 1), (1, 4), (2, 1), (2, 3), (3, 2), (6, 1), (12, 2)])
def test_a_degenerate_study_is_explained(stage: Stage, change: str, configs: int, seeds: int) -> None:
    table = CHANGES[change](stage(configs, seeds, seed=configs))
    found = explain(table, all_outcomes(table, "fd"))
    text = answer(found)
    assert text.startswith(f"{configs * seeds} trial")
    assert "nan" not in text
    assert all(line.endswith(".") for line in text.splitlines())
    for claim in found:
        assert np.isfinite(claim.effect)
        assert claim.low <= claim.effect <= claim.high
        assert "nan" not in claim.sentence
    if configs < 6:
        assert not any(claim.claimed for claim in found)


def test_a_study_without_trials_is_explained(stage: Stage) -> None:
    table = stage(2, 1).where(np.zeros(2, dtype=bool))
    assert answer(explain(table, all_outcomes(table, "fd"))) == "No answer yet: no trial has finished."
