"""The results of a study that W&B shows: they are those of the commands."""

import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from played import study_record
from ranked import GIVEN, SEVERAL, played
from recorded import STUDY, Driver

import analysis
from ganstudy import UserError
from study.api import open_study
from study.spec.study_spec import StudySpec
from study.spec.tracking import WandbConfig
from study.store.layout import Layout
from study.store.records import Closed, Ended, Measurement
from study.store.store import Store
from study.tracking.computing import Computing, with_paths
from study.tracking.process import complete_wandb
from study.tracking.results import results_of, write_results


def test_the_leaderboard_is_the_ranking(tmp_path: Path) -> None:
    played(tmp_path / "ring")
    view = open_study(tmp_path / "ring")
    found, ranked = results_of(view), analysis.rank(view.table(), "fd")
    board = [dict(zip(found["leaderboard"]["columns"], row, strict=True)) for row in found["leaderboard"]["rows"]]
    assert [row["config_id"] for row in board] == ranked["config_id"].tolist()
    for mine, theirs in (("fd", "estimate"), ("fd_low", "low"), ("fd_high", "high"), ("fd_measured", "mean"), ("p_fail", "p_fail")):
        assert [row[mine] for row in board] == [None if math.isnan(value) else value for value in ranked[theirs]]
    assert found["best"] == {"fd": board[0]["fd"]}
    assert not any(row["confirmed"] for row in board)
    assert {row["r1"] for row in board} == {False, True}
    assert (found["ended"], found["failed"]) == (16, int(view.trials()["failed"].sum()))
    claims = analysis.explain(view.table(), ("failed", "fd"))
    assert found["answer"] == analysis.answer(claims)
    assert [row[-1] for row in found["effects"]["rows"]] == [claim.sentence for claim in claims]
    json.dumps(found, allow_nan=False)


def test_the_winners_are_the_best_configs_with_their_generators(tmp_path: Path) -> None:
    played(tmp_path / "ring")
    view = open_study(tmp_path / "ring")
    found, best = results_of(view)["winners"], view.best(3)
    assert [winner["about"]["trial"] for winner in found] == [trial.trial_id for trial in best]
    assert [Path(winner["path"]).read_text() for winner in found] == [trial.trial_id for trial in best]
    assert [winner["aliases"] for winner in found] == [["best"], ["place-2"], ["place-3"]]
    assert found[0]["about"]["fd"] == best[0].values["fd"]
    assert found[0]["about"]["config"]["g.lr"] == best[0].settings["g.lr"]
    view.layout.generator(best[0].stored[0]).unlink()
    assert [winner["aliases"] for winner in results_of(view)["winners"]] == [["place-2"], ["place-3"]]


def test_several_objectives_have_a_front(tmp_path: Path) -> None:
    played(tmp_path / "ring", **SEVERAL)
    view = open_study(tmp_path / "ring")
    found = results_of(view)
    front = analysis.pareto(view.table(), "fd", "coverage", limits=view.study.limits)
    columns = found["leaderboard"]["columns"]
    assert {"on_front", "p_front", "feasible", "confirmed"} <= set(columns)
    assert [row[columns.index("config_id")] for row in found["leaderboard"]["rows"]] == front["config_id"].tolist()
    assert found["constraints"] == analysis.feasibility(view.table(), view.study.limits, by="fd").sentence
    assert found["best"] == {}


def test_fresh_seeds_confirm(tmp_path: Path) -> None:
    spec = played(tmp_path / "ring", n_configs=4)
    first = open_study(tmp_path / "ring").best()[0]
    with Store.writing(tmp_path / "ring") as store:
        store.write_study(study_record(spec))
        for seed in (7, 8):
            trial_id = f"{first.record.config_id}-s{seed}"
            store.write(trial_id, opened={"phase": "confirm", "flat": {**first.record.flat, "seed": seed}})
            measured = Measurement(images=1000, seconds=1.0, evaluation_seconds=0.1, values={"fd": 1.0, "coverage": 1.0})
            store.write(trial_id, measured=measured, closed=Closed(ended=Ended.BUDGET))
    board = results_of(open_study(tmp_path / "ring"))["leaderboard"]
    assert [row[board["columns"].index("confirmed")] for row in board["rows"]] == [True]


