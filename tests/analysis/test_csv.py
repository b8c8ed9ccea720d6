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
    ("text", "problem"),
    [
        ("", "No columns"),
        ("a,b\n", "no rows"),
        ('a,b\n1,"2', "EOF"),
        ("a;b\n1;2", "only column is 'a;b'"),
        ("a,b\n1,2,\n2,4,\n", "Expected 2 fields in line 2, saw 3"),
        ("a,b\n1,2\n2,4,\n", "Expected 2 fields in line 3, saw 3"),
        ("a,b,b\n1,2,3", r"distinct names; \['b'\] are repeated"),
        ("a,b, b\n1,2,3", r"distinct names; \['b'\] are repeated"),
    ],
)
def test_a_file_that_is_no_csv_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "runs.csv").write_text(text)
    with pytest.raises(UserError, match=problem):
        TrialTable.from_csv(tmp_path / "runs.csv", config=["a"], objective="b", direction="minimize")
    with pytest.raises(UserError, match="be a CSV file that can be read: No such file"):
        TrialTable.from_csv(tmp_path / "none.csv", config=["a"], objective="b", direction="minimize")


def test_spaces_around_cells_mean_nothing(tmp_path: Path) -> None:
    (tmp_path / "runs.csv").write_text("of , w,fid\n hinge,NA ,1\nhinge , 3,2\nl1,4 , 3\n")
    made = TrialTable.from_csv(tmp_path / "runs.csv", config=["of ", "w"], objective="fid", direction="minimize")
    assert labels(made, "of ") == ["hinge", "l1"]
    assert made.settings["w"].tolist()[1:] == [3, 4]
    assert made.active("w").tolist() == [False, True, True]


def test_cells_without_a_name_are_no_repetition(tmp_path: Path) -> None:
    (tmp_path / "runs.csv").write_text("lr,fid,,\n1,2,,\n3,4,,\n")
    made = TrialTable.from_csv(tmp_path / "runs.csv", config=["lr"], objective="fid", direction="minimize")
    assert made.at_end("fid").tolist() == [2, 4]
