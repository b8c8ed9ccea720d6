"""The winner of a race among the configs that keep to the constraints."""

from dataclasses import replace
from typing import Any

import pytest
from phased import made

from analysis import TrialTable, feasibility
from analysis.winner import winner
from ganstudy.limits import limits_of

COVERED = limits_of({"coverage": ">= 0.8"})


def race(**coverages: float) -> TrialTable:
    """Confirmed configs, the first one with the least fd, with the coverage of their trials."""
    rows: list[dict[str, Any]] = [
        {"config": config, "seed": seed, "phase": "confirm", "value": (1 + i) * (1 + 0.01 * seed), "lr": 0.1 * (i + 1)}
        for i, config in enumerate(coverages)
        for seed in range(4)
    ]
    table = made(rows)
    covered = [coverages[row["config"]] + 0.001 * row["seed"] for row in rows]
    directions = {**table.directions, "coverage": "maximize"}
    return replace(table, final=table.final.assign(coverage=covered), directions=directions)  # type: ignore[arg-type]


def test_the_best_config_that_keeps_to_the_constraints_is_named() -> None:
    table = race(a=0.2, b=0.9, c=0.9)
    assert winner(table, ["fd"]).startswith("Best of 3 confirmed configs, with a probability of")
    assert list(feasibility(table, COVERED).kept) == ["b", "c"]
    said = winner(table, ["fd"], limits=COVERED)
    assert said.startswith("Best of 2 confirmed configs that keep to the constraints, by 4 fresh seeds: b ("), (
        "the probability counts a, too"
    )


@pytest.mark.parametrize(
    ("coverages", "said"),
    [
        ({"a": 0.2, "b": 0.9}, "Best of 1 confirmed config that keeps to the constraints, by 4 fresh seeds: b ("),
        ({"a": 0.2, "b": 0.3}, "None of 2 confirmed configs keeps to the constraints."),
        ({"a": 0.9, "b": 0.9}, "Best of 2 confirmed configs that keep to the constraints, with a probability of"),
    ],
)
def test_constraints_that_leave_one_config_none_or_all(coverages: dict[str, float], said: str) -> None:
    assert winner(race(**coverages), ["fd"], limits=COVERED).startswith(said)


def test_several_objectives_have_no_single_winner() -> None:
    assert winner(race(a=0.2, b=0.9), ["fd", "coverage"]) == ""
