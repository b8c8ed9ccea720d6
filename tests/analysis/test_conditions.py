"""Conditions: read as written, never evaluated as code."""

import numpy as np
import pandas as pd
import pytest

from analysis.conditions import parse
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
    }
)


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
    ],
)
def test_a_condition_holds_in_the_rows_that_it_describes(text: str, rows: list[int]) -> None:
    assert np.flatnonzero(parse(text, FRAME.columns).holds(FRAME)).tolist() == rows


def test_a_comparison_counts_only_where_it_is_judged() -> None:
    condition = parse("fid > 250 or state == failed", FRAME.columns)
    assert [comparison.name for comparison in condition.comparisons] == ["fid", "state"]
    found = condition.holds(FRAME, judged=lambda comparison: np.array([comparison.name == "state"] * 4 + [True]))
    assert np.flatnonzero(found).tolist() == [1, 4]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "it is empty"),
        ("fid", "three parts; got fid"),
        ("fid >", "three parts"),
        ("fid = 3", "'=' is not among"),
        ("fid > high", "> needs a number; got 'high'"),
        ("fid == nan", "fid is missing"),
        ("fid > 1 val/acc < 2", "'and' or 'or' must stand before 'val/acc'"),
        ("fid > 1 and", "three parts; got none"),
        ("fd > 1", "did you mean 'fid'.*'fid', .*'state'"),
        ("__import__('os').system('true') > 1", "names \"?'?__import__"),
        ("fid > 1 or `", "cannot be read"),
        ("state > 3", "must hold numbers; 'state' holds 'finished'.*state == 'finished'"),
        ("day > 3", "must hold numbers; 'day' holds '2024-01-01"),
        ("sizes > 3", r"must hold numbers; 'sizes' holds '\[1\]'"),
    ],
)
def test_a_mistake_says_what_is_wrong(text: str, problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        parse(text, FRAME.columns).holds(FRAME)


def test_only_what_cannot_be_a_number_is_blamed() -> None:
    frame = pd.DataFrame({"acc": ["0.5", "none ", "oops"], "point": [np.array(1.0), np.array(2.0), None]})
    with pytest.raises(UserError, match="'acc' holds 'oops'"):
        parse("acc > 3", frame.columns).holds(frame)
    assert parse("point > 1.5", frame.columns).holds(frame).tolist() == [False, True, False]
