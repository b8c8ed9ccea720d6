"""Which intervals of a config's value are shown: none over so many powers of ten that it tells nothing, and none beyond a metric's range."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from phased import made

from analysis import TrialTable, pareto, plots, rank
from analysis.interval import as_shown, note, ranking_as_shown, shown, too_few
from analysis.winner import winner

Stage = Callable[..., TrialTable]


def race(**values: list[float]) -> TrialTable:
    """fd of each fresh seed of confirmed configs."""
    rows: list[dict[str, Any]] = [
        {"config": config, "seed": seed, "phase": "confirm", "value": value, "lr": 0.1 * i}
        for i, (config, mine) in enumerate(values.items())
        for seed, value in enumerate(mine)
    ]
    return made(rows)


@pytest.mark.parametrize(
    ("ends", "metric", "scale", "said"),
    [
        ((1.0, 100.0), "fd", "log", (1.0, 100.0)),
        ((1.0, 101.0), "fd", "log", (np.nan, np.nan)),
        ((0.0, 1.0), "fd", "log", (np.nan, np.nan)),
        ((np.nan, np.nan), "fd", "log", (np.nan, np.nan)),
        ((-0.2, 0.7), "coverage", "linear", (0.0, 0.7)),
        ((0.8, 1.1), "coverage", "linear", (0.8, 1.0)),
        ((-0.2, 1.1), "coverage", "linear", (np.nan, np.nan)),
        ((-1.0, 5.0), "modes", "linear", (0.0, 5.0)),
        ((-1e6, 1e6), "a signal", "linear", (-1e6, 1e6)),
    ],
)
def test_the_ends_that_are_shown(ends: tuple[float, float], metric: str, scale: Any, said: tuple[float, float]) -> None:
    assert shown(*ends, metric, scale) == pytest.approx(said, nan_ok=True)


def test_a_winner_with_two_seeds_has_no_interval_of_many_powers_of_ten() -> None:
    table = race(c0=[0.001, 9.0])
    low, high = rank(table, "fd")[["low", "high"]].to_numpy(dtype=np.float64)[0]
    assert high > 100 * low, "the case is the one that is meant"
    said = winner(table, ["fd"])
    assert "if a run does not fail (2 seeds tell too little for an interval)" in said
    assert "95 % interval" not in said


def test_only_seeds_with_a_value_count_as_seeds_of_an_interval() -> None:
    table = race(c0=[0.001, 9.0, 0.3])
    table = replace(table, own_failures=np.array([False, False, True]))
    assert "2 seeds tell too little for an interval" in winner(table, ["fd"])


def test_a_narrow_interval_is_told() -> None:
    assert "(95 % interval " in winner(race(c0=[0.10, 0.11, 0.12], c1=[0.2, 0.22, 0.21]), ["fd"])


def test_a_ranking_says_why_an_interval_is_missing() -> None:
    wide = ranking_as_shown(rank(race(c0=[0.001, 9.0]), "fd"))
    assert wide["untold"].all()
    assert wide[["low", "high"]].isna().all(axis=None)
    assert note(wide) == "A dash in place of an interval: 2 seeds tell too little for an interval"
    assert note(ranking_as_shown(rank(race(c0=[0.10, 0.11, 0.12]), "fd"))) == ""
    assert too_few(1) == "1 seed tells too little for an interval"


def test_no_figure_stretches_to_an_interval_that_tells_nothing() -> None:
    table = race(c0=[0.001, 9.0])
    drawn = plots.ranking(rank(table, "fd"), table)
    assert np.isnan(drawn.data[0].error_x.array).all()
    assert np.isfinite(drawn.data[0].x).all()


def test_a_front_cuts_its_intervals_to_the_ranges_of_its_metrics(stage: Stage) -> None:
    table = stage(6, 3)
    final = table.final.assign(coverage=np.tile([0.99, 1.0, 0.8], 6))
    table = replace(table, final=final, directions={**table.directions, "coverage": "maximize"})  # type: ignore[dict-item]
    front = pareto(table, "fd", "coverage")
    assert front["coverage_high"].max() > 1
    cut = as_shown(front, [("fd", "log", "fd_low", "fd_high"), ("coverage", "linear", "coverage_low", "coverage_high")])
    assert cut["coverage_high"].max() == 1
    points = plots.pareto_front(front, table).data[0]
    assert (points.y + points.error_y.array)[np.isfinite(points.error_y.array)].max() <= 1 + 1e-9


def test_no_estimate_is_shown_beyond_the_range_of_its_metric() -> None:
    found = rank(race(c0=[0.2, 0.3], c1=[0.3, 0.2]), "fd")
    found.attrs |= {"by": "coverage", "scale": "linear"}
    found["estimate"] = [-1e-7, 1.0 + 1e-7]
    assert ranking_as_shown(found)["estimate"].tolist() == [0.0, 1.0]
