"""The MLflow tracker: runs on MLflow's own server match the records, also if the server fails or processes are killed."""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from mlflow_server import MlflowServer
from recorded import STUDY, Driver, wait_until
from workers import new_children

from ganstudy import UserError
from study.spec.tracking import MlflowConfig, Tracking
from study.store.layout import Layout
from study.store.records import Ended, TrialRecord
from study.store.store import Store
from study.tracking.checks import check_trackers
from study.tracking.computing import Computing
from study.tracking.handed import handing_over, receive
from study.tracking.mlflow_tracker import DOWN_S, unsent
from study.tracking.process import watching
from study.tracking.runs import written

Curves = dict[str, list[tuple[int, float]]]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MlflowServer]:
    with MlflowServer(tmp_path / "server") as server:
        yield server


def tracking(server: MlflowServer, experiment: str | None = None) -> Tracking:
    return Tracking(mlflow=MlflowConfig(uri=server.url, experiment=experiment))


def expected(trial: TrialRecord) -> Curves:
    found: Curves = {}
    for m in trial.measurements:
        for name, value in {**m.values, "seconds": m.seconds, "evaluation_seconds": m.evaluation_seconds}.items():
            found.setdefault(name, []).append((m.images, value))
    return found


def curves(server: MlflowServer, trial_id: str) -> Curves:
    """Without the values of the end."""
    return {name: points for name, points in server.curves(trial_id).items() if not name.startswith("final/")}


def assert_all_there(server: MlflowServer, folder: Path) -> None:
    trials = Store(folder).trials
    assert {name: curves(server, name) for name in trials} == {name: expected(trial) for name, trial in trials.items()}
    assert unsent(folder, MlflowConfig(uri=server.url)) == ""


def posted(server: MlflowServer) -> Counter[tuple[str, str, int]]:
    """How often each value was sent."""
    return Counter((body["run_id"], each["key"], each["step"]) for body in server.batches for each in body.get("metrics", ()))


def rest(folder: Path) -> str:
    """How a sentence about what is missing ends."""
    return f"The results of the study are whole; `ganstudy resume {folder}` sends the rest. Details are in {folder}/wandb/log.txt"


def logged(folder: Path) -> str:
    return (folder / "wandb" / "log.txt").read_text()


@pytest.mark.slow
def test_a_run_matches_the_record(tmp_path: Path, server: MlflowServer) -> None:
    said: list[str] = []
    folder = tmp_path / "study"
    with Store.writing(folder) as store, watching(folder, tracking(server), say=said.append):
        driver = Driver(store)
        driver.whole("aa-s4")
        driver.whole("bb-s4", Ended.SCHEDULER)
        driver.whole("cc-s4", Ended.DEAD)
        driver.whole("dd-s4", Ended.ERROR)
        driver.open("ee-s4")
        driver.tick("ee-s4", 0)
    assert not said
    assert_all_there(server, folder)
    assert server.status() == {"aa-s4": "FINISHED", "bb-s4": "FINISHED", "cc-s4": "FINISHED", "dd-s4": "FAILED", "ee-s4": "KILLED"}
    assert server.params("aa-s4") == {"g.lr": "0.001", "r1": "True", "r1.gamma": "2.0", "d_steps": "2", "seed": "4"}
    assert server.curves("aa-s4")["final/fd"] == [(2000, 98.0)]
    assert "final/fd" not in server.curves("bb-s4")
    tags = server.tags("aa-s4")
    assert {name: tags[name] for name in ("study", "config_id", "phase", "outcome", "ended", "failed", "mlflow.runName")} == {
        "study": "digits-e3b0c4",
        "config_id": "aa",
        "phase": "explore",
        "outcome": "healthy",
        "ended": "budget",
        "failed": "False",
        "mlflow.runName": "g.lr=0.001, r1, d_steps=2, r1.gamma=2, seed=4",
    }
    assert tags["mlflow.note.content"] == tags["diagnosis"]
    assert not {"onset_kimg", "reason"} & tags.keys(), "there is none"
    assert server.tags("cc-s4")["outcome"] == "diverged"
    assert server.pictures("aa-s4") == ["000000000.png", "000002000.png"]
    assert server.rows("SELECT name FROM experiments WHERE experiment_id > 0") == [("digits-e3b0c4",)]
    assert max(posted(server).values()) == 1


