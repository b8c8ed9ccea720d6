"""Foreign runs in CSV files."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from foreign_runs import labels, runs

from analysis import TrialTable
from ganstudy import UserError


def test_a_csv_is_the_frame_that_wrote_it(tmp_path: Path) -> None:
    frame = runs(sched=["None", "cosine", "None", "cosine", "None", "cosine"], clip=[1.0, np.nan, 1.0, np.nan, np.nan, np.nan])
    frame.to_csv(tmp_path / "runs.csv", index=False)
    given: Any = {"config": ["lr", "sched", "clip"], "objective": "loss", "direction": "minimize"}
    read, made = TrialTable.from_csv(tmp_path / "runs.csv", **given), TrialTable.from_frame(frame, **given)
    pd.testing.assert_frame_equal(read.settings, made.settings)  # the last bit of a float, and None as a value
    assert read.config_id.tolist() == made.config_id.tolist()
    assert labels(read, "sched") == ["None", "cosine"]


@pytest.mark.parametrize(
    ("text", "problem"), [("", "No columns"), ("a,b\n", "no rows"), ('a,b\n1,"2', "EOF"), ("a;b\n1;2", "only column is 'a;b'")]
)
def test_a_file_that_is_no_csv_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "runs.csv").write_text(text)
    with pytest.raises(UserError, match=problem):
        TrialTable.from_csv(tmp_path / "runs.csv", config=["a"], objective="b", direction="minimize")
    with pytest.raises(UserError, match="be a CSV file that can be read: No such file"):
        TrialTable.from_csv(tmp_path / "none.csv", config=["a"], objective="b", direction="minimize")
