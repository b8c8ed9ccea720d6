"""What an answer says of tables with a known truth, at the edges of its wording."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis import TrialTable, answer, explain, pareto, rank
from ganstudy import UserError


def table_of(frame: pd.DataFrame, config: list[str], **given: Any) -> TrialTable:
    return TrialTable.from_frame(frame, config=config, **{"objective": "fid", "direction": "minimize", "evidence": "designed", **given})


def test_a_metric_that_goes_the_other_way_with_failed_runs_is_not_called_unchanged() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"trick": np.tile([False, True], 48), "k": rng.random(96)})
    frame["bad"] = rng.random(96) < np.where(frame.trick, 0.02, 0.8)
    frame["fid"] = np.exp(rng.normal(0, 0.2, 96) + 0.5 * frame.trick)
    found = explain(table_of(frame, ["trick", "k"], failed="bad"), ["failed", "fid"])
    win = next(claim for claim in found if claim.outcome == "win" and claim.setting == "trick")
    assert win.claimed
    assert win.effect > 0
    assert "fid differs among the runs that did not fail, but the other way when failed runs are counted last" in answer(found)


def test_a_held_claim_is_not_also_unclear() -> None:
    """Without the trick the bad half fails, so those that are left look better."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"trick": np.tile([False, True], 60), "k": rng.random(120), "fid": np.exp(rng.normal(0, 1, 120))})
    frame["bad"] = ~frame.trick & (frame.fid > 1.0)
    found = explain(table_of(frame, ["trick", "k"], failed="bad"), ["fid"])
    assert [claim.setting for claim in found if claim.held] == ["trick"]
    assert not any("told from noise" in line and "trick" in line for line in answer(found).splitlines())


@pytest.mark.parametrize("name", ["win", "failed", "mode_collapse"])
def test_a_metric_cannot_have_the_name_of_an_outcome(name: str) -> None:
    frame = pd.DataFrame({"a": ["x", "y"] * 12, name: np.arange(24.0)})
    with pytest.raises(UserError, match=f"must not be called '{name}'"):
        table_of(frame, ["a"], objective=name)


@pytest.mark.parametrize("name", ["n", "mean", "low", "place", "p_fail", "config_id", "fid_low", "estimate"])
def test_a_setting_may_have_the_name_of_a_result(name: str) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({name: rng.choice([1, 2, 3], 48), "fid": rng.random(48) + 1, "coverage": rng.random(48)})
    table = table_of(frame, [name], objective=["fid", "coverage"], direction={"fid": "minimize", "coverage": "maximize"})
    for found in (rank(table, "fid"), pareto(table, "fid", "coverage")):
        column = found.attrs["settings"][name]
        assert column in (name, f"config.{name}")
        assert sorted(found[column]) == [1, 2, 3]
        assert found.columns.is_unique


def test_kinds_that_are_no_failures_by_the_studys_definition_have_rates(stage: Any) -> None:
    table = stage(48, 1, risk=lambda k: 0.0)
    kinds = np.where(table.settings["r1"].to_numpy(dtype=bool), "mode_dropping", np.where(np.arange(48) % 5 == 0, "poor_fit", "healthy"))
    table = replace(table, outcome=kinds, own_failures=np.zeros(48, dtype=bool))
    text = answer(explain(table, ["failed", "fd", "mode_dropping", "poor_fit"]))
    assert "No trial failed" in text
    assert "r1 raises the rate of mode dropping (" in text
    assert "how runs fail" not in text


def test_every_claimed_pair_of_levels_is_told() -> None:
    for seed in range(12):
        rng = np.random.default_rng(seed)
        frame = pd.DataFrame({"loss": np.tile(list("abc"), 20), "k": rng.random(60)})
        frame["bad"] = rng.random(60) < frame.loss.map({"a": 0, "b": 0.3, "c": 0.75})
        frame["fid"] = np.exp(rng.normal(0, 0.5, 60) + frame.loss.map({"a": 0, "b": 0.45, "c": 0.6}))
        found = explain(table_of(frame, ["loss", "k"], failed="bad"), ["failed", "fid"])
        claimed = {frozenset((claim.level, claim.reference)) for claim in found if claim.claimed}
        open_ = {frozenset((claim.level, claim.reference)) for claim in found if claim.setting == "loss"} - claimed
        lines = answer(found).splitlines()
        noise = " ".join(line for line in lines if "told from noise" in line)
        about = [line for line in lines if line.startswith("loss ")]
        if not claimed:
            continue
        for one, other in map(sorted, claimed):
            assert f"{other} against {one}" not in noise
            assert any(one in line.split("(")[0].split() and (f" {other}" in line.split("(")[0]) for line in about) or any(
                other in line.split("(")[0].split() and f" {one}" in line.split("(")[0] for line in about
            )
        for one, other in map(sorted, open_):
            assert f"{other} against {one}" in noise


