"""Tables made from records."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from recorded import PROTOCOL, SPEC, STUDY, Driver
from rich.console import Console
from tiny import tiny

import analysis
from analysis.metrics import METRICS
from ganstudy import UserError
from study.api import open_study
from study.show.terminal import print_ranking
from study.spec.errors import SpecError
from study.spec.space import TAKEN, read_space
from study.store.records import Ended
from study.store.store import Store
from trainables.generators import GENERATOR_FILE, save_generator

WHOLE = {**SPEC, "plugins": []}


@pytest.mark.parametrize(
    ("listed", "levels"),
    [
        ([5, 1, 2], ["5", "1", "2"]),
        (["b", "a", "c"], ["b", "a", "c"]),
        ([0.5, 0.25, 1], ["0.5", "0.25", "1"]),
        ([None, 800, 200], ["default", "800", "200"]),
    ],
)
def test_choices_are_levels_in_the_order_of_the_study_file(tmp_path: Path, listed: list[object], levels: list[str]) -> None:
    with Store.writing(tmp_path) as store:
        store.write_study(replace(STUDY, spec={**WHOLE, "space": {"scientific": {"data.size": listed}, "nuisance": {"r1": [False, True]}}}))
        driver = Driver(store)
        for i in range(12):
            driver.open(f"c{i}-s0", **{"data.size": listed[i % 3], "r1": i % 2 == 0, "g.lr": 1e-3 * (1 + i)})
            driver.tick(f"c{i}-s0", 2, Ended.BUDGET, fd=1.0 + i)
    table = open_study(tmp_path).table()
    claims = analysis.explain(table, "fd")
    assert {(c.level, c.reference) for c in claims if c.role == "scientific"} == {
        (levels[1], levels[0]),
        (levels[2], levels[0]),
        (levels[2], levels[1]),
    }
    assert [(c.level, c.reference) for c in claims if c.role == "nuisance"] == [("on", "off")]


def test_before_the_first_tick_there_is_nothing_to_rank(tmp_path: Path) -> None:
    with Store.writing(tmp_path) as store:
        store.write_study(replace(STUDY, spec=WHOLE))
        Driver(store).open("t0")
    with pytest.raises(UserError, match="no trial has been measured yet, so there is no 'fd'"):
        analysis.rank(open_study(tmp_path).table(), "fd")


def test_a_table_knows_the_scale_of_each_range(tmp_path: Path) -> None:
    with Store.writing(tmp_path) as store:
        store.write_study(replace(STUDY, spec=WHOLE))
        Driver(store).whole("t0")
    assert open_study(tmp_path).table().scales == {"g.lr": "log", "d_steps": "linear"}  # r1 is a switch


def test_variants_may_not_be_named_like_a_column(tmp_path: Path) -> None:
    with Store.writing(tmp_path) as store:
        store.write_study(replace(STUDY, spec=WHOLE, protocol=PROTOCOL.as_dict(), baselines={"fd": 1.0}))
        driver = Driver(store)
        driver.open("t0")
        driver.tick("t0", 2, Ended.BUDGET)
    view = open_study(tmp_path)
    (record,) = view.store.trials.values()
    assert record.last
    trials = view.trials()
    assert set(trials) - set(trials.attrs["settings"].values()) - METRICS.keys() - record.last.values.keys() == set(TAKEN) - {"seed"}
    for name in ("images", "coverage"):
        with pytest.raises(SpecError, match=f"must not be a column of the trials' table; given '{name}'"):
            read_space({"scientific": {name: {"few": {"data.size": 10}, "many": {}}}})


def test_a_ranking_names_a_setting_of_0_but_not_a_trick_that_is_off(tmp_path: Path) -> None:
    with Store.writing(tmp_path) as store:
        store.write_study(
            replace(STUDY, spec={**WHOLE, "space": {"scientific": {"beta1": [0.0, 0.5], "r1": [False, True]}, "nuisance": {}}})
        )
        driver = Driver(store)
        for i, (beta1, r1) in enumerate([(0.0, False), (0.5, False), (0.0, True)]):
            driver.open(f"c{i}-s0", beta1=beta1, r1=r1)
            driver.tick(f"c{i}-s0", 2, Ended.BUDGET)
    console = Console(width=200, record=True, file=io.StringIO())
    view = open_study(tmp_path)
    print_ranking(view.table(), "fd", console, n=9)
    said = console.export_text()
    assert [said.count(words) for words in ("beta1 0 ", "beta1 0.5 ", "beta1 0, r1 ")] == [1, 1, 1], said


def test_training_time_is_an_objective(tmp_path: Path) -> None:
    """A doubled training time has the effect 2 and does not help."""
    with Store.writing(tmp_path) as store:
        store.write_study(replace(STUDY, spec=WHOLE))
        driver = Driver(store)
        for i in range(8):
            driver.open(f"c{i}-s0", r1=i % 2 == 0, **{"g.lr": 1e-3 * (1 + i)})
            driver.tick(f"c{i}-s0", 4 if i % 2 == 0 else 2, Ended.BUDGET)
    (claim,) = (each for each in analysis.explain(open_study(tmp_path).table(), "seconds", settings=["r1"]) if each.setting == "r1")
    assert claim.effect == pytest.approx(2)
    assert claim.scale == "log"
    assert not claim.helps
    assert "With r1 on, the training time is 2 times that with off" in claim.sentence


def test_a_grid_of_non_finite_samples_is_refused(tmp_path: Path) -> None:
    run = tiny({"arch": "mlp", "budget_kimg": 0.024})
    with torch.no_grad():
        for parameter in run.generator().parameters():
            parameter.fill_(torch.inf)
    with Store.writing(tmp_path) as store:
        store.write_study(replace(STUDY, spec=WHOLE))
        driver = Driver(store)
        driver.open("t0")
        driver.tick("t0", 1, Ended.BUDGET)
    folder = tmp_path / "trials/t0/1000"
    folder.mkdir(parents=True)
    save_generator(run.generator(), run.config, run.source.shape, folder / GENERATOR_FILE)
    with pytest.raises(UserError, match="samples must be finite; the generator of t0 returns NaN or infinity"):
        open_study(tmp_path).trial("t0").grid_png()
