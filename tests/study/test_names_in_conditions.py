"""Conditions on the trials of a study: its names, and the examples of the documentation."""

import re
from pathlib import Path

import pandas as pd

from analysis.metrics import METRICS
from analysis.where import selected
from trainables.config import settings
from trainables.signal_names import SIGNALS

PAGE = Path(__file__).parents[2] / "docs" / "conditions.md"
NAMES = sorted({*settings(), *METRICS, *SIGNALS})


def test_every_name_stands_as_it_is() -> None:
    frame = pd.DataFrame({name: [1.0, 2.0] for name in NAMES})
    assert len(NAMES) > 150
    for name in NAMES:
        assert selected(frame, f"{name} > 1 and 2*{name}/{name} == 2").tolist() == [False, True], name


def test_the_documented_conditions_select_trials() -> None:
    frame = pd.DataFrame({name: [3.0, 0.0009, 0.0004] for name in (*NAMES, "seed")})
    frame["arch"], frame["coverage"], frame["g.slope"] = ["dcgan", "mlp", "mlp"], [0.7, 0.9, 0.95], [None, None, 0.1]
    frame["r1"], frame["spectral_norm"], frame["seed"] = [False, True, True], False, [0, 1, 2]
    frame["d.lr"], frame["d/image_grad_real"] = [0.1, 0.0008, 0.0009], [0.0, 2.0, 3.0]
    table = PAGE.read_text().partition("| condition | selects |\n|---|---|\n")[2].partition("\n\n")[0]
    conditions = [code for row in table.splitlines() for code in re.findall("`([^`]+)`", row.split(" | ")[0])]
    assert len(conditions) == 7
    found = {condition: selected(frame, condition).tolist() for condition in conditions}
    assert found["d.lr / g.lr > 2"] == [False, False, True]
    assert found["g.slope < 0.2 or g.slope is missing"] == [True] * 3
    for condition in set(conditions) - {"d.lr / g.lr > 2", "g.slope < 0.2 or g.slope is missing"}:
        assert found[condition] == [False, True, True], condition
