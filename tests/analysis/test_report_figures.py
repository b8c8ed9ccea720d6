"""What the figures of a report show."""

from collections.abc import Callable

import numpy as np

from analysis import TrialTable, plots
from analysis.cells import Cells

Stage = Callable[..., TrialTable]


def test_cells_stand_in_their_places_also_if_labels_are_numbers(stage: Stage) -> None:
    value = np.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])
    found = Cells(
        rows="g.depth", columns="n", row_labels=("1", "4", "16"), column_labels=("2", "1"), outcome="failed", value=value, n=value, p=1.0
    )
    notes = plots.cells(found, stage(4, 1)).layout.annotations
    assert {(note.x, note.y): note.text.split("<br>")[0] for note in notes} == {
        (0, 0): "10 %", (1, 0): "20 %", (0, 1): "30 %", (1, 1): "40 %", (0, 2): "50 %", (1, 2): "60 %",
    }  # fmt: skip
