"""Study folders of format 1 open with the same numbers, and a new line can follow the old ones.

tests/data/format1 holds two folders that ganstudy 0.1 wrote: `explain` (8 finished trials, evaluated again) and `optimise` (6 dead trials).
"""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import analysis
from ganstudy import UserError
from study.api import open_study
from study.cli import app
from study.evaluation.reevaluate import reevaluate
from study.spec.identity import identity
from study.spec.sections import EvaluationConfig
from study.spec.study_spec import StudySpec
from study.store.format import FORMAT, upgraded
from study.store.layout import Layout
from study.store.records import Closed, Ended, Measurement
from study.store.store import Store
from study.views import StudyView
from trainables.generators import load_generator

DATA = Path(__file__).parents[1] / "data" / "format1"
FOLDERS = ("explain", "optimise")
PROTOCOL = "e38573879e"  # the hash that ganstudy 0.1 gave 300 samples on ring8


@pytest.fixture
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A copy of one old folder: explain, or the one that the test names."""
    name = getattr(request, "param", "explain")
    return Path(shutil.copytree(DATA / name, tmp_path / name))


def facts(name: str, key: str) -> list[dict[str, Any]]:
    """All lines of an old folder's raw records that have this key."""
    lines = [json.loads(line) for line in (DATA / name / "records.jsonl").read_text().splitlines()]
    return [line for line in lines if key in line]


def view_of(name: str) -> StudyView:
    return open_study(DATA / name)


def test_the_data_are_of_format_1() -> None:
    for name in FOLDERS:
        (study,) = facts(name, "study")
        assert "format" not in study
        assert {"ruler", "floors"} < study["study"].keys()
        assert {"score", "judge"} < study["study"]["spec"].keys()
        assert all("judge_seconds" in line["measured"] for line in facts(name, "measured"))


@pytest.mark.parametrize("name", FOLDERS)
def test_a_spec_keeps_its_values_under_their_new_names(name: str) -> None:
    old = facts(name, "study")[0]["study"]["spec"]
    spec = view_of(name).spec
    assert StudySpec.from_dict(spec.as_dict()) == spec
    new = dict(old)
    new["objective"], new["evaluation"] = new.pop("score"), new.pop("judge")
    assert new["resources"]["gpu"] is None
    new["resources"] |= {"gpu": "auto"}  # its meaning today
    new["resources"] |= {"capture": "auto", "deterministic": False, "lanes": None, "timeout_min": None, "study_hours": None}  # newer keys
    new["tracking"] |= {"tensorboard": None, "mlflow": None}
    assert spec.as_dict() == {**new, "failure": None, "stop_hopeless": True, "constraints": {}, "enqueue": [], "warm_start": []}
    extended = StudySpec.from_dict({**new, "n_configs": new["n_configs"] + 1})
    assert identity(extended.as_dict()) == identity(new), "a longer study of the same question may resume in this folder"


@pytest.mark.parametrize("name", FOLDERS)
def test_tables_hold_the_numbers_of_the_raw_records(name: str) -> None:
    view = view_of(name)
    opened, measured = facts(name, "opened"), facts(name, "measured")
    trials, history, table = view.trials(), view.history(), view.table()
    assert list(trials.index) == list(table.trial_id) == [line["trial"] for line in opened]
    assert list(table.settings["g.lr"]) == [line["opened"]["flat"]["g.lr"] for line in opened]
    assert list(table.seed) == [line["opened"]["flat"]["seed"] for line in opened]
    assert len(history) == len(measured)
    for line in measured:
        raw, row = line["measured"], list(table.trial_id).index(line["trial"])
        (tick,) = np.flatnonzero(table.images[row] == raw["images"])
        assert {key: table.curves[key][row, tick] for key in raw["values"]} == raw["values"]
        (entry,) = history[(history["trial_id"] == line["trial"]) & (history["images"] == raw["images"])].to_dict("records")
        assert {key: entry[key] for key in raw["values"]} == raw["values"]
        assert (entry["seconds"], entry["evaluation_seconds"]) == (raw["seconds"], raw["judge_seconds"])
    ended = {line["trial"]: line["closed"]["ended"] for line in facts(name, "closed")}
    assert list(table.ended) == [ended[trial_id] for trial_id in table.trial_id]
    assert table.baselines == trials.attrs["baselines"] == facts(name, "study")[0]["study"]["floors"]
    assert trials.attrs["protocol"] == facts(name, "study")[0]["study"]["ruler"]


def test_numbers_read_by_hand_from_the_raw_records() -> None:
    table = view_of("explain").table()
    row = list(table.trial_id).index("6a9d5121da-s1000")
    assert list(table.curves["fd"][row][:3]) == [0.7937834264425956, 0.7755202135719836, 0.7579893745595195]
    assert table.curves["vendi"][row][2] == 1.77186234713099
    assert table.settings.iloc[row][["r1", "method", "g.lr"]].tolist() == [False, "ring", 0.0009374347817922308]
    assert table.baselines["coverage"] == 0.9699159418490109
    assert table.directions["coverage"].value == "maximize"


