"""Foreign runs as tables: what is a config, what is evidence, what is a failure."""

from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import analysis
from analysis import Direction, TrialTable
from analysis.levels import levels
from analysis.table import as_table
from ganstudy import UserError

LR = [0.1, 0.1, 0.2, 0.2, 0.1, 0.1 + 2**-55]


def runs(**columns: Any) -> pd.DataFrame:
    """Six runs of two learning rates, one of which appears twice, and of a third that differs in the last bit."""
    return pd.DataFrame({"lr": LR, "loss": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], **columns})


def table(frame: pd.DataFrame, **given: Any) -> TrialTable:
    return TrialTable.from_frame(frame, **{"config": ["lr"], "objective": "loss", "direction": "minimize", **given})


def test_a_frame_becomes_a_table_of_the_same_runs() -> None:
    frame = runs(acc=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6], seed=[7, 8, 7, 8, 9, 7], host="a").set_index(pd.Index(list("abcdef")))
    made = table(frame, objective=["loss", "acc"], direction={"loss": "minimize", "acc": "maximize"}, seed="seed", config=["lr", "host"])
    assert made.trial_id.tolist() == list("abcdef")
    assert made.seed.tolist() == [7, 8, 7, 8, 9, 7]
    assert made.at_end("acc").tolist() == frame["acc"].tolist()
    assert made.directions == {"loss": Direction.MINIMIZE, "acc": Direction.MAXIMIZE}
    assert set(made.outcome) == {"completed"}
    assert made.evidence.all()
    assert made.scientific == ("lr",)
    assert made.fixed == {"host": "a"}  # a constant column is a condition, not a setting that was studied


def test_equal_settings_are_one_config_and_floats_are_equal_exactly() -> None:
    made = table(runs())
    assert made.config_id.tolist() == ["c1", "c1", "c2", "c2", "c1", "c3"]
    assert made.seed.tolist() == [0, 1, 0, 1, 2, 0]  # numbered within the config


def test_missing_equals_missing_in_a_config_and_is_inactive() -> None:
    made = table(runs(clip=[1.0, np.nan, 1.0, np.nan, np.nan, np.nan]), config=["lr", "clip"])
    assert made.config_id.tolist() == ["c1", "c2", "c3", "c4", "c2", "c5"]
    assert made.active("clip").tolist() == [True, False, True, False, False, False]
    assert any("'clip' (4) of 6 runs" in note for note in made.notes)


def test_dotted_names_of_other_programs_mean_nothing() -> None:
    """`r1.gamma` is active where `r1` is on, but only among ganstudy's own settings."""
    frame = runs(r1=[True, True, True, False, False, False], **{"r1.gamma": [1.0, 2.0, np.nan, 3.0, 4.0, 5.0]})
    assert table(frame, config=["r1", "r1.gamma"]).active("r1.gamma").tolist() == [True, True, False, True, True, True]


def test_configs_can_be_named_by_a_column() -> None:
    assert table(runs(group=list("aabbac")), config_id="group").config_id.tolist() == list("aabbac")
    with pytest.raises(UserError, match=r"group 'a' has several values of \['lr'\]"):
        table(runs(group=list("aaabac")), config_id="group")
    with pytest.raises(UserError, match="'group' is empty in 1 run"):
        table(runs(group=["a", "a", "b", "b", "a", None]), config_id="group")


def test_named_runs_name_their_config() -> None:
    assert table(runs(run=list("uvwxyz")), trial_id="run").config_id.tolist() == list("uuwwuz")
    with pytest.raises(UserError, match="distinct values; 'run' repeats 'u'"):
        table(runs(run=list("uuwxyz")), trial_id="run")


BAD = [1.0, 300.0, np.nan, np.inf, 260.0, 2.0]


def test_a_run_without_a_value_is_no_evidence_unless_failed_says_so() -> None:
    frame = runs(loss=BAD)
    silent = table(frame)
    assert silent.evidence.tolist() == [True, True, False, False, True, True]
    assert not silent.failed.any()
    assert any("It was not said which runs failed" in note for note in silent.notes)
    assert any(note.startswith("2 of 6 runs are no evidence") and "loss is missing" in note for note in silent.notes)
    assert silent.final["loss"].isna().tolist() == [False, False, True, True, False, False]  # infinity, too
    above = table(frame, failed="loss > 250")
    assert above.outcome.tolist() == ["completed", "failed", "", "failed", "failed", "completed"]
    assert above.dead.tolist() == [False, False, False, True, False, False]  # infinity is above 250, and no value to average
    assert np.isfinite(above.at_end("loss")).tolist() == [True, True, False, False, True, True]
    assert any("count them as failed: loss > 250 or loss is missing" in note for note in above.notes)
    told = table(frame, failed="loss > 250 or loss is missing")
    assert told.failed.tolist() == [False, True, True, True, True, False]
    assert told.dead.tolist() == [False, False, True, True, False, False]
    assert told.evidence.all()


