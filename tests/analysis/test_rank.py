from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from analysis.rank import rank
from analysis.table import TrialTable

Stage = Callable[..., TrialTable]


def with_fd(table: TrialTable, fd: list[float]) -> TrialTable:
    final = table.final.copy()
    final["fd"] = np.asarray(fd, dtype=float)
    return replace(table, final=final)


def safe(stage: Stage, n_configs: int, n_seeds: int, **kwargs: Any) -> TrialTable:
    return stage(n_configs, n_seeds, risk=lambda knobs: 0.0, **kwargs)


def test_by_eye(stage: Stage) -> None:
    table = with_fd(safe(stage, 3, 2), [40, 40 * 1.21, 10, 12.1, 20, 24.2])
    found = rank(table)
    assert found["config_id"].tolist() == ["c01", "c02", "c00"]
    assert found["mean"].tolist() == pytest.approx([11, 22, 44])
    assert found[["place", "place_low", "place_high"]].to_numpy().tolist() == [[1, 1, 1], [2, 2, 2], [3, 3, 3]]
    assert found["n"].tolist() == [2, 2, 2]
    assert {"r1", "loss"} <= set(found.columns)
    assert "factor" in found.attrs["note"]


def test_a_lucky_seed_does_not_lead(stage: Stage) -> None:
    table = with_fd(safe(stage, 3, 3), [9.9, 0.1, 0.1, 10, 11, 12, 20, 30, 26])
    table = table.where(np.array([True, False, False] + [True] * 6))  # c00: a single seed, and the least fd
    found = rank(table)
    assert found["config_id"].tolist()[0] == "c01"
    assert found.loc[1, "config_id"] == "c00"
    assert found.loc[1, "high"] > found.loc[0, "high"]  # type: ignore[arg-type, operator]
    assert found.loc[1, "place_low"] == 1


def test_dead_runs_are_never_ranked_on_their_survivors(stage: Stage) -> None:
    table = with_fd(safe(stage, 3, 2), [1, 1.1, 10, 12, 20, 22])
    found = rank(replace(table, ended=np.array(["dead"] + ["budget"] * 5), outcome=np.array(["diverged"] + ["healthy"] * 5)))
    assert found["config_id"].tolist() == ["c01", "c02", "c00"]
    last = found.iloc[-1]
    assert (last["n"], last["n_dead"], last["mean"], last["place"], last["place_low"], last["fail_rate"]) == (
        1,
        1,
        pytest.approx(1.1),
        3,
        3,
        0.5,
    )


def test_runs_cut_short_have_no_place_and_errors_no_row(stage: Stage) -> None:
    table = safe(stage, 4, 2)
    ended = ["scheduler"] * 2 + ["error"] * 2 + ["budget"] * 4
    found = rank(replace(table, ended=ended, outcome=["healthy"] * 2 + [""] * 2 + ["healthy"] * 4))  # type: ignore[arg-type]
    assert sorted(found["config_id"]) == ["c00", "c02", "c03"]
    assert found.set_index("config_id").loc["c00", ["mean", "place"]].isna().all()


def test_one_seed_each_says_why_there_is_no_interval(stage: Stage) -> None:
    found = rank(safe(stage, 5, 1))
    assert found[["low", "high", "place_low", "place_high"]].isna().all(axis=None)
    assert found["place"].tolist() == [1, 2, 3, 4, 5]
    assert "one seed each: no spread to measure" in found.attrs["note"]


def test_more_is_better_where_the_metric_says_so(stage: Stage) -> None:
    found = rank(safe(stage, 6, 3), by="coverage")
    assert found["low"].is_monotonic_decreasing
    with pytest.raises(ValueError, match="fid"):
        rank(stage(2, 1), by="fid")


def test_places_cover(stage: Stage) -> None:
    """The true place of each config lies in its interval, nearly always, over 40 staged studies of 8 configs x 3 seeds."""
    covered = []
    for seed in range(40):
        table = safe(stage, 8, 3, seed=seed, config_sd=0.0, log_fd=lambda knobs: np.log(knobs["d.lr"]) / 5)
        truth = np.log(table.knobs["d.lr"]).groupby(table.config_id).first().rank()
        found = rank(table, seed=seed).set_index("config_id")
        covered += [found.loc[c, "place_low"] <= truth[c] <= found.loc[c, "place_high"] for c in truth.index]
    assert np.mean(covered) > 0.93
