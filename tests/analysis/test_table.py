from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from analysis.table import TrialTable

Stage = Callable[..., TrialTable]


def test_what_counts_what_failed_and_what_was_fixed(stage: Stage) -> None:
    table = stage(2, 2)
    table = replace(table, ended=np.array(["budget", "dead", "error", ""]), outcome=np.array(["healthy", "diverged", "", ""]))
    assert table.evidence.tolist() == [True, True, False, False]
    assert table.failed.tolist() == [False, True, False, False]
    assert np.isfinite(table.at_end("fd")).tolist() == [True, False, False, False]  # nothing is invented for a dead run
    assert table.fixed == {"data.name": "digits", "arch": "dcgan"}
    assert (table.scale("fd"), table.scale("coverage")) == ("log", "linear")


def test_fixed_is_what_has_one_value_wherever_it_lives(stage: Stage) -> None:
    """A knob of what is on in some trials only counts; a setting that others leave to its default, or a switch of some variants, does not."""
    table = stage(4, 1)
    knobs = table.knobs.assign(
        **{"r1.interval": 16.0, "update": "alternating", "lookahead.k": np.nan, "g.kernel": np.nan, "packing": np.nan}  # type: ignore[arg-type]
    )
    knobs["r1.interval"] = knobs["r1.interval"].where(knobs["r1"])
    knobs["packing"] = knobs["packing"].astype(object)
    for setting, value in {"update": "lookahead", "lookahead.k": 5, "g.kernel": 3, "packing": True}.items():
        knobs.loc["t001", setting] = value  # type: ignore[call-overload]
    assert table.knobs["r1"].nunique() == 2
    fixed = replace(table, knobs=knobs).fixed
    assert fixed == {"data.name": "digits", "arch": "dcgan", "r1.interval": 16.0, "lookahead.k": 5}


def test_a_part_is_a_table_of_the_same_study(stage: Stage) -> None:
    table = stage(4, 3)
    part = table.where(table.outcome == "healthy")
    assert len(part) == (table.outcome == "healthy").sum() > 0
    assert list(part.knobs.index) == list(part.trial_id) == list(part.final.index)
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
        ({"better": {"fd": "low"}}, "better must be among"),
        ({"scientific": ("r11",)}, "r11"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(stage: Stage, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(stage(2, 1), **change)


@pytest.mark.parametrize("ask", ["at_end", "scale", "direction"])
def test_an_unknown_metric_is_refused_with_the_known_ones(stage: Stage, ask: str) -> None:
    with pytest.raises(ValueError, match=r"'fid'.*\['coverage', 'fd'\]"):
        getattr(stage(2, 1), ask)("fid")