@pytest.mark.slow
def test_a_resumed_study_goes_on_with_the_same_runs(tmp_path: Path, server: MlflowServer) -> None:
    """Nothing is sent twice, and the run of a trial that was finished is not asked for."""
    folder = tmp_path / "study"
    for session in range(2):
        with Store.writing(folder) as store, watching(folder, tracking(server, "mine")):
            driver = Driver(store)
            if session == 0:
                driver.interrupted()
            else:
                driver.tick("failed-s0", 3, Ended.BUDGET)
                driver.tick("open-s0", 2, Ended.BUDGET)
    assert server.status() == dict.fromkeys(("done-s0", "failed-s0", "open-s0"), "FINISHED")
    for trial in Store(folder).trials.values():
        assert curves(server, trial.trial_id) == expected(trial)
    assert max(posted(server).values()) == 1
    assert server.rows("SELECT name FROM experiments WHERE experiment_id > 0") == [("mine",)]


@pytest.mark.slow
def test_a_killed_process_doubles_nothing(tmp_path: Path, server: MlflowServer) -> None:
    said: list[str] = []
    folder = tmp_path / "study"
    with new_children() as started, Store.writing(folder) as store, watching(folder, tracking(server), say=said.append):
        driver = Driver(store)
        driver.open("aa-s0")
        driver.tick("aa-s0", 0)
        driver.tick("aa-s0", 1)
        wait_until(lambda: len(posted(server)) == 10)
        next(iter(started())).kill()
        driver.tick("aa-s0", 2, Ended.BUDGET)
    assert said == [f"MLflow: its process was ended by signal 9 (Killed); 1 of 1 trials are not complete there. {rest(folder)}"]
    with Store.writing(folder), watching(folder, tracking(server)):
        pass
    assert_all_there(server, folder)
    assert server.status() == {"aa-s0": "FINISHED"}
    assert max(posted(server).values()) == 1


REASONS = {
    "500": "too many 500 error",
    "401": "RestException",
    "hangs": "timed out",
    "dead": "connection refused",
    "loses": "too many 500 error",
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", REASONS)
def test_a_server_that_fails_does_not_stop_the_study_and_gets_the_rest_later(tmp_path: Path, server: MlflowServer, fault: str) -> None:
    said: list[str] = []
    folder = tmp_path / "study"
    with Store.writing(folder) as store, watching(folder, tracking(server), say=said.append, limit_s=60):
        driver = Driver(store)
        driver.whole("aa-s0")
        wait_until(lambda: "aa-s0" in written(Layout(folder).sent("mlflow")))  # the tracker has the server's answer
        if fault == "dead":
            server.stop()
        else:
            server.fault = fault
        driver.whole("bb-s0")
        driver.whole("cc-s0")
    (line,) = said
    assert line.startswith("MLflow: ")
    assert REASONS[fault] in line
    assert line.endswith(f"; 2 of 3 trials are not complete there. {rest(folder)}")
    assert f"could not be sent, and nothing is for {DOWN_S:g} s" in logged(folder)
    if fault == "dead":
        server.start()
    server.fault = ""
    with Store.writing(folder), watching(folder, tracking(server), say=said.append):
        pass
    assert len(said) == 1
    assert_all_there(server, folder)
    assert server.status() == dict.fromkeys(("aa-s0", "bb-s0", "cc-s0"), "FINISHED")
    if fault != "hangs":  # a request that hung may have been done later
        assert max(posted(server).values()) == 1


@pytest.mark.slow
def test_an_sqlite_file_needs_no_server(tmp_path: Path) -> None:
    said: list[str] = []
    folder = tmp_path / "study"
    with (
        Store.writing(folder) as store,
        watching(folder, Tracking(mlflow=MlflowConfig(uri=f"sqlite:///{tmp_path}/mlflow.db")), say=said.append),
    ):
        Driver(store).whole("aa-s4")
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as opened:
        found = opened.execute("SELECT step, value FROM metrics WHERE key = 'fd' ORDER BY step").fetchall()
    assert found == [(0, 100.0), (1000, 99.0), (2000, 98.0)]
    assert not said
    assert [path.name for path in sorted((tmp_path / "mlartifacts").rglob("*.png"))] == ["000000000.png", "000002000.png"]


ADDRESSES = {
    "": "it has no scheme, such as http://",
    "runs/mlflow": "it has no scheme, such as http://",
    "databricks": "it has no scheme, such as http://",
    "postgresql://host/db": "it begins with postgresql:",
    "http://": "it names no host",
    "http://host:port": "Port could not be cast",
    "sqlite:///": "it names no file",
    "sqlite:////no/such/folder/a.db": "the folder /no/such/folder does not exist",
    "mysql://me:secret@host/db": "it begins with mysql:",
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_that_cannot_work_is_refused(address: str) -> None:
    with pytest.raises(UserError, match=r"tracking\.mlflow must be the address of a server, .* or an SQLite file") as refused:
        check_trackers(Tracking(mlflow=MlflowConfig(uri=address)))
    assert ADDRESSES[address] in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "https://me:secret@host/path", "sqlite:///mlflow.db"])