def test_a_result_may_be_written_as_none() -> None:
    made = table(runs(loss=["1", "300", "None", "null", "260", "2"]), failed="loss > 250 or loss is missing")
    assert made.failed.tolist() == [False, True, True, True, True, False]


def test_the_state_of_a_run_decides_whether_it_reached_its_end() -> None:
    frame = runs(loss=[1.0, 300.0, np.nan, 300.0, 300.0, 300.0], state=["COMPLETE", "finished", "FAIL", "crashed", "running", "pruned"])
    made = table(frame, state="state", failed="loss > 250")
    assert made.ended.tolist() == ["budget", "budget", "error", "error", "", "scheduler"]
    assert made.outcome.tolist() == ["completed", "failed", "", "", "", ""]  # on the way to its end, every run was bad once
    assert any("crashed (FAIL: 1, crashed: 1)" in note and "loss > 250 or state == FAIL" in note for note in made.notes)
    named = table(frame, state="state", failed="loss > 250 or state == crashed")
    assert named.outcome.tolist() == ["completed", "failed", "", "failed", "", ""]
    assert named.ended.tolist() == ["budget", "budget", "error", "dead", "", "scheduler"]
    missing = table(frame.assign(loss=np.nan), state="state", failed="loss is missing")
    assert missing.outcome.tolist() == ["failed", "failed", "failed", "failed", "", ""]  # not of runs that go on or were stopped
    with pytest.raises(UserError, match=r"states must be among .*'state' holds \['odd'\]"):
        table(frame.assign(state="odd"), state="state")


def test_a_boolean_column_says_which_runs_failed() -> None:
    made = table(runs(bad=["True", "false", "", "TRUE", "false", "false"], loss=[1, 2, 3, np.nan, 5, 6]), failed="bad")
    assert made.outcome.tolist() == ["failed", "completed", "", "failed", "completed", "completed"]
    assert table(runs(bad=[0, 1, 0, 0, 0, 0]), failed="bad").failed.tolist() == [False, True, False, False, False, False]
    with pytest.raises(UserError, match=r"a column of true and false; column 'lr' holds '0\.1'"):
        table(runs(), failed="lr")


def test_runs_with_fewer_steps_were_stopped_early() -> None:
    frame = runs(epoch=[10, 10, 5, 10, 2, 10], loss=[1.0, 2.0, 300.0, 4.0, np.nan, 6.0])
    made = table(frame, steps="epoch", failed="loss > 250 or loss is missing")
    assert made.ended.tolist() == ["budget", "budget", "scheduler", "budget", "dead", "budget"]  # nothing stops a run without a value
    assert made.outcome.tolist() == ["completed", "completed", "", "completed", "failed", "completed"]
    assert any("1 run ended before epoch 10" in note for note in made.notes)
    with pytest.raises(UserError, match="1 of 6 runs were stopped early"):
        table(frame, steps="epoch", evidence="designed")


def test_evidence_says_whether_effects_are_causes() -> None:
    assert set(table(runs()).phase) == {"optimise"}  # the careful default
    assert set(table(runs(), evidence="designed").phase) == {"explore"}
    with pytest.raises(UserError, match=r"'designed' .* or 'observed'; got 'random'"):
        table(runs(), evidence="random")


def test_a_row_that_repeats_another_counts_once() -> None:
    frame = runs(seed=[0, 1, 0, 1, 1, 0])
    again = pd.concat([frame, frame.iloc[[0]], frame.iloc[[1]].assign(loss=2.5)], ignore_index=True)
    made = table(again, seed="seed")
    assert len(made) == 7
    assert any("1 row with settings, seed and objective of another run was left out" in note for note in made.notes)
    assert any("2 runs have the settings and the seed of another run, but not its objective" in note for note in made.notes)
    unknown = table(again)  # without seeds, equal scores may be chance
    assert len(unknown) == 8
    assert any("1 row equals another in every column and counts as a run of its own" in note for note in unknown.notes)


