"""Why an answer does not compare something: the reason must be the true one."""

import re

import numpy as np
import pandas as pd
import pytest

from analysis import TrialTable, answer, explain
from analysis.power import Plan, planned_statement


def told(frame: pd.DataFrame, config: list[str], outcomes: list[str], **given: object) -> str:
    columns = {"config": config, "objective": "fid", "direction": "minimize", "evidence": "designed", **given}
    return answer(explain(TrialTable.from_frame(frame, **columns), outcomes))  # type: ignore[arg-type]


def runs(n: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame({"a": np.tile(["x", "y"], n // 2), "k": rng.random(n), "fid": np.exp(rng.normal(0, 1, n))})


def test_an_interaction_needs_all_four_combinations() -> None:
    frame = runs(32).assign(a=["p"] * 16 + ["q"] * 16, b=["u"] * 8 + ["v"] * 8 + ["u"] * 16)
    assert "Interactions were not compared: no two settings have two configs at each of four combinations of levels." in told(
        frame, ["a", "b"], ["fid"], seed=None
    )


def test_a_level_without_survivors_is_not_said_to_go_with_other_settings() -> None:
    frame = runs(48).assign(loss=np.tile(["v", "w"], 24)[np.random.default_rng(1).permutation(48)])
    text = told(frame.assign(bad=frame.loss == "w"), ["loss", "k"], ["fid"], failed="bad")
    assert "Not compared: loss (fewer than two configs on a side of each comparison have a value)." in text
    assert re.search(r"Too few trials completed without failing to compare fid with loss w(, the reference)? \(0 of 24\)\.", text)


def test_a_metric_that_was_not_measured_is_not_said_to_have_failed() -> None:
    frame = runs(48).assign(cov=np.random.default_rng(1).random(48))
    both = {"objective": ["fid", "cov"], "direction": {"fid": "minimize", "cov": "maximize"}}
    some = frame.assign(cov=frame["cov"].where(frame.a == "x"))
    assert "Too few trials have a value to compare cov with a y (0 of 24)." in told(some, ["a", "k"], ["fid", "cov"], **both)
    none = frame.assign(cov=np.nan)
    text = told(none, ["a", "k"], ["fid", "cov"], **both)
    assert "Nothing can be told about cov: no trial that completed without failing has a value." in text


def test_a_short_range_has_no_levels() -> None:
    frame = pd.DataFrame({"lr": [1e-3, 2e-3, 3e-3], "fid": [1.0, 2.0, 4.0]})
    assert "Not compared: lr (it has fewer than two configs at an end of its range)." in told(frame, ["lr"], ["fid"])


@pytest.mark.parametrize(("levels", "comparisons"), [(8, 28), (12, 11)])
def test_a_plan_counts_the_comparisons_that_are_made(levels: int, comparisons: int) -> None:
    assert f"({comparisons} comparisons" in planned_statement(960, {"loss": Plan(levels, 960, 1)})
    frame = pd.DataFrame({"loss": np.tile(np.arange(levels), 80), "fid": np.exp(np.random.default_rng(0).normal(0, 1, levels * 80))})
    frame["loss"] = pd.Categorical(frame["loss"].astype(str))
    table = TrialTable.from_frame(frame, config=["loss"], objective="fid", direction="minimize", evidence="designed")
    assert len([claim for claim in explain(table, "fid") if claim.setting == "loss"]) == comparisons
