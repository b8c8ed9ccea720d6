"""The report of a study with several objectives and constraints."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import analysis
from analysis import TrialTable, plots
from analysis.report.build import document
from analysis.report.content import Cards
from analysis.report.findings import findings
from analysis.report.page import page
from ganstudy import UserError
from ganstudy.limits import limits_of

Stage = Callable[..., TrialTable]
LIMITS = limits_of({"coverage": ">= 0.45", "failed": "<= 0.5"})


@pytest.fixture
def table(stage: Stage) -> TrialTable:
    """Six configs of three trials: c00, c01 and c02 are on the front, but c00 has too little coverage."""
    fd, coverage, kid = [10.0, 20, 30, 25, 40, 50], [0.2, 0.5, 0.9, 0.4, 0.8, 0.1], [3.0, 2, 1, 3, 3, 3]
    made = stage(6, 3, risk=lambda config: 0.0)
    noise = 1 + 0.001 * np.random.default_rng(1).standard_normal((3, 18))
    values = {name: np.repeat(each, 3) * noise[i] for i, (name, each) in enumerate({"fd": fd, "coverage": coverage, "kid": kid}.items())}
    return replace(made, final=made.final.assign(**values), directions={**made.directions, "kid": analysis.Direction.MINIMIZE})


def test_the_front_comes_before_the_ranking_and_the_cards_are_of_its_configs(table: TrialTable) -> None:
    found = findings(table, objectives=["fd", "coverage"], limits=LIMITS)
    assert set(found.recommended) == {"c01", "c02"}
    titles = [section.title for section in document(found).sections]
    assert titles.index("Pareto front") < titles.index("Ranking") < titles.index("Top configs")
    assert "Trade-off" not in titles
    text = page(document(found))
    cards = next(block for section in document(found).sections for block in section.blocks if isinstance(block, Cards)).cards
    assert {card.name[:3] for card in cards} == {"c01", "c02"}
    assert all(card.facts[0] == "On the Pareto front of fd and coverage with probability 100 %" for card in cards)
    assert "3 of 6 configs are left out, by coverage &gt;= 0.45 (3)" in text


def test_constraints_leave_the_best_config_out_of_the_cards_of_one_objective(table: TrialTable) -> None:
    free, limited = findings(table, objectives=["fd"]), findings(table, objectives=["fd"], limits=LIMITS)
    assert free.recommended[0] == "c00"
    assert limited.recommended == [config for config in free.recommended if config in ("c01", "c02", "c04")]
    assert "not kept" in page(document(limited))
    assert "not kept" not in page(document(free))


@pytest.mark.parametrize("suffix", ["html", "md", "json"])
def test_all_formats_have_the_front_of_three_objectives(table: TrialTable, tmp_path: Path, suffix: str) -> None:
    path = analysis.report(table, tmp_path / f"r.{suffix}", objective=["fd", "coverage", "kid"], limits=LIMITS)
    text = path.read_text()
    if suffix == "json":
        held = json.loads(text)
        assert held["objectives"] == {"fd": "minimize", "coverage": "maximize", "kid": "minimize"}
        assert held["constraints"] == ["coverage >= 0.45", "failed <= 0.5"]
        assert {row["config_id"] for row in held["pareto"] if row["on_front"]} == {"c01", "c02"}
        assert {row["config_id"]: row["feasible"] for row in held["feasibility"]}["c00"] is False
    else:
        assert "Pareto front" in text
        assert "The figure shows fd and coverage; the front is that of fd, coverage and kid" in text


def test_an_objective_without_a_direction_is_refused(table: TrialTable, tmp_path: Path) -> None:
    undirected = replace(table, directions={name: each for name, each in table.directions.items() if name != "kid"})
    with pytest.raises(UserError, match="a metric must have a direction; got 'kid'"):
        analysis.report(undirected, tmp_path / "r.md", objective=["fd", "kid"])


def test_the_figure_shows_the_first_two_objectives(table: TrialTable) -> None:
    found = analysis.pareto(table, "fd", "coverage", "kid", limits=LIMITS)
    (dots,) = plots.pareto_front(found, table).data
    assert list(dots.x) == found["fd"].tolist()
    assert list(dots.y) == found["coverage"].tolist()


def test_a_card_counts_the_trials_that_the_ranking_counts(table: TrialTable) -> None:
    """After a race those with fresh seeds: the trials by which a config was chosen flatter it."""
    phase = np.where(np.arange(len(table)) % 3 == 0, "explore", "confirm")
    chosen = replace(table, phase=phase, final=table.final.assign(fd=np.where(phase == "explore", 1e-3, table.final["fd"])))
    found = findings(chosen, objectives=["fd"])
    assert found.ranking is not None
    means = found.ranking.set_index("config_id")["mean"]
    cards = next(block for section in document(found).sections for block in section.blocks if isinstance(block, Cards)).cards
    for card in cards:
        config, _, rest = card.name.partition(": ")
        assert rest == "mean of 2 trials"
        assert "of 2 trials failed" in " ".join(card.facts)
        shown = {row[0]: row[1] for row in card.table.rows}["fd"]
        assert float(shown) == pytest.approx(float(means[config]), rel=0.01)