def test_a_run_that_crashed_and_was_repeated_is_not_a_repeat() -> None:
    frame = runs(seed=[0, 0, 0, 1, 2, 0], state=["crashed", "finished"] + ["finished"] * 4)
    made = table(pd.concat([frame, frame.iloc[[0]]], ignore_index=True), seed="seed", state="state")
    assert len(made) == 7  # it crashed twice
    assert not any("of another run" in note for note in made.notes)


def test_seeds_are_whole_numbers() -> None:
    with pytest.raises(UserError, match="column 'seed' holds 'x'"):
        table(runs(seed=list("012xyz")), seed="seed")
    made = table(runs(seed=[1, 2, np.nan, 4, 5, 6], loss=[1, 2, np.nan, 4, 5, 6]), seed="seed")  # a run without evidence needs none
    assert made.seed.tolist() == [1, 2, -1, 4, 5, 6]


def settings_of(values: list[Any], **given: Any) -> pd.Series:
    return table(pd.DataFrame({"x": values, "loss": 1.0}), config=["x"], **given).settings["x"]


def test_settings_are_read_as_what_they_are() -> None:
    assert settings_of([1, 2, 3]).tolist() == [1, 2, 3]
    assert settings_of(["0.1", "1e-4", "0.1"]).tolist() == [0.1, 1e-4, 0.1]  # numbers written as texts
    assert settings_of(["True", "false", "TRUE"]).tolist() == [True, False, True]
    assert settings_of([True, None, False]).tolist()[::2] == [True, False]
    assert settings_of([0, 1, 1]).tolist() == [0, 1, 1]
    assert settings_of([[1, 2], [1, 2], [3]]).tolist() == ["[1, 2]", "[1, 2]", "[3]"]
    assert settings_of([64.0, np.nan, 32.0]).isna().tolist() == [False, True, False]


def labels(made: TrialTable, setting: str) -> list[str]:
    return [level.label for level in levels(made, setting)]


def test_choices_keep_their_order() -> None:
    values = ["sgd", "adam", "sgd", "lion", "adam", "sgd"]
    assert labels(table(runs(opt=values), config=["opt"]), "opt") == ["sgd", "adam", "lion"]  # first appearance
    ordered = pd.Categorical(values, categories=["lion", "sgd", "adam", "never"])
    assert labels(table(runs(opt=ordered), config=["opt"]), "opt") == ["lion", "sgd", "adam"]
    numbers = pd.Categorical([64, 16, 64, 32, 16, 16], categories=[16, 32, 64])
    assert labels(table(runs(batch=numbers), config=["batch"]), "batch") == ["16", "32", "64"]
    assert labels(table(runs(on=["true", "false"] * 3), config=["on"]), "on") == ["off", "on"]


def test_numbers_and_texts_in_one_column_are_choices() -> None:
    made = table(runs(gamma=["scale", 0.1, 0.1, "scale", 0.5, "scale"]), config=["gamma"])
    assert labels(made, "gamma") == ["scale", "0.1", "0.5"]
    assert any("'gamma' holds values of several kinds ('scale', 0.1, 0.5)" in note for note in made.notes)


def test_a_column_of_names_is_not_a_setting() -> None:
    with pytest.raises(
        UserError, match=r"column 'x' has 30 distinct texts in 30 runs, such as 'run 0', 'run 1', 'run 2', …. It looks like a name"
    ):
        settings_of([f"run {i}" for i in range(30)])
    with pytest.raises(UserError, match="All but 'None' are numbers: leave the cell empty"):
        settings_of(["None", *(str(i / 7) for i in range(30))])
    with pytest.raises(UserError, match="'x' holds times"):
        settings_of(list(pd.date_range("2024-01-01", periods=3)))


def test_a_known_scale_is_used_and_an_unknown_one_is_guessed() -> None:
    made = table(runs(lr=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6], wide=[1, 10, 100, 1, 10, 100]), config=["lr", "wide"])
    assert (made.setting_scale("lr"), made.setting_scale("wide")) == ("linear", "log")
    known = replace(made, scales={"lr": "log", "wide": "linear"})
    assert (known.setting_scale("lr"), known.setting_scale("wide")) == ("log", "linear")


