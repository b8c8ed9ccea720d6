"""What a scheduler stopped, by setting."""

from dataclasses import replace

import numpy as np
import pytest
from tables import Stage

from analysis import TrialTable
from analysis.report.build import document
from analysis.report.findings import findings
from analysis.stopped import stopped


def cut(table: TrialTable, which: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> TrialTable:
    """The table of a search in which a scheduler stopped these trials."""
    return replace(
        table,
        phase=np.full(len(table), "optimise"),
        ended=np.where(which, "scheduler", table.ended),
        outcome=np.where(which, "undertrained", table.outcome),
    )


def test_shares_by_level(stage: Stage) -> None:
    table = stage(40, 2)
    on = table.settings["r1"].to_numpy(dtype=bool)
    first = np.arange(len(table)) % 2 == 0
    found = stopped(cut(table, on & first))
    rows = {(row.setting, row.level): (row.trials, row.stopped, row.share) for row in found.itertuples()}
    assert rows["r1", "on"] == (on.sum(), on.sum() / 2, 0.5)
    assert rows["r1", "off"] == ((~on).sum(), 0, 0.0)
    assert found["setting"].iloc[0] == "r1"  # its shares differ most
    assert ((found["low"] <= found["share"]) & (found["share"] <= found["high"])).all()
    trials = found.groupby("setting")["trials"].sum().to_dict()
    assert trials == {"r1": len(table), "loss": len(table), "d.lr": len(table), "r1.gamma": on.sum()}


def test_phases_in_which_nothing_is_stopped_do_not_count(stage: Stage) -> None:
    table = stage(40, 2)
    half = np.arange(len(table)) < len(table) // 2
    mixed = replace(cut(table, half), phase=np.where(half, "optimise", "explore"))
    assert stopped(mixed)["share"].tolist() == pytest.approx(np.ones(len(stopped(mixed))))


def test_the_report_has_a_section_only_if_trials_were_stopped(stage: Stage) -> None:
    table = stage(20, 2)
    titles = {
        name: [section.title for section in document(findings(given, objectives=["fd"])).sections]
        for name, given in (("none", table), ("some", cut(table, np.arange(len(table)) % 3 == 0)))
    }
    assert "Stopped early" in titles["some"]
    assert "Stopped early" not in titles["none"]
    assert stopped(table).empty


@pytest.mark.parametrize(
    ("failed", "said"),
    [
        (
            0,
            "A scheduler stopped 4 trials before the end, so that the final fd is unknown there. None of them had failed by then; nobody knows whether they would",
        ),
        (
            3,
            "3 of them had failed by then and count in the risk of failure. 1 had not; nobody knows whether it would have, so that it is in no risk.",
        ),
        (4, "so that the final fd is unknown there. 4 of them had failed by then and count in the risk of failure."),
    ],
)
def test_what_stopped_trials_count_in_is_told(stage: Stage, failed: int, said: str) -> None:
    """All that a scheduler stopped, like the table of them, not only those that had not failed."""
    table = cut(stage(20, 2, risk=lambda config: 0.0), np.arange(40) < 4)
    table = replace(table, outcome=np.where(np.arange(40) < failed, "mode_collapse", table.outcome))
    found = findings(table, objectives=["fd"])
    assert said in " ".join(found.caveats)
    assert found.design["Why trials stopped"].endswith("scheduler (4)")