def test_the_best_trial_and_its_generator() -> None:
    view = view_of("explain")
    (best,) = view.best(min_seeds=2)
    assert best.trial_id == "9fbbfcea40-s1"  # the better of two by coverage
    assert best.sample(5, seed=0).shape == (5, 2)
    with pytest.raises(UserError, match="needs trials that reached the end of their budget"):
        view_of("optimise").best()


def test_numbers_of_another_evaluation_protocol_are_found_and_kept(folder: Path) -> None:
    view = open_study(folder)
    (protocol,) = view.evaluated()
    frame = view.evaluated()[protocol]
    assert protocol == PROTOCOL
    assert frame.loc["9fbbfcea40-s0", "fd"] == 1.1787927983775535
    assert frame.attrs["protocol"]["n_fake"] == 300
    assert frame.attrs["baselines"]["fd"] == 0.00379711400625844
    reevaluate(view.store, view.spec, EvaluationConfig(samples=300))
    again = view.evaluated()[protocol]
    assert set(again) - set(frame) == {"modes_lost"}, "older rows lack it, so they are evaluated again under the same hash"
    pd.testing.assert_frame_equal(again[list(frame)], frame, check_exact=False)
    assert not (folder / "evaluated").exists()


def test_the_classifier_of_format_1_is_found(tmp_path: Path) -> None:
    assert Layout(tmp_path).classifier.name == "classifier.safetensors"
    (tmp_path / "ruler.safetensors").touch()
    assert Layout(tmp_path).classifier.name == "ruler.safetensors"


@pytest.mark.parametrize(("folder", "evidence"), [("explain", "randomised"), ("optimise", "adaptive")], indirect=["folder"])
def test_the_commands_that_read_a_study(folder: Path, evidence: str) -> None:
    def run(*words: str) -> str:
        result = CliRunner().invoke(app, [words[0], str(folder), *words[1:]], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    view = open_study(folder)
    trial = next(iter(view.store.trials))
    n = len(view.store.trials)
    assert f"{n} of {n} trials started" in run("status")
    assert view.spec.question in run("show")
    assert "g.lr: " in run("show", trial)
    assert trial.partition("-")[0] in run("rank")
    assert evidence in run("explain")
    assert analysis.explain(view.table(), "failed").model
    run("report")
    assert view.spec.question in (folder / "report.html").read_text()
    if folder.name == "explain":  # the generators of dead trials may give samples that are not finite
        run("sample", "--trial", trial, "-o", str(folder / "s.png"))
        assert (folder / "s.png").read_bytes().startswith(b"\x89PNG")
    run("export", "--trial", trial, "-o", str(folder / "g.safetensors"))
    assert load_generator(folder / "g.safetensors").sample(3).shape == (3, 2)


def test_new_lines_follow_old_ones(folder: Path) -> None:
    old = Store(folder)
    assert old.study
    new = Measurement(images=200, seconds=1.0, evaluation_seconds=0.5, values={"fd": 2.0, "coverage": 0.5})
    flat = {**old.trials["9fbbfcea40-s0"].flat, "seed": 4000}
    with Store.writing(folder) as store:
        store.write_study(old.study)
        store.write("new-s4000", opened={"phase": "explore", "flat": flat, "variants": {"method": "plain"}})
        store.write("new-s4000", measured=new, closed=Closed(ended=Ended.BUDGET))
    assert json.loads((folder / "records.jsonl").read_text().splitlines()[-3])["format"] == FORMAT
    both = Store(folder)
    assert both.studies == [old.study, old.study]
    assert {name: both.trials[name] for name in old.trials} == old.trials
    assert both.trials["new-s4000"].last == new
    assert open_study(folder).history()["evaluation_seconds"].notna().all()
    assert (folder / "records.jsonl").read_bytes().startswith((DATA / "explain" / "records.jsonl").read_bytes())


def test_a_newer_format_is_refused(folder: Path) -> None:
    records = folder / "records.jsonl"
    records.write_text(records.read_text() + json.dumps({"format": FORMAT + 1, "study": {}}) + "\n")
    with pytest.raises(UserError, match=f"format up to {FORMAT}; given {FORMAT + 1}"):
        open_study(folder)


def test_hopeless_trials_of_format_1_stay_hopeless() -> None:
    old = {"trial": "t0", "closed": {"ended": "dead", "reason": "nothing has come since 5 kimg: mode_collapse, one mode"}}
    new = upgraded(old)["closed"]
    assert new["reason"] == "no progress since 5 kimg: mode_collapse, one mode"
    assert Closed(ended=Ended.DEAD, reason=new["reason"]).finite
    crashed = {"trial": "t0", "closed": {"ended": "error", "reason": "Traceback"}}
    assert upgraded(crashed) == crashed
