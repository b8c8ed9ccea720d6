"""Numbers that a report gives in several places agree, and what it says of them is true."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from analysis import TrialTable
from analysis.report.findings import findings
from analysis.words import percent

Stage = Callable[..., TrialTable]


def factorial(stage: Stage) -> TrialTable:
    """Each combination of two choices, as one config with eight seeds."""
    table = stage(6, 8, risk=lambda config: 0.4)
    cells = np.repeat(np.array(list(product([False, True], ["a", "b", "c"])), dtype=object), 8, axis=0)
    settings = table.settings.assign(r1=cells[:, 0].astype(bool), loss=cells[:, 1].astype(str))
    return replace(table, settings=settings, nuisance=())


def test_a_share_of_outcomes_has_the_interval_of_the_answer(stage: Stage) -> None:
    for table in (stage(20, 3), factorial(stage)):
        table = replace(table, outcome=np.where(table.failed, "mode_collapse", "healthy"))
        found = findings(table, objective="fd")
        share, low, high = (percent(float(found.outcomes.at["mode_collapse", name])) for name in ("share", "low", "high"))
        assert f"({share}, 95 % interval {low} to {high})" in found.answer[0]


@pytest.mark.parametrize("dead", [0.0, 1.0])
def test_the_caveat_names_all_failed_trials_that_an_effect_leaves_out(stage: Stage, dead: float) -> None:
    table = stage(20, 2, dead=dead)
    assert f"Effects on fd leave out {table.failed.sum()} trials that failed" in " ".join(findings(table, objective="fd").caveats)
    safe = stage(20, 2, risk=lambda config: 0.0)
    assert "leave out" not in " ".join(findings(safe, objective="fd").caveats)
