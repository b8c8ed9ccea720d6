"""study.store.best on simulated tables; tests/study/test_cli.py has it on recorded studies."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from phased import made

from analysis import TrialTable, pareto, rank
from ganstudy import UserError
from ganstudy.limits import limits_of
from study.store.best import best_trials, configs_where

Stage = Callable[..., TrialTable]


def best(
    table: TrialTable,
    n: int | None = None,
    *,
    by: Sequence[str] = ("fd",),
    limits: Mapping[str, str] = {},
    where: str | None = None,
    min_seeds: int = 3,
) -> list[str]:
    return best_trials(
        table, lambda: table.final.assign(outcome=table.outcome), n, by=by, limits=limits_of(limits), where=where, min_seeds=min_seeds,
        folder=Path("runs/x"),
    )  # fmt: skip


def configs_of(table: TrialTable, trials: list[str]) -> list[str]:
    return [str(table.config_id[table.trial_id == trial][0]) for trial in trials]


def grid(fd: Sequence[float], coverage: Sequence[float], stage: Stage) -> TrialTable:
    """Configs of three trials each with nearly these values."""
    table = stage(len(fd), 3, risk=lambda config: 0.0)
    noise = 1 + 0.001 * np.random.default_rng(1).standard_normal((2, 3 * len(fd)))
    return replace(table, final=table.final.assign(fd=np.repeat(fd, 3) * noise[0], coverage=np.repeat(coverage, 3) * noise[1]))


def test_the_best_of_two_objectives_are_the_front_sorted_by_the_probability_of_being_on_it(stage: Stage) -> None:
    table = grid([10.0, 20, 30, 25, 40, 50], [0.2, 0.5, 0.9, 0.4, 0.8, 0.1], stage)
    found = configs_of(table, best(table, by=("fd", "coverage")))
    assert sorted(found) == ["c00", "c01", "c02"]
    assert found == pareto(table, "fd", "coverage")["config_id"].tolist()[:3]
    assert configs_of(table, best(table, 2, by=("fd", "coverage"))) == found[:2]
    assert configs_of(table, best(table, 3, by=("coverage",))) == ["c02", "c04", "c01"]


def test_a_config_beyond_a_limit_is_never_among_the_best(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    table = grid([10.0, 20, 30, 25, 40, 50], [0.2, 0.5, 0.9, 0.4, 0.8, 0.1], stage)
    limits = {"coverage": ">= 0.45"}
    assert configs_of(table, best(table, limits=limits)) == ["c01"]
    assert "3 of 6 configs are left out, by coverage >= 0.45 (3)" in caplog.text
    assert sorted(configs_of(table, best(table, by=("fd", "coverage"), limits=limits))) == ["c01", "c02"]
    below = {"coverage": "<= 0.6"}
    assert sorted(configs_of(table, best(table, by=("fd", "coverage"), limits=below))) == ["c00", "c01"]
    dominated = {"fd": ">= 24"}  # the configs that dominate the others are left out, so these are on the front
    assert sorted(configs_of(table, best(table, by=("fd", "coverage"), limits=dominated))) == ["c02", "c03"]


def test_without_a_config_that_keeps_to_the_constraints_there_is_no_best(stage: Stage) -> None:
    table = grid([10.0, 20], [0.2, 0.5], stage)
    for by in (("fd",), ("fd", "coverage")):
        with pytest.raises(UserError, match=r"2 of 2 configs are left out, by coverage >= 0.9 \(2\)\. Relax"):
            best(table, by=by, limits={"coverage": ">= 0.9", "failed": "<= 0.5"})


def test_the_best_configs_are_those_of_the_ranking_each_as_the_median_of_its_trials_that_did_not_fail(stage: Stage) -> None:
    table = stage(12, 4)
    config_of = dict(zip(table.trial_id, table.config_id, strict=True))
    found = best(table, 12)
    ranked = rank(table, "fd")
    assert [config_of[trial] for trial in found] == ranked["config_id"].tolist()
    for trial in found:
        mine = table.config_id == config_of[trial]
        alive = table.final["fd"].to_numpy()[mine & ~table.failed]
        values = alive if len(alive) else table.at_end("fd")[mine]
        assert float(table.final["fd"][trial]) == np.sort(values[np.isfinite(values)])[(np.isfinite(values).sum() - 1) // 2]


def test_a_condition_filters_the_ranking_of_the_whole_study(stage: Stage) -> None:
    table = stage(12, 3, risk=lambda config: 0.0)
    first, second, *_ = (config for config in rank(table, "fd")["config_id"])
    low = table.final["coverage"].where(table.config_id != first, 0.1)
    chosen = best(replace(table, final=table.final.assign(coverage=low)), where="coverage > 0.5")
    assert table.config_id[table.trial_id == chosen[0]] == [second]
    with pytest.raises(UserError, match="of 12 configs, none meets 'coverage > 2'"):
        best(table, where="coverage > 2")


def test_after_phase_confirm_a_condition_is_about_its_trials() -> None:
    """The values by which a config was chosen are better than those of its fresh seeds."""
    table = made(
        [
            {"config": config, "seed": seed, "phase": phase, "value": value, "lr": lr}
            for config, lr, fresh in (("a", 0.1, 0.5), ("b", 0.2, 0.35))
            for seed, phase, value in (
                (0, "explore", 0.3),
                (1, "explore", 0.3),
                (2, "explore", 0.3),
                (7, "confirm", fresh),
                (8, "confirm", fresh),
            )
        ]
    )
    assert configs_where(table, table.final, "fd < 0.4") == {"b"}
    assert configs_of(table, best(table, 2, where="fd < 0.4", min_seeds=1)) == ["b"]


def test_what_is_no_condition_on_trials_is_refused(stage: Stage) -> None:
    table = stage(2, 2, risk=lambda config: 0.0)
    conditions: tuple[Any, ...] = ("", "cover > 1", "1 > 0", 3)
    for where in conditions:
        with pytest.raises(UserError, match=r"where must be (a text, )?a condition such as"):
            best(replace(table, final=table.final.assign(coverage=0.9)), where=where)


@pytest.mark.parametrize("given", [0, -1, "a", "2", 2.5, True])
def test_what_is_no_number_from_one_on_is_refused(stage: Stage, given: Any) -> None:
    table = stage(2, 2, risk=lambda config: 0.0)
    with pytest.raises(UserError, match=f"n must be a whole number, at least 1; given {given!r}"):
        best(table, given)
    with pytest.raises(UserError, match=f"min_seeds must be a whole number, at least 1; given {given!r}"):
        best(table, min_seeds=given)


def test_failed_trials_count_towards_min_seeds(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    table = stage(4, 3, risk=lambda config: 0.0)
    outcome = table.outcome.copy()
    outcome[0] = "mode_collapse"
    assert len(best(replace(table, outcome=outcome), 4)) == 4
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        assert len(best(table, 4, min_seeds=5)) == 4
    assert "no config has 5 finished trials; ranking those with 3" in caplog.text


def test_without_a_trial_at_the_end_of_its_budget_there_is_no_best(stage: Stage) -> None:
    table = stage(2, 2, risk=lambda config: 0.0)
    with pytest.raises(UserError, match="reached the end"):
        best(replace(table, ended=np.full(4, "scheduler")))
    with pytest.raises(UserError, match="finished trials"):
        best(replace(table, outcome=np.full(4, "")))
