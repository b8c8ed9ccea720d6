"""Conditions on runs of other programs, whose columns have any names and whose cells may be texts."""

import numpy as np
import pandas as pd
import pytest

from analysis.conditions.parsed import as_name, as_text
from analysis.foreign.verdicts import verdicts
from ganstudy import UserError

FRAME = pd.DataFrame(
    {
        "fid": [1.0, 250.0, 300.0, np.nan, np.inf],
        "val/acc": [0.9, 0.1, 0.5, 0.2, np.nan],
        "state": ["finished", "FAILED", "killed", None, "finished"],
        "top 5": ["1", "2", "3", "4", "5"],
        "on": [True, False, True, False, True],
        "bad": [0, 1, np.nan, 1, 0],
        "loss": ["0.5", "None", 1.0, "3", " nan "],
        "day": pd.date_range("2024-01-01", periods=5).astype(object),
        "sizes": [[1], [2], [1], [2], [2]],
        "val-loss": [1.0, 2.0, 3.0, 4.0, 5.0],
        "val": [5.0, 5.0, 1.0, 1.0, 5.0],
        "1st": [1, 0, 0, 0, 0],
        "7": [0, 0, 0, 0, 1],
        "not": [0, 0, 0, 1, 0],
        "yes": ["True", "false", "", "TRUE", "false"],
    }
)


def failed(text: str, frame: pd.DataFrame = FRAME, ended: str = "budget") -> list[int]:
    """The rows in which a run has failed by a condition."""
    n = len(frame)
    return np.flatnonzero(verdicts(frame, np.zeros(n), np.full(n, ended), failed=text).outcome == "failed").tolist()


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("fid > 250", [2, 4]),
        ("fid>=250", [1, 2, 4]),
        ("fid != 250", [0, 2, 4]),  # a missing value meets no comparison
        ("fid < 1e3", [0, 1, 2]),
        ("fid == inf", [4]),
        ("fid is missing", [3]),
        ("fid is not missing and val/acc is missing", [4]),
        ("fid > 250 or val/acc < 0.3 and state == failed", [1, 2, 4]),  # `and` binds more tightly
        ("val/acc < 0.3 and state == failed or fid > 250", [1, 2, 4]),
        ("state == 'failed' or state == \"killed\"", [1, 2]),
        ("state != finished", [1, 2]),
        ("`top 5` >= 4", [3, 4]),  # numbers written as texts
        ("on == true", [0, 2, 4]),
        ("fid > -1", [0, 1, 2, 4]),
        ("bad == true", [1, 3]),
        ("bad != true", [0, 4]),
        ("bad == False", [0, 4]),
        ("fid == '250'", [1]),  # a column of numbers holds no texts
        ("loss == '3'", [3]),
        ("loss < 1", [0]),
        ("loss is missing", [1, 4]),  # None among numbers
        ("sizes == '[2]'", [1, 3, 4]),
        ("val-loss > 3", [3, 4]),
        ("val - val-loss > 2", [0, 1]),
        ("val-val-loss > 2", [0, 1]),
        ("1st == 1", [0]),
        ("`7` == 1", [4]),
        ("7 > fid or fid > 299", [0, 2, 4]),
        ("`not` > 0", [3]),
        ("`not` > 0 OR NOT fid > 1 AND fid IS NOT MISSING", [0, 3]),
        ("yes", [0, 3]),
        ("not yes", [1, 4]),
        ("yes == true", [0, 3]),
        ("state in [failed, KILLED]", [1, 2]),
        ("state == crashed", []),  # a state that no run happens to have
        ("fid / val > 60 and 0.1 <= val/acc < 0.9", [2]),
    ],
)
def test_a_condition_holds_in_the_rows_that_it_describes(text: str, rows: list[int]) -> None:
    assert failed(text) == rows


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("fid > 250", {"budget": [2, 4], "error": [], "scheduler": [], "": []}),
        ("not fid > 250", {"budget": [0, 1], "error": [], "scheduler": [], "": []}),
        ("fid > 250 or state == failed", {"budget": [1, 2, 4], "error": [1], "scheduler": [1], "": [1]}),
        ("fid is missing", {"budget": [3], "error": [3], "scheduler": [], "": []}),
        ("on", {"budget": [0, 2, 4], "error": [0, 2, 4], "scheduler": [0, 2, 4], "": [0, 2, 4]}),
    ],
)
def test_numbers_count_at_the_end_of_a_run_only(text: str, rows: dict[str, list[int]]) -> None:
    assert {ended: failed(text, ended=ended) for ended in rows} == rows


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (" ", "it is empty"),
        ("fid + 1", r"fid \+ 1 is neither true nor false"),
        ("fid >", "it cannot be read. Allowed are names of columns"),
        ("fid = 3", "write == instead of ="),
        ("fid > high", "no column is called 'high'. The names are fid, val/acc, state, top 5"),
        ("fid == nan", "write fid is missing"),
        ("fid == 'None'", "write fid is missing"),
        ("fid > 1 val/acc < 2", "it cannot be read"),
        ("fd > 1", "no column is called 'fd'. Did you mean fid"),
        ("__import__('os').system('true') > 1", "cannot be read"),
        ("fid > 1 or `", "cannot be read"),
        ("state > 3", r"state is a text \(such as 'finished'\) and 3 is a number"),
        ("state == 3", r"state is a text \(such as 'finished'\) and 3 is a number"),
        ("state == 'odd'", "state is never 'odd'; it holds 'finished', 'FAILED', 'killed'$"),
        ("day > 3", r"day is a text \(such as '2024-01-01"),
        ("sizes > 3", r"sizes is a text \(such as '\[1\]'\)"),
    ],
)
def test_a_mistake_says_what_is_wrong(text: str, problem: str) -> None:
    with pytest.raises(UserError, match=problem) as error:
        failed(text)
    assert str(error.value).startswith("failed must be a condition such as 'loss > 3 or loss is missing'; given ")


def test_a_frame_of_numbers_and_points() -> None:
    frame = pd.DataFrame({"acc": ["0.5", "none ", "oops"], "point": [np.array(1.0), np.array(2.0), None]})
    with pytest.raises(UserError, match="acc is a text"):
        failed("acc > 3", frame)
    assert failed("point > 1.5", frame) == [1]


@pytest.mark.parametrize("name", ["fid", "top 5", "val-loss", "not", "7", "val/acc", "a.b", "In", "é"])
@pytest.mark.parametrize("text", ["FAILED", "ends here", "in", "inf", "None", "fid", "7", 'say "no"', "a-b"])
def test_what_is_written_is_read(name: str, text: str) -> None:
    frame = pd.DataFrame({name: [text, "odd"], **({"fid": [1.0, 2.0]} if name != "fid" else {})})
    assert failed(f"{as_name(name)} == {as_text(text, frame.columns)}", frame) == [0]