def test_bounds_divide_the_runs_as_their_counts_say() -> None:
    rng = np.random.default_rng(1)
    m = rng.uniform(0.99, 0.999, 96)
    frame = pd.DataFrame({"beta2": m, "bad": m > 0.996, "fid": np.exp(rng.normal(0, 0.2, 96))})
    claim = next(c for c in explain(table_of(frame, ["beta2"], failed="bad"), ["failed"]) if c.kind == "trend" and c.outcome == "failed")
    least, most = float(claim.level.removesuffix(" or more")), float(claim.reference.removesuffix(" or less"))
    assert claim.n_with.trials == (m >= least).sum()
    assert claim.n_without.trials == (m <= most).sum()


def test_counts_that_do_not_show_an_effect_come_with_what_it_is_adjusted_for() -> None:
    rng = np.random.default_rng(1)
    z = rng.random(120) < 0.5
    a = np.where(rng.random(120) < 0.88, z, ~z)
    frame = pd.DataFrame({"a": np.where(a, "new", "old"), "z": np.where(z, "hi", "lo"), "k": rng.uniform(0, 1, 120)})
    frame["bad"] = rng.random(120) < np.where(z, 0.97, 0.55) - 0.5 * a
    frame["fid"] = np.exp(rng.normal(0, 0.2, 120))
    lines = answer(explain(table_of(frame, ["a", "z", "k"], failed="bad"), ["failed", "fid"])).splitlines()
    (line,) = [each for each in lines if each.startswith("z ")]
    assert "points adjusted for a" in line


def test_an_interaction_names_each_effect_once() -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"a": np.tile(["p", "q"], 48), "b": np.repeat(["u", "v", "w"], 32), "lr": rng.random(96)})
    frame["fid"] = np.exp(rng.normal(0, 0.3, 96) + np.where(frame.a == "p", 0, frame.b.map({"u": 0, "v": 1.5, "w": -1.0})))
    lines = answer(explain(table_of(frame, ["a", "b", "lr"]), ["fid"])).splitlines()
    (line,) = [each for each in lines if each.startswith("The effect of a on")]
    assert [line.count(f"with b {level}, q instead of p") for level in "uvw"] == [1, 1, 1]


def test_large_seeds_stay_different() -> None:
    seeds = np.random.default_rng(0).integers(2**63, 2**64, 48, dtype=np.uint64)
    for given in (seeds, np.arange(48) + 2**60):
        frame = pd.DataFrame({"a": ["x", "y"] * 24, "fid": np.arange(48) + 1.0, "seed": given})
        table = table_of(frame, ["a"], seed="seed")
        assert len(set(table.seed)) == 48
        assert not any("seed" in note for note in table.notes)


def test_the_conditions_in_hints_can_be_used() -> None:
    state = ["crashed"] * 3 + ["finished"] * 45
    frame = pd.DataFrame(
        {"a": ["x", "y"] * 24, "val loss": [np.nan] * 6 + [1.0, 2.0] * 21, "was bad": [False, True] * 24, "run state": state}
    )
    for given in ({"failed": "was bad"}, {"failed": "was bad", "state": "run state"}):
        notes = table_of(frame, ["a"], objective="val loss", **given).notes
        hints = [note.split("count them as failed: ")[1].rstrip(".") for note in notes if "count them as failed: " in note]
        assert hints
        for hint in hints:
            assert len(table_of(frame, ["a"], objective="val loss", **{**given, "failed": hint})) == 48


