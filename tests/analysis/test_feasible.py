"""Which configs keep to constraints, and fronts under constraints."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis import Direction, TrialTable, feasibility, pareto, rank
from analysis.pareto import front
from ganstudy import UserError
from ganstudy.limits import Limit, limits_of

Stage = Callable[..., TrialTable]


@pytest.mark.parametrize(
    ("text", "value", "excess"),
    [
        ("<= 8000", 8000.0, 0.0),
        ("<= 8000", 12000.0, 0.5),
        (">= 0.5", 0.4, 0.2),
        (">= 0.5", 1.0, -1.0),
        ("<= 0", 3.0, 3.0),
        (">= -2", -3.0, 0.5),
    ],
)
def test_the_excess_is_a_share_of_the_bound(text: str, value: float, excess: float) -> None:
    (limit,) = limits_of({"x": text})
    assert limit.excess(value) == pytest.approx(excess)
    assert limit.holds(value) == (excess <= 0)
    assert not limit.holds(float("nan"))


@settings(deadline=None, derandomize=True)
@given(st.sampled_from(["<=", ">="]), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_a_limit_holds_where_its_comparison_does(operator: str, bound: float, value: float) -> None:
    limit = Limit("x", operator, bound)  # type: ignore[arg-type]
    assert limit.holds(value) == (value <= bound if operator == "<=" else value >= bound)


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.integers(2, 4), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_the_front_is_what_no_other_point_dominates_with_any_number_of_objectives(k: int, n: int, seed: int) -> None:
    points = np.random.default_rng(seed).integers(0, 4, (3, n, k)).astype(float)  # many ties
    by_hand = [[not any((a <= b).all() and (a < b).any() for a in row) for b in row] for row in points]
    assert front(points).tolist() == by_hand


def test_the_risk_is_that_of_the_ranking(stage: Stage) -> None:
    table = stage(12, 3, risk=lambda config: 0.8 if config["r1"] else 0.0)
    found = feasibility(table, limits_of({"failed": "<= 0.3"})).configs
    ranked = rank(table).set_index("config_id")["p_fail"].reindex(found.index)
    assert found["failed <= 0.3"].tolist() == ranked.tolist()
    assert found["feasible"].tolist() == (ranked <= 0.3).tolist()
    assert 0 < found["feasible"].sum() < 12
    assert found["p_feasible"][found["feasible"]].min() > found["p_feasible"][~found["feasible"]].max() - 0.2


def test_with_one_trial_of_each_config_its_own_failure_decides(stage: Stage) -> None:
    table = stage(12, 1, risk=lambda config: 0.5)
    found = feasibility(table, limits_of({"failed": "<= 0.2"}))
    failed = dict(zip(table.config_id, table.failed, strict=True))
    assert {config: not bad for config, bad in failed.items()} == found.configs["feasible"].to_dict()
    assert found.configs["p_feasible"].isna().all()
    assert found.draws is None


def test_a_config_without_a_value_does_not_keep_to_its_limit(stage: Stage) -> None:
    table = stage(6, 3, risk=lambda config: 0.0)
    signal = np.where(table.config_id == "c00", np.nan, 1.0) + 0.01 * np.random.default_rng(0).standard_normal(18)
    table = replace(table, final=table.final.assign(**{"d/ada_p": signal}))
    found = feasibility(table, limits_of({"d/ada_p": "<= 5"})).configs
    assert found["feasible"].to_dict() == {f"c{i:02d}": i > 0 for i in range(6)}
    assert found["p_feasible"].tolist() == pytest.approx([0, 1, 1, 1, 1, 1], abs=0.02)
    nobody = feasibility(table, limits_of({"d/unknown": "<= 5"}))
    assert len(nobody.kept) == 0
    assert nobody.sentence == "6 of 6 configs are left out, by d/unknown <= 5 (6)"


def test_without_limits_all_configs_are_feasible(stage: Stage) -> None:
    found = feasibility(stage(6, 2), ())
    assert found.configs["feasible"].all()
    assert found.sentence == ""


@pytest.mark.slow
def test_the_probability_of_keeping_a_limit_is_calibrated(stage: Stage) -> None:
    """30 studies of 16 configs × 3 seeds: of the configs called likely, as many truly keep to the limit as the probability says."""
    rng = np.random.default_rng(0)
    table = stage(16, 3, risk=lambda config: 0.0)
    said, true = [], []
    for i in range(30):
        truth = rng.normal(0.5, 0.2, 16)
        table.final["coverage"] = np.repeat(truth, 3) + rng.normal(0, 0.2, 48)
        found = feasibility(table, limits_of({"coverage": ">= 0.5"}), seed=i).configs.sort_index()
        said += found["p_feasible"].tolist()
        true += (truth >= 0.5).tolist()
    said_, true_ = np.array(said), np.array(true)
    for low, high in ((0.0, 0.25), (0.25, 0.75), (0.75, 1.0)):
        group = (said_ >= low) & (said_ <= high)
        assert group.sum() > 20
        assert said_[group].mean() == pytest.approx(true_[group].mean(), abs=0.12)


@settings(max_examples=4, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 999), bound=st.floats(0.3, 0.9), seeds=st.integers(1, 3))
def test_nothing_on_the_front_is_dominated_by_what_is_feasible_or_infeasible_itself(
    stage: Stage, seed: int, bound: float, seeds: int
) -> None:
    table = stage(10, seeds, seed=seed, risk=lambda config: 0.2)
    rng = np.random.default_rng(seed)
    table.final["coverage"] = rng.uniform(0, 1, len(table))
    limits = limits_of({"coverage": f">= {bound}", "failed": "<= 0.5"})
    found = pareto(table, "fd", "coverage", limits=limits)
    on, ok = found[found["on_front"]], found[found["feasible"]]
    assert on["feasible"].all()
    assert (on["coverage"] >= bound).all()
    for _, row in on.iterrows():
        better = (
            (ok["fd"] <= row["fd"]) & (ok["coverage"] >= row["coverage"]) & ((ok["fd"] < row["fd"]) | (ok["coverage"] > row["coverage"]))
        )
        assert not better.any()
    for _, row in ok[~ok["on_front"]].iterrows():
        assert ((on["fd"] <= row["fd"]) & (on["coverage"] >= row["coverage"])).any()
    assert (found["p_front"].fillna(0) <= found["p_feasible"].fillna(1) + 1e-9).all()


def test_a_certain_front_of_three_objectives(stage: Stage) -> None:
    table = stage(4, 3, risk=lambda config: 0.0)
    noise = 1 + 0.001 * np.random.default_rng(1).standard_normal((3, 12))
    for column, (name, values) in enumerate({"fd": [1.0, 2, 3, 4], "coverage": [0.1, 0.2, 0.3, 0.3], "kid": [5.0, 5, 9, 1]}.items()):
        table.final[name] = np.repeat(values, 3) * noise[column]
    table = replace(table, directions={**table.directions, "kid": Direction.MINIMIZE})
    found = pareto(table, "fd", "coverage", "kid").set_index("config_id").sort_index()
    assert found["p_front"].tolist() == pytest.approx([1, 1, 1, 1], abs=0.05)
    two = pareto(table, "coverage", "kid").set_index("config_id").sort_index()
    assert two["on_front"].tolist() == [False, False, False, True]


@pytest.mark.parametrize("wrong", [{"coverage": ">= 0.5"}, "coverage >= 0.5", ["coverage >= 0.5"]])
def test_what_is_no_limit_is_refused_with_how_to_make_one(stage: Stage, wrong: Any) -> None:
    with pytest.raises(UserError, match=r"limits_of\(\{'coverage': '>= 0.5'\}\); given"):
        feasibility(stage(4, 2), wrong)


def test_one_metric_is_no_front(stage: Stage) -> None:
    with pytest.raises(UserError, match="needs two different metrics, or more; given fd"):
        pareto(stage(4, 2), "fd")
