"""Columns of foreign runs as settings."""

from dataclasses import replace

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