def test_an_off_centre_valley_is_lower_than_both_ends() -> None:
    rng = np.random.default_rng(0)
    p = rng.permutation(100) / 99
    frame = pd.DataFrame({"lr": 10 ** (-4 + 2 * p), "fid": np.exp(rng.normal(0, 0.15, 100) + 12 * (p - 0.75) ** 2)})
    lines = answer(explain(table_of(frame, ["lr"]), ["fid"])).splitlines()
    assert any(line.startswith("The final fid is lower inside the range of lr than at either end (") for line in lines)
    assert not any("in the middle of the range" in line for line in lines)


@pytest.mark.parametrize("curve", [lambda p: 1.6 * np.exp(-12 * p) - 0.5 * p, lambda p: 2 * np.exp(-6 * p), lambda p: -1.0 * (p > 0.2)])
def test_a_curve_that_levels_off_has_no_best_value_inside(curve: Callable[[Any], Any]) -> None:
    for seed in range(6):
        rng = np.random.default_rng(seed)
        p = rng.permutation(96) / 95
        frame = pd.DataFrame({"lr": 10 ** (-4 + 2 * p), "fid": np.exp(rng.normal(0, 0.15, 96) + curve(p))})
        assert "best near" not in answer(explain(table_of(frame, ["lr"]), ["fid"]))


def test_a_range_whose_runs_mostly_have_its_largest_value_is_compared() -> None:
    rng = np.random.default_rng(0)
    steps = np.array([1, 2, 3] + [5] * 27)
    frame = pd.DataFrame({"steps": steps, "z": rng.random(30), "fid": np.exp(rng.normal(0, 0.2, 30) - 2.0 * (steps == 5))})
    for sign, level, reference in ((1, "5 or more", "3 or less"), (-1, "−3 or more", "−5 or less")):
        found = explain(table_of(frame.assign(steps=sign * frame.steps), ["steps", "z"]), ["failed", "fid"])
        claim = next(claim for claim in found if (claim.setting, claim.kind, claim.outcome) == ("steps", "trend", "fid"))
        assert (claim.level, claim.reference) == (level, reference)
        assert claim.helps == (sign > 0)


def test_one_huge_value_does_not_hide_the_order_of_the_others() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": np.tile(["x", "y"], 48), "k": rng.random(96)})
    frame["loss"] = rng.normal(0, 0.3, 96) - (frame.a == "y")
    effects = []
    for huge in (10.0, 1e12):
        frame.loc[0, "loss"] = huge
        found = explain(table_of(frame, ["a", "k"], objective="loss"), ["failed", "loss"])
        (claim,) = [claim for claim in found if (claim.setting, claim.outcome) == ("a", "win")]
        assert claim.claimed
        effects.append(claim.effect)
    assert effects[0] == pytest.approx(effects[1])


def test_scores_that_differ_by_rounding_are_ties() -> None:
    frame = pd.DataFrame({"a": np.tile(["x", "y"], 12), "acc": 0.7 + np.tile([0.0, 1e-15], 12)})
    found = explain(table_of(frame, ["a"], objective="acc", direction="maximize"), ["failed", "acc"])
    assert not any(claim.outcome == "win" for claim in found)  # all runs are equal


def test_what_is_held_back_is_named_by_its_kind() -> None:
    """The bad half of the runs fails in the middle of a range, so those that are left look better there."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, 200)
    frame = pd.DataFrame({"lr": x, "fid": np.exp(rng.normal(0, 1, 200)), "a": np.tile(["p", "q"], 100), "b": np.repeat(["u", "v"], 100)})
    bend = frame.assign(bad=(np.abs(x) < 0.5) & (frame.fid > 0.8))
    text = answer(explain(table_of(bend, ["lr"], failed="bad"), ["fid"]))
    assert "Not claimed for the bend of lr: fid differs among the runs that did not fail" in text
    both = frame.assign(bad=((frame.a == "p") == (frame.b == "u")) & (frame.fid > 0.6))
    text = answer(explain(table_of(both, ["a", "b"], failed="bad"), ["fid"]))
    assert "Not claimed for how the effect of a depends on b: fid differs among the runs that did not fail" in text


def test_settings_and_outcomes_that_are_named_twice_are_told_once() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": np.tile(["x", "y"], 12), "fid": np.exp(rng.normal(0, 1, 24))})
    table = table_of(frame, ["a"])
    assert answer(explain(table, ["fid", "fid"], settings=["a", "a"])) == answer(explain(table, ["fid"], settings=["a"]))
