"""Columns of foreign runs as settings."""

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from foreign_runs import labels, runs, settings_of, table

from ganstudy import UserError


def test_settings_are_read_as_what_they_are() -> None:
    assert settings_of([1, 2, 3]).tolist() == [1, 2, 3]
    assert settings_of(["0.1", "1e-4", "0.1"]).tolist() == [0.1, 1e-4, 0.1]  # numbers written as texts
    assert settings_of(["True", "false", "TRUE"]).tolist() == [True, False, True]
    assert settings_of([True, None, False]).tolist()[::2] == [True, False]
    assert settings_of([0, 1, 1]).tolist() == [0, 1, 1]
    assert settings_of([[1, 2], [1, 2], [3]]).tolist() == ["[1, 2]", "[1, 2]", "[3]"]
    assert settings_of([64.0, np.nan, 32.0]).isna().tolist() == [False, True, False]


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
    assert "Each distinct value of setting 'gamma' is a choice, since not all are numbers: 'scale', 0.1, 0.5." in made.notes
    texts = table(runs(width=["8", "64", "auto", "16", "8", "64"]), config=["width"])  # as in a CSV
    assert labels(texts, "width") == ["8", "64", "auto", "16"]
    assert "Each distinct value of setting 'width' is a choice, since not all are numbers: 'auto', '8', '64', …." in texts.notes
    assert any("'1,024'" in note for note in table(runs(width=["1,024", "256"] * 3), config=["width"]).notes)
    assert any("'1,024'" in note for note in table(runs(width=["1,024", "2,048"] * 3), config=["width"]).notes)
    assert not any("choice" in note for note in table(runs(loss_of=["mse", "l1"] * 3), config=["loss_of"]).notes)


def test_texts_have_no_outer_spaces() -> None:
    assert labels(table(runs(of=["hinge ", "hinge", " l1", "l1", "l1", "hinge"]), config=["of"]), "of") == ["hinge", "l1"]


def test_values_that_several_runs_share_are_choices_however_many() -> None:
    assert len(labels(table(pd.DataFrame({"x": [f"model {i % 24}" for i in range(120)], "loss": 1.0}), config=["x"]), "x")) == 24
    assert settings_of([f"name {i}" for i in range(5)]).nunique() == 5  # few are choices in any case
    shared = [f"model {i}" for i in range(4)] * 2
    assert settings_of([*shared, *(f"own {i}" for i in range(4))]).nunique() == 8
    with pytest.raises(UserError, match="has 9 distinct texts in 13 runs, 5 of them in one run only"):
        settings_of([*shared, *(f"own {i}" for i in range(5))])


def test_a_categorical_is_a_choice_whatever_it_holds() -> None:
    unused = pd.Categorical([8, 16] * 4, categories=[8, 16, 32, 64, 128, 256])
    assert settings_of(unused).tolist() == [8, 16] * 4
    assert settings_of(pd.Categorical([f"name {i}" for i in range(30)])).nunique() == 30
    assert settings_of(pd.Categorical(["2024-01-01", "2024-02-01"] * 2)).nunique() == 2


@pytest.mark.parametrize(
    "values",
    [
        list(pd.date_range("2024-01-01", periods=3)),
        [date(2024, 1, 1), None, date(2024, 1, 2)],
        ["2024-01-01", "2024-01-02", None],
        ["2024-01-01T10:00:00.000Z", "2024-01-01 10:06", "2024-01-01"],
        pd.to_timedelta([1, 2, 3], unit="h"),
        np.array(["2024-01-01", "2024-01-02"], dtype="datetime64[D]"),
    ],
)
def test_times_are_no_settings(values: Any) -> None:
    with pytest.raises(UserError, match=r"'x' holds times. Leave the column out, or write it as a number. .* pandas Categorical"):
        settings_of(values)


def test_a_column_of_names_is_not_a_setting() -> None:
    with pytest.raises(
        UserError,
        match=r"column 'x' has 30 distinct texts in 30 runs, 30 of them in one run only, such as 'run 0', .* It looks like a name",
    ):
        settings_of([f"run {i}" for i in range(30)])
    with pytest.raises(UserError, match="All but 'None' are numbers: leave the cell empty"):
        settings_of(["None", *(str(i / 7) for i in range(30))])


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