def test_an_address_that_can_work_is_not_asked(address: str) -> None:
    check_trackers(Tracking(mlflow=MlflowConfig(uri=address)))


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("study.tracking.mlflow_tracker.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"tracking\.mlflow needs the package mlflow.*pip install 'ganstudy\[mlflow\]'"):
        check_trackers(Tracking(mlflow=MlflowConfig(uri="http://host")))


def test_batches_are_no_larger_than_mlflow_takes_and_runs_are_looked_up_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.store.entities import PagedList
    from mlflow.utils.validation import MAX_METRICS_PER_BATCH, MAX_PARAMS_TAGS_PER_BATCH

    sent: list[dict[str, Any]] = []
    asked: list[str] = []

    class Client:
        """Notes the batches."""

        def __init__(self, tracking_uri: str) -> None: ...

        def log_batch(self, run_id: str, **parts: Any) -> None:
            sent.append(parts)

        def search_runs(self, experiments: list[str], query: str, page_token: str | None) -> Any:
            asked.append(query.rpartition("tags.")[2])
            return PagedList([], None)

        def get_experiment_by_name(self, name: str) -> Any:
            return type("Experiment", (), {"experiment_id": "1"})

        def create_run(self, *_: object, **__: object) -> Any:
            return type("Run", (), {"info": type("Info", (), {"run_id": "r"})})

        def log_artifact(self, *_: object) -> None: ...

        def set_terminated(self, *_: object, **__: object) -> None: ...

    monkeypatch.setattr("mlflow.MlflowClient", Client)
    from study.tracking.mlflow_tracker import MlflowTracker

    receive(handing_over())
    (tmp_path / "wandb").mkdir()
    with Store.writing(tmp_path) as store:
        driver = Driver(store)
        driver.open("aa-s0", **{f"d.x{n}": n for n in range(250)})
        for tick in range(500):
            driver.tick("aa-s0", tick, Ended.BUDGET if tick == 499 else None)
        tracker = MlflowTracker(tmp_path, MlflowConfig(uri="http://host"), STUDY, Computing(tmp_path), limit_s=60)
        assert tracker.update(store.trials["aa-s0"], STUDY, last=True)
        batches = list(sent)
        for trial in ("bb-s0", "cc-s0"):
            driver.whole(trial)
            assert tracker.update(store.trials[trial], STUDY, last=True)
    assert asked == ["role = 'study'", "trial_id != ''"]
    sizes = {part: [len(batch[part]) for batch in batches if part in batch] for part in ("metrics", "params")}
    assert (sum(sizes["metrics"]), sum(sizes["params"])) == (500 * 5 + 1, 255)
    assert max(sizes["metrics"]) <= MAX_METRICS_PER_BATCH
    assert max(sizes["params"]) <= MAX_PARAMS_TAGS_PER_BATCH
    assert json.loads((tmp_path / "wandb" / "mlflow.jsonl").read_text().splitlines()[1])[:3] == ["aa-s0", 500, "budget"]
