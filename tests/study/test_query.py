"""What becomes of records in the table that `analysis` takes."""

from dataclasses import replace
from pathlib import Path

import pytest
from recorded import SPEC, STUDY, Driver

import analysis
from study.query import open_study
from study.records import Ended
from study.store import Store

WHOLE = {**SPEC, "plugins": []}


@pytest.mark.parametrize(
    ("listed", "levels"), [([5, 1, 2], ["5", "1", "2"]), (["b", "a", "c"], ["b", "a", "c"]), ([0.5, 0.25, 1], ["0.5", "0.25", "1"])]
)
def test_choices_are_levels_in_the_order_of_the_file(tmp_path: Path, listed: list[object], levels: list[str]) -> None:
    with Store.writing(tmp_path) as store:
        store.write_study(replace(STUDY, spec={**WHOLE, "space": {"scientific": {"data.size": listed}, "nuisance": {"r1": [False, True]}}}))
        driver = Driver(store)
        for i in range(12):
            driver.open(f"t{i}", **{"data.size": listed[i % 3], "r1": i % 2 == 0, "g.lr": 1e-3 * (1 + i)})
            driver.tick(f"t{i}", 2, Ended.BUDGET, fd=1.0 + i)
    table = open_study(tmp_path).table()
    claims = analysis.explain(table, "fd")
    assert [(c.level, c.reference) for name in levels[1:] for c in claims if c.level == name] == [(name, levels[0]) for name in levels[1:]]
    assert [(c.level, c.reference) for c in claims if c.setting == "r1"] == [("on", "off")]


def test_training_time_is_a_score(tmp_path: Path) -> None:
    """Twice as long is a ratio of 2, and worse."""
    with Store.writing(tmp_path) as store:
        store.write_study(replace(STUDY, spec=WHOLE))
        driver = Driver(store)
        for i in range(8):
            driver.open(f"t{i}", r1=i % 2 == 0, **{"g.lr": 1e-3 * (1 + i)})
            driver.tick(f"t{i}", 4 if i % 2 == 0 else 2, Ended.BUDGET)
    (claim,) = analysis.explain(open_study(tmp_path).table(), "seconds", settings=["r1"])
    assert (claim.effect, claim.scale, claim.helps) == (pytest.approx(2), "log", False)
    assert "With r1 on the training time is 2 times that with off" in claim.sentence
