from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import analysis
from analysis import Direction, TrialTable, explain, rank
from ganstudy import UserError

Stage = Callable[..., TrialTable]


def test_evidence_failures_and_fixed_settings(stage: Stage) -> None:
    table = stage(2, 2)
    table = replace(table, ended=np.array(["budget", "dead", "error", ""]), outcome=np.array(["healthy", "diverged", "", ""]))
    assert table.evidence.tolist() == [True, True, False, False]
    assert table.failed.tolist() == [False, True, False, False]
    assert np.isfinite(table.at_end("fd")).tolist() == [True, False, False, False]  # a dead trial has no final value
    assert table.fixed == {"data.name": "digits", "arch": "dcgan"}
    assert (table.scale("fd"), table.scale("coverage")) == ("log", "linear")


def test_trials_that_are_no_evidence_do_not_change_the_scale(stage: Stage) -> None:
    table = stage(16, 2, risk=lambda k: 0.0)
    fd = table.final["fd"].to_numpy().copy()
    fd[0] = -1.0
    negative = replace(table, final=table.final.assign(fd=fd))
    assert negative.scale("fd") == "linear"
    for ended in ("error", ""):
        unknown = replace(
            negative, ended=np.where(np.arange(32) == 0, ended, table.ended), outcome=np.where(np.arange(32) == 0, "", table.outcome)
        )
        assert unknown.scale("fd") == "log"
        assert rank(unknown, "fd").attrs["scale"] == explain(unknown, "fd")[0].scale == "log"


def test_a_fixed_setting_has_one_value_wherever_it_is_active(stage: Stage) -> None:
    """A setting of a trick that is on in some trials can be fixed. A setting that only some variants set cannot."""
    table = stage(4, 1)
    columns: dict[str, Any] = {"r1.interval": 16.0, "update": "alternating", "lookahead.k": np.nan, "g.kernel": np.nan, "packing": np.nan}
    settings = table.settings.assign(**columns)
    settings["r1.interval"] = settings["r1.interval"].where(settings["r1"])
    settings["packing"] = settings["packing"].astype(object)
    values: dict[str, Any] = {"update": "lookahead", "lookahead.k": 5, "g.kernel": 3, "packing": True}
    for name, value in values.items():
        settings.loc["t001", name] = value
    assert table.settings["r1"].nunique() == 2
    fixed = replace(table, settings=settings).fixed
    assert fixed == {"data.name": "digits", "arch": "dcgan", "r1.interval": 16.0, "lookahead.k": 5}


def test_a_selection_is_a_table_of_the_same_study(stage: Stage) -> None:
    table = stage(4, 3)
    part = table.where(table.outcome == "healthy")
    assert len(part) == (table.outcome == "healthy").sum() > 0
    assert list(part.settings.index) == list(part.trial_id) == list(part.final.index)
    assert part.curves["fd"].shape == part.images.shape == (len(part), 6)
    assert part.scientific == table.scientific


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": [0]}, "one value per trial"),
        ({"trial_id": ["a", "a"]}, "unique"),
        ({"images": [[1.0]]}, "shape"),
        ({"curves": {"fd": np.zeros((2, 1))}}, "curve 'fd'"),
        ({"trial_id": ["a", "b"]}, "indexed by trial_id"),
        ({"outcome": ["fine", "healthy"]}, "outcome must be among .* got \\['fine'\\]"),
        ({"ended": ["stopped", "dead"]}, "ended must be among"),
        ({"directions": {"fd": "low"}}, "a direction must be one of .* got 'low'"),
        ({"scientific": ("r11",)}, "r11"),
    ],
)
def test_an_inconsistent_table_is_rejected(stage: Stage, change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        replace(stage(2, 1), **change)


@pytest.mark.parametrize(
    "ask",
    [
        analysis.expected_best,
        analysis.explain,
        analysis.importance,
        analysis.optuna_importance,
        analysis.rank,
        lambda frame: analysis.feasibility(frame, ()),
        lambda frame: analysis.pareto(frame, "fd", "coverage"),
        lambda frame: analysis.together({"one": frame}),
    ],
)
def test_a_frame_in_place_of_a_table_is_refused_with_how_to_make_one(ask: Callable[[Any], object]) -> None:
    with pytest.raises(UserError, match=r"needs an analysis.TrialTable; got a DataFrame. Make one with analysis.TrialTable.from_frame"):
        ask(pd.DataFrame({"fd": [1.0], "coverage": [0.5]}))


@pytest.mark.parametrize("ask", ["at_end", "scale", "direction"])
def test_an_unknown_metric_is_rejected_with_the_nearest_or_what_lists_them(stage: Stage, ask: str) -> None:
    table = stage(2, 1)
    with pytest.raises(UserError, match=r"no metric named 'fid'; did you mean 'fd'\?"):
        getattr(table, ask)("fid")
    with pytest.raises(UserError, match=r"no metric named 'quux'; there are \['coverage', 'fd'\]"):
        getattr(table, ask)("quux")
    with pytest.raises(UserError, match=r"no metric named \['fd', 'coverage'\]"):
        getattr(table, ask)(["fd", "coverage"])
    wide = replace(table, final=table.final.assign(**{f"d/signal_{i}": 1.0 for i in range(60)}))
    with pytest.raises(UserError, match=r"'quux'; `ganstudy list metrics` and `ganstudy list signals` print all$"):
        getattr(wide, ask)("quux")


def test_directions_may_be_plain_words(stage: Stage) -> None:
    words: Any = {"fd": "minimize", "coverage": "maximize"}
    table = replace(stage(2, 1), directions=words)
    assert table.directions == {"fd": Direction.MINIMIZE, "coverage": Direction.MAXIMIZE}
    assert (table.direction("fd").sign, table.direction("coverage").sign) == (1, -1)
