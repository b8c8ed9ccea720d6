"""Numbers that a report gives in several places agree, and what it says of them is true."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from analysis import TrialTable
from analysis.report import configs
from analysis.report.build import document
from analysis.report.content import Cards, Charts, Text
from analysis.report.expected_best import expected_best
from analysis.report.findings import findings
from analysis.report.page import page
from analysis.words import aligned, percent

Stage = Callable[..., TrialTable]


def factorial(stage: Stage) -> TrialTable:
    """Each combination of two choices, as one config with eight seeds."""
    table = stage(6, 8, risk=lambda config: 0.4)
    cells = np.repeat(np.array(list(product([False, True], ["a", "b", "c"])), dtype=object), 8, axis=0)
    settings = table.settings.assign(r1=cells[:, 0].astype(bool), loss=cells[:, 1].astype(str))
    return replace(table, settings=settings, nuisance=())


def test_a_share_of_outcomes_has_the_interval_of_the_answer(stage: Stage) -> None:
    for table in (stage(20, 3), factorial(stage)):
        table = replace(table, outcome=np.where(table.failed, "mode_collapse", "healthy"))
        found = findings(table, objectives=["fd"])
        share, low, high = (percent(found.outcomes[name]["mode_collapse"]) for name in ("share", "low", "high"))
        assert f"({share}, 95 % interval {low} to {high})" in found.answer[0]


@pytest.mark.parametrize("dead", [0.0, 1.0])
def test_the_caveat_names_all_failed_trials_that_an_effect_leaves_out(stage: Stage, dead: float) -> None:
    table = stage(20, 2, dead=dead)
    assert f"Effects on fd leave out {table.failed.sum()} trials that failed" in " ".join(findings(table, objectives=["fd"]).caveats)
    safe = stage(20, 2, risk=lambda config: 0.0)
    assert "leave out" not in " ".join(findings(safe, objectives=["fd"]).caveats)


def test_a_card_has_the_mean_of_the_ranking(stage: Stage) -> None:
    """A run that a scheduler stopped has not failed, but its last value is not one of a whole run."""
    table = stage(6, 3, risk=lambda config: 0.2)
    table = replace(table, ended=np.where((table.seed == 0) & ~table.failed, "scheduler", table.ended))
    found = findings(table, objectives=["fd"], images={str(trial): b"" for trial in table.trial_id})
    assert found.ranking is not None
    ranked = found.ranking.set_index("config_id")
    cards = configs.cards(found)
    assert cards is not None
    (made,) = [block for block in cards.blocks if isinstance(block, Cards)]
    stopped = set(table.trial_id[table.censored])
    for card in made.cards:
        config, n = card.name.split(": mean of ")
        assert n == f"{ranked['n'][config]} trial{'s' if ranked['n'][config] > 1 else ''}"
        assert ["fd", aligned(ranked["mean"][config])] in [list(row[:2]) for row in card.table.rows]
        assert card.table.columns[1] == "Mean, geometric for fd"
        assert card.picture is not None
        assert card.picture.heading not in stopped


def test_the_mean_is_called_geometric_where_it_is(stage: Stage) -> None:
    table = stage(4, 2)
    table = replace(
        table,
        final=table.final.assign(coverage=0.5),
        directions={**table.directions, "coverage": "maximize"},  # type: ignore[dict-item]
        baselines={"fd": 1.0},
    )
    cards = configs.cards(findings(table, objectives=["fd"]))
    assert cards is not None
    (made,) = [block for block in cards.blocks if isinstance(block, Cards)]
    assert {card.table.columns[1] for card in made.cards} == {"Geometric mean"}
    section = configs.ranking(findings(table, objectives=["coverage"]))
    assert any("As measured: their mean as it is" in getattr(block, "text", "") for block in section.blocks)


def test_a_config_of_dead_runs_has_a_card_without_metrics(stage: Stage) -> None:
    table = stage(3, 2, risk=lambda config: 1.0, dead=1.0)
    text = page(document(findings(table, objectives=["fd"])))
    assert "mean of 2 trials (all failed)" in text
    assert "Metrics of" not in text


def expected_texts(table: TrialTable) -> str:
    blocks = expected_best(findings(table, objectives=["fd"])).blocks
    return " ".join(block.text if isinstance(block, Text) else block.note for block in blocks if isinstance(block, Text | Charts))


def test_the_expected_best_says_how_many_searches_find_nothing_and_notes_only_what_is_drawn(stage: Stage) -> None:
    safe = expected_texts(stage(30, 1, risk=lambda config: 0.0))
    assert "fail" not in safe
    assert "The band is the 95 % interval of the mean. Between the dotted lines nine of ten searches end." in safe
    table = stage(6, 1, risk=lambda config: 0.8, seed=4)
    failed = int(table.failed.sum())
    assert 0 < failed < 6
    text = expected_texts(table)
    share = percent(failed * (failed - 1) / 30)
    assert f"if a run does not fail; in {share} of such searches all fail." in text
    assert "Between the dotted lines" not in text
    assert "No line marks the worse end" in text
    assert "band" not in expected_texts(stage(4, 1, risk=lambda config: 0.0))  # one budget is a point