def test_the_study_file_launches_the_same_study(tmp_path: Path) -> None:
    spec = played(tmp_path / "ring", **SEVERAL)
    (tmp_path / "ring.yaml").write_text(results_of(open_study(tmp_path / "ring"))["study_file"])
    assert StudySpec.load(tmp_path / "ring.yaml", {}).as_dict() == spec.as_dict()


def test_without_evidence_there_is_no_ranking(tmp_path: Path) -> None:
    with Store.writing(tmp_path) as store:
        store.write_study(replace(STUDY, spec=StudySpec.from_dict(GIVEN).as_dict()))
        Driver(store).open("aa-s4")
    found = results_of(open_study(tmp_path))
    assert (found["leaderboard"], found["winners"], found["ended"]) == (None, [], 0)


def test_results_say_which_records_they_are_of(tmp_path: Path) -> None:
    played(tmp_path / "ring")
    computing = Computing(tmp_path / "ring")
    assert computing.results is None
    write_results(tmp_path / "ring")
    assert computing.current
    with (tmp_path / "ring" / "records.jsonl").open("a") as file:
        file.write('{"trial": "ff-s0", "opened": {"phase": "explore", "flat": {"seed": 0}}}\n')
    assert not computing.current


def test_a_file_in_the_place_of_the_trackers_folder_is_refused(tmp_path: Path) -> None:
    played(tmp_path / "ring")
    place = Layout(tmp_path / "ring").tracking
    place.touch()
    for write in (write_results, lambda folder: complete_wandb(folder, WandbConfig(mode="offline"))):
        with pytest.raises(UserError, match=f"{place} must be a folder that can be written: File exists. Remove it if it is a file"):
            write(tmp_path / "ring")


@pytest.mark.slow
def test_the_process_computes_when_it_is_asked(tmp_path: Path) -> None:
    played(tmp_path / "ring")
    computing = Computing(tmp_path / "ring")
    computing.ask()
    assert computing.wait(60)
    written = json.loads(Layout(tmp_path / "ring").results.read_text())
    assert computing.results == with_paths(written, lambda path: str(tmp_path / "ring" / path))
    Layout(tmp_path / "ring").results.unlink()
    computing.close()
    assert not computing.wait(60), "the process has ended"


def test_a_process_that_hangs_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    played(tmp_path / "ring")
    (tmp_path / "hangs").write_text(f"#!{sys.executable}\nimport time\ntime.sleep(60)\n")
    (tmp_path / "hangs").chmod(0o755)
    monkeypatch.setattr("sys.executable", str(tmp_path / "hangs"))
    computing = Computing(tmp_path / "ring")
    computing.ask()
    assert not computing.wait(0.3)
    computing.close()


def test_the_results_are_asked_for_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    now = [0.0]
    played(tmp_path / "ring")
    computing = Computing(tmp_path / "ring")
    monkeypatch.setattr("time.monotonic", lambda: now[0])

    def ask() -> None:
        asked.append(now[0])
        computing._asked_at = now[0]

    monkeypatch.setattr(computing, "ask", ask)
    for second in range(3000):
        now[0] = float(second)
        computing.ask_again()
    assert asked == [0.0, *(301.0 * n for n in range(1, 10))]
    Layout(tmp_path / "ring").results.parent.mkdir(exist_ok=True)
    Layout(tmp_path / "ring").results.write_text(json.dumps({"records": 0, "winners": [], "pictures": {}, "took_s": 40.0}))
    for second in range(3000, 6000):
        now[0] = float(second)
        computing.ask_again()
    assert asked[10:] == [3510.0, 4311.0, 5112.0, 5913.0], "a computation of 40 s every 800 s: a twentieth of one processor"
