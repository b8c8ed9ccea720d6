"""Foreign runs as tables: what is a config, a seed, a mistake."""

from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from foreign_runs import runs, table

import analysis
from analysis import Direction
from analysis.table import as_table
from ganstudy import UserError


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


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"config": "lr"}, r"config must list columns by their names, such as .*; got 'lr'"),
        ({"config": ["lr", 1]}, r"config must list columns by their names, such as .*; got \['lr', 1\]"),
        ({"objective": 1}, r"objective must list columns by their names, such as objective='loss' or .*; got 1"),
        ({"direction": ["minimize"]}, r"or a dict with one for each objective; got \['minimize'\]"),
        ({"seed": 3}, "seed must be the name of a column; got 3"),
        ({"failed": runs()["loss"] > 3}, "failed must be the name of a column or a condition, such as .*; got a value of type Series"),
        ({"config": []}, "must name a column each"),
        ({"config": ["lrr"]}, r"no column named 'lrr'; did you mean 'lr'\? the columns are \['lr', 'loss', 'seed'\]"),
        ({"config": ["lr", "loss"]}, "'loss' is the objective"),
        ({"config": ["lr", "seed"], "seed": "seed"}, "'seed' is the seed"),
        ({"direction": "down"}, "a direction must be one of"),
        ({"direction": {"acc": "maximize"}}, r"\['loss'\] have none"),
        ({"objective": "seed"}, "'seed' holds 'a'"),
        ({"failed": "acc < 1"}, "no column is called 'acc'"),
        ({"state": "status"}, "no column named 'status'"),
    ],
)
def test_a_mistake_is_refused_with_the_columns(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        table(runs(seed=list("abcdef")), **given)


def test_an_objective_holds_numbers_and_the_first_other_value_is_named() -> None:
    with pytest.raises(UserError, match="'loss' holds 'oops'"):
        table(runs(loss=["none ", "1", "oops", "2", "3", "4"]))
    with pytest.raises(UserError, match=r"'loss' holds '\[1\.\]'"):
        table(runs(loss=[np.array([1.0])] * 6))
    assert table(runs(loss=[np.array(1.0)] * 6)).at_end("loss").tolist() == [1.0] * 6


def test_what_is_no_frame_is_refused() -> None:
    with pytest.raises(UserError, match="runs must be a pandas DataFrame with a row per run; got a value of type list"):
        table([{"lr": 0.1, "loss": 1.0}])  # type: ignore[arg-type]  # the mistake of the test


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
    made = table(runs(loss=[1.0, 300.0, np.nan, np.inf, 260.0, 2.0]), failed="loss > 250")
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
