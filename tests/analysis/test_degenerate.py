"""Studies in which little can be compared: explaining them raises nothing, warns of nothing, claims nothing, and says why."""

from collections.abc import Callable

import numpy as np
import pytest
from degenerate import CHANGES

from analysis import TrialTable, answer, explain
from analysis.explain import all_outcomes

Stage = Callable[..., TrialTable]


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
