"""Curves of ranges against simulated curves with a known optimum."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis import TrialTable, explain
from analysis.shape import Shape, shapes

Stage = Callable[..., TrialTable]
LOW, HIGH = np.log(1e-5), np.log(1e-3)


def along(config: Any) -> float:
    """The position of a learning rate on its range, from 0 to 1."""
    return float((np.log(config["d.lr"]) - LOW) / (HIGH - LOW))


def shape_of(table: TrialTable, setting: str = "d.lr", outcome: str = "fd") -> Shape:
    (found,) = (shape for shape in shapes(explain(table, ("failed", "fd")), outcome) if shape.setting == setting)
    return found


@pytest.mark.parametrize("optimum", [0.3, 0.5, 0.7])
def test_a_valley_is_found_with_its_optimum(stage: Stage, optimum: float) -> None:
    table = stage(80, 2, seed=3, risk=lambda config: 0.0, log_fd=lambda config: 12 * (along(config) - optimum) ** 2)
    found = shape_of(table)
    assert found.form == "valley"
    assert not found.at_edge
    assert (np.log(found.best) - LOW) / (HIGH - LOW) == pytest.approx(optimum, abs=0.08)
    assert found.log_axis
    assert "has a valley" in found.sentence


@pytest.mark.parametrize(("slope", "form", "end"), [(2.0, "rising", 1e-5), (-2.0, "falling", 1e-3)])
def test_a_slope_is_best_at_an_end(stage: Stage, slope: float, form: str, end: float) -> None:
    found = shape_of(stage(60, 2, seed=4, risk=lambda config: 0.0, log_fd=lambda config: slope * along(config)))
    assert (found.form, found.at_edge) == (form, True)
    assert found.best == pytest.approx(end, rel=0.25)
    assert "a better value may lie beyond" in found.sentence


def test_a_hill_of_a_maximized_metric_is_best_inside(stage: Stage) -> None:
    table = stage(80, 2, seed=5, risk=lambda config: 0.0)
    coverage = np.array([0.9 - (along(config) - 0.6) ** 2 for _, config in table.settings.iterrows()])
    noisy = coverage + 0.01 * np.random.default_rng(0).standard_normal(len(coverage))
    table = replace(table, final=table.final.assign(coverage=noisy))
    (found,) = (s for s in shapes(explain(table, ("failed", "coverage")), "coverage") if s.setting == "d.lr")
    assert (found.form, found.at_edge) == ("hill", False)
    assert (np.log(found.best) - LOW) / (HIGH - LOW) == pytest.approx(0.6, abs=0.05)


@pytest.mark.slow
def test_bands_hold_the_truth_and_nothing_is_flat(stage: Stage) -> None:
    """The band of 60 studies holds the true curve at its quarters in about 95 %; a shape is seen in nothing in about 5 %."""
    inside, flat = [], []
    for seed in range(60):
        valley = shape_of(stage(24, 2, seed=seed, risk=lambda config: 0.0, log_fd=lambda config: 4 * (along(config) - 0.5) ** 2))
        for position in (0.25, 0.5, 0.75):
            i = int(np.argmin(np.abs(np.log(valley.at) - (LOW + position * (HIGH - LOW)))))
            inside.append(valley.low[i] <= np.exp(2 + 4 * (position - 0.5) ** 2) <= valley.high[i])
        flat.append(shape_of(stage(24, 2, seed=1000 + seed, risk=lambda config: 0.0)).form == "flat")
    assert np.mean(inside) >= 0.91
    assert np.mean(flat) >= 0.87


def test_a_conditional_range_is_evaluated_where_it_lives(stage: Stage) -> None:
    def worse(config: Any) -> float:
        return 0.8 * np.log(config["r1.gamma"]) if config["r1"] else 5.0

    table = stage(60, 2, seed=6, risk=lambda config: 0.0, log_fd=worse)
    found = shape_of(table, "r1.gamma")
    assert (found.form, found.at_edge) == ("rising", True)
    assert found.expected.max() < np.exp(2 + 4)  # the runs without r1 are far above
    assert np.isnan(found.values).sum() == 30


def test_risks_stay_between_0_and_1_and_a_study_without_curves_has_none(stage: Stage) -> None:
    found = shape_of(stage(40, 2, risk=lambda config: float(along(config) > 0.5)), outcome="failed")
    assert found.form == "rising"
    for values in (found.low, found.expected, found.high):
        assert (values >= 0).all()
        assert (values <= 1).all()
    assert shapes(explain(stage(2, 1), ("failed", "fd")), "fd") == []
    table = stage(8, 1)
    assert shapes(explain(replace(table, scientific=(), nuisance=()), ("failed", "fd")), "failed") == []


def test_a_curve_is_an_average_over_a_sample_of_the_other_setting() -> None:
    """The effects of x and of y depend on each other and are 0 on average: curves adjusted for that would have a form in 4 of 10 cases."""
    forms = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        frame = pd.DataFrame({"x": rng.random(60), "y": rng.random(60)})
        frame["fid"] = np.exp(rng.normal(0, 0.15, 60) + 12 * (frame.x - 0.5) * (frame.y - 0.5))
        table = TrialTable.from_frame(frame, config=["x", "y"], objective="fid", direction="minimize", evidence="designed")
        found = explain(table, "fid")
        assert any(claim.claimed for claim in found if claim.kind == "interaction")
        forms += [shape.form for shape in shapes(found, "fid")]
    assert np.mean([form == "flat" for form in forms]) >= 0.8


def test_a_bend_that_does_not_turn_has_no_direction_and_no_best_value(stage: Stage) -> None:
    seen = set()
    for seed in range(12):
        table = stage(40, 2, seed=seed, risk=lambda config: 0.0, log_fd=lambda config: 2 * abs(along(config) - 0.5))
        found = shape_of(table)
        seen.add(found.form)
        if found.form == "uneven":
            assert np.isnan(found.best)
            assert found.sentence == "fd does not change evenly along d.lr."
        if found.form in ("rising", "falling"):
            assert found.at_edge or np.isnan(found.best)
    assert "valley" in seen


def test_a_best_value_lies_where_the_curve_is_best(stage: Stage) -> None:
    """Also of curves that level off, where the fitted parabola turns."""
    for seed in range(8):
        for slope in (6.0, -6.0):
            table = stage(
                60, 2, seed=seed, risk=lambda config: 0.0, log_fd=lambda config, k=slope: 1.5 * np.exp(-abs(k) * along(config)) * np.sign(k)
            )
            found = shape_of(table)
            if np.isfinite(found.best):
                assert found.best == pytest.approx(found.at[int(np.argmin(found.expected))], rel=0.15)