def test_a_setting_drawn_evenly_from_zero_to_one_is_linear() -> None:
    """It spans more than a decade, as one that is drawn evenly on the log scale does."""
    rng = np.random.default_rng(0)
    even, log = rng.random(60), 10 ** rng.uniform(-4, -1, 60)
    made = table(pd.DataFrame({"dropout": even, "lr": log, "loss": rng.random(60)}), config=["dropout", "lr"])
    assert even.max() > 10 * even.min()
    assert (made.setting_scale("dropout"), made.setting_scale("lr")) == ("linear", "log")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"config": "lr"}, r"must be lists of columns, such as .*; got 'lr'"),
        ({"config": []}, "must name a column each"),
        ({"config": ["lrr"]}, r"no column named 'lrr'; did you mean 'lr'\? the columns are \['lr', 'loss', 'seed'\]"),
        ({"config": ["lr", "loss"]}, "'loss' is the objective"),
        ({"config": ["lr", "seed"], "seed": "seed"}, "'seed' is the seed"),
        ({"direction": "down"}, "a direction must be one of"),
        ({"direction": {"acc": "maximize"}}, r"\['loss'\] have none"),
        ({"objective": "seed"}, "'seed' holds 'a'"),
        ({"failed": "acc < 1"}, "names 'acc'"),
        ({"state": "status"}, "no column named 'status'"),
    ],
)
def test_a_mistake_is_refused_with_the_columns(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        table(runs(seed=list("abcdef")), **given)


def test_an_empty_frame_and_repeated_names_are_refused() -> None:
    with pytest.raises(UserError, match="at least one run"):
        table(runs().head(0))
    with pytest.raises(UserError, match=r"distinct names; \['lr'\] are repeated"):
        table(pd.concat([runs(), runs()[["lr"]]], axis=1))


def test_nuisance_settings_vary_but_are_not_asked_about() -> None:
    frame = runs(width=[1, 2, 3, 4, 5, 6], depth=2)
    made = table(frame, config=["lr", "width"], nuisance=["width", "depth"])
    assert (made.scientific, made.nuisance) == (("lr",), ("width",))
    assert made.fixed == {"depth": 2}


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


def test_known_effects_are_found_in_foreign_runs() -> None:
    """In 60 configs × 2 seeds adam halves the loss and keeps runs from failing; momentum does nothing."""
    rng = np.random.default_rng(0)
    n = 60
    configs = pd.DataFrame({"opt": rng.permutation(["sgd", "adam"] * (n // 2)), "momentum": rng.random(n)})
    frame = configs.loc[np.repeat(np.arange(n), 2)].reset_index(drop=True)
    adam = (frame["opt"] == "adam").to_numpy()
    frame["loss"] = np.exp(1 - np.log(2) * adam + 0.1 * rng.standard_normal(2 * n))
    frame.loc[rng.random(2 * n) < np.where(adam, 0.02, 0.5), "loss"] = np.nan
    made = table(frame, config=["opt", "momentum"], failed="loss is missing", evidence="designed")
    (fewer,) = (claim for claim in analysis.explain(made, ("failed", "loss")) if (claim.setting, claim.outcome) == ("opt", "failed"))
    assert fewer.effect < -0.3
    assert fewer.family_low < fewer.high < 0
    (lower,) = (claim for claim in analysis.explain(made, ("failed", "loss")) if (claim.setting, claim.outcome) == ("opt", "loss"))
    assert lower.low < 0.5 < lower.high
    assert {claim.evidence for claim in (fewer, lower)} == {"designed"}
    assert analysis.rank(made, "loss")["opt"].iloc[0] == "adam"


def test_a_report_of_foreign_runs_says_how_they_were_read(tmp_path: Path) -> None:
    made = table(runs(loss=BAD), failed="loss > 250")
    page = analysis.report(made, tmp_path / "r.html", objective="loss").read_text()
    assert all(escape(note) in page for note in made.notes)
    assert "healthy" not in page


def test_a_frame_is_no_table_and_the_message_says_how_to_make_one(tmp_path: Path) -> None:
    made = table(runs())
    assert as_table(made) is made
    with pytest.raises(UserError, match=r"needs an analysis.TrialTable; got a DataFrame. Make one with analysis.TrialTable.from_frame"):
        analysis.report(runs(), tmp_path / "r.html")  # type: ignore[arg-type]  # the mistake of the test
    with pytest.raises(UserError, match=r"got a str. Make one with open_study\(folder\).table\(\), or TrialTable.from_frame"):
        as_table("runs/digits")
