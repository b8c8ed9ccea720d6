"""What an answer says of runs that were not drawn at random: associations."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd

from analysis import TrialTable, answer, explain

P = r"\(p = [\d.e-]+\)"


def observed(frame: pd.DataFrame, config: list[str], failed: str | None = None) -> TrialTable:
    return TrialTable.from_frame(frame, config=config, objective="fid", direction="minimize", failed=failed, evidence="observed")


def test_a_valley_of_observed_runs_is_an_association() -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, 100)
    frame = pd.DataFrame({"lr": 10**x, "z": rng.choice(["a", "b"], 100), "fid": np.exp(3 * x**2 + rng.normal(0, 0.1, 100))})
    lines = answer(explain(observed(frame, ["lr", "z"]), ["fid"])).splitlines()
    assert any(re.fullmatch(rf"Runs with lr inside its range have lower fid {P} than those at either end\.", line) for line in lines)
    assert "No association with z can be told from chance." in lines


def test_an_interaction_of_observed_runs_is_an_association() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": np.tile(["p", "q"], 50), "b": np.repeat(["u", "v"], 50), "z": rng.random(100)})
    frame["fid"] = np.exp((frame.a == "p") * np.where(frame.b == "u", 1.0, -1.0) + rng.normal(0, 0.2, 100))
    lines = answer(explain(observed(frame, ["a", "b", "z"]), ["fid"])).splitlines()
    assert any(re.fullmatch(rf"How a goes with fid depends on b {P}\.", line) for line in lines)
    assert "No association with z can be told from chance." in lines


def test_opposite_associations_are_both_told() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"trick": np.tile([False, True], 100), "k": rng.random(200)})
    frame["bad"] = rng.random(200) < np.where(frame.trick, 0.02, 0.25)
    frame["fid"] = np.exp(rng.normal(0, 0.2, 200) + 1.2 * frame.trick)
    text = answer(explain(observed(frame, ["trick", "k"], "bad"), ["failed", "fid"]))
    assert re.search(rf"Runs with trick on fail less often {P} and have higher fid {P} than those with off\.", text)


def test_what_selection_may_explain_is_said_and_not_called_unassociated() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"trick": np.tile([False, True], 60), "k": rng.random(120), "fid": np.exp(rng.normal(0, 1, 120))})
    frame["bad"] = ~frame.trick & (frame.fid > 1.0)
    lines = answer(explain(observed(frame, ["trick", "k"], "bad"), ["fid"])).splitlines()
    assert any(line.startswith("No association is told for trick: fid differs among the runs that did not fail, but") for line in lines)
    assert "No association with k can be told from chance." in lines


def test_kinds_of_failure_that_replace_each_other_make_no_run_better() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"trick": np.tile([False, True], 60), "k": rng.random(120), "fid": rng.random(120)})
    table = observed(frame, ["trick", "k"])
    outcome = np.where(frame.trick, "diverged", "mode_collapse")
    text = answer(explain(replace(table, outcome=outcome), ["failed", "mode_collapse", "diverged"]))
    assert "All trials failed" in text
    assert "better" not in text
    assert re.search(
        rf"Runs with trick on fail less often by mode collapse {P} and fail more often by divergence {P} than those with off", text
    )


def test_a_curve_that_only_bends_is_called_uneven() -> None:
    rng = np.random.default_rng(0)
    x = rng.permutation(100) / 99
    frame = pd.DataFrame({"lr": x, "fid": np.exp(rng.normal(0, 0.1, 100) + 3 * np.exp(-8 * x))})
    text = answer(explain(observed(frame, ["lr"]), ["fid"]))
    assert "either end" not in text


def test_a_setting_that_equals_the_metric_is_told_as_a_trend() -> None:
    """The metric is positive and minimized, hence on a log scale, on which a straight line is bent."""
    x = np.random.default_rng(0).permutation(np.linspace(0.02, 0.98, 40))
    frame = pd.DataFrame({"x": x, "y": x})
    told = [
        answer(explain(TrialTable.from_frame(frame, config=["x"], objective="y", direction="minimize", evidence=evidence), "y"))
        for evidence in ("observed", "designed")
    ]
    assert "Runs with x 0.34 or less have lower y" in told[0]
    assert "evenly" not in told[0]
    trend, bend = (told[1].index(words) for words in ("x 0.66 or more, instead of 0.34 or less, worsens y", "Along x, the final y does"))
    assert trend < bend
    assert "does not change evenly on a log scale of y (" in told[1]
