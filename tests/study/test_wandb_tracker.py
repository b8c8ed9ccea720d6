"""The W&B tracker: runs match the records, online and offline, also if the server fails."""

import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock, call

import pytest
import wandb
from PIL import Image
from recorded import OFFLINE, ONLINE, Driver, wait_until
from wandb_files import read_runs
from wandb_server import WandbServer

from study.spec.tracking import Tracking, WandbConfig
from study.store.layout import Layout
from study.store.records import Ended
from study.store.store import Store
from study.tracking import wandb_client
from study.tracking.process import watching
from study.tracking.wandb_client import DOWN_S

pytestmark = pytest.mark.usefixtures("own_wandb", "forked_tracking")


def logged(folder: Path) -> str:
    """The log of the tracking process."""
    return (folder / "wandb" / "log.txt").read_text()


def test_a_run_matches_the_record(tmp_path: Path) -> None:
    folder = tmp_path / "my runs"
    said: list[str] = []
    with Store.writing(folder) as store, watching(folder, OFFLINE, say=said.append):
        driver = Driver(store)
        driver.open("aa-s4", budget_kimg=2.0)
        for tick in range(3):
            driver.tick("aa-s4", tick, Ended.BUDGET if tick == 2 else None)
        driver.whole("bb-s4", Ended.SCHEDULER, modes=2.0)
        driver.whole("cc-s4", Ended.DEAD)
        driver.whole("dd-s4", Ended.ERROR)
        driver.open("ee-s4")
        driver.tick("ee-s4", 0)
    runs = read_runs(folder)
    assert {run_id: run.exit_code for run_id, run in runs.items()} == {
        "digits-e3b0c4-aa-s4": 0,
        "digits-e3b0c4-bb-s4": 0,
        "digits-e3b0c4-cc-s4": 0,
        "digits-e3b0c4-dd-s4": 1,
        "digits-e3b0c4-ee-s4": 255,
    }
    run = runs["digits-e3b0c4-aa-s4"]
    assert (run.id, run.group, run.job_type) == ("digits-e3b0c4-aa-s4", "digits", "explore")
    assert run.name == "g.lr=0.001, r1, d_steps=2, r1.gamma=2, budget_kimg=2, seed=4"
    assert {run_id[-5:-3]: run.tags for run_id, run in runs.items()} == {
        "aa": ["explore", "healthy"],
        "bb": ["explore", "undertrained"],
        "cc": ["explore", "diverged"],
        "dd": ["explore", "error"],
        "ee": ["explore"],
    }
    assert run.config["g"]["lr"] == 1e-3
    assert (run.config["r1"]["on"], run.config["r1"]["gamma"]) == (True, 2.0)
    assert run.config["tick_kimg"] == 2.0, "defaults are in the config too"
    assert (run.config["config_id"], run.config["phase"]) == ("aa", "explore")
    assert run.steps == [0, 1, 2]
    assert run.step_metrics == {"*": "images"}
    assert [(row["images"], row["fd"], row["d/adv"]) for row in run.history] == [(0, 100.0, 0.7), (1000, 99.0, 0.7), (2000, 98.0, 0.7)]
    assert not [name for row in run.history for name in row if name.startswith("baseline")], "fd has no baseline in this study"
    pictures = [next(folder.glob(f"wandb/*-aa-s4/files/{row['samples/path']}")) for row in run.history]
    assert [Image.open(path).getpixel((0, 0)) for path in pictures] == [(0, 0, 0), (1, 0, 0), (2, 0, 0)]
    assert run.summary["fd"] == run.summary["final/fd"] == run.summary["best/fd"] == 98.0
    assert (run.summary["best/fd_images"], run.summary["cost_seconds"]) == (2000, pytest.approx(1.1))
    assert "final/fd" not in runs["digits-e3b0c4-bb-s4"].summary, "it was stopped before the end of its budget"
    outcomes = {run_id[-5:-3]: (run.summary["ended"], run.summary["outcome"]) for run_id, run in runs.items() if "ended" in run.summary}
    assert outcomes == {
        "aa": ("budget", "healthy"),
        "bb": ("scheduler", "undertrained"),
        "cc": ("dead", "diverged"),
        "dd": ("error", ""),
    }
    assert runs["digits-e3b0c4-bb-s4"].summary["diagnosis"].startswith("has hardly begun: kimg 2, limit 5")
    assert {run_id[-5:-3]: run.summary["failed"] for run_id, run in runs.items() if "ended" in run.summary} == {
        "aa": False,
        "bb": False,
        "cc": True,
        "dd": False,
    }
    assert runs["digits-e3b0c4-ee-s4"].summary["diagnosis"] == "not trained yet: no evidence"  # from the ticks so far
    assert run.config["baselines"] == Store(folder).study.baselines  # type: ignore[union-attr]
    assert "samples/path" not in runs["digits-e3b0c4-cc-s4"].history[-1]
    assert runs["digits-e3b0c4-dd-s4"].summary["failures"] == 1
    assert said == [f"W&B: 5 runs were written offline; send them with `ganstudy sync '{folder}'`"]


@pytest.mark.slow
def test_a_resumed_study_continues_the_same_runs(tmp_path: Path) -> None:
    """An interrupted trial, a failed one that is retried, and a finished one whose run does not change."""
    for session in range(2):
        with Store.writing(tmp_path) as store, watching(tmp_path, OFFLINE, say=lambda line: None):
            driver = Driver(store)
            if session == 0:
                driver.interrupted()
            else:
                before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("run-digits-e3b0c4-done-s0.wandb")}
                driver.tick("failed-s0", 3, Ended.BUDGET)
                driver.tick("open-s0", 2, Ended.BUDGET)
    runs = read_runs(tmp_path)
    assert {run_id: run.steps for run_id, run in runs.items()} == {
        "digits-e3b0c4-done-s0": [0, 1, 2],
        "digits-e3b0c4-failed-s0": [0, 1, 2, 3],
        "digits-e3b0c4-open-s0": [0, 1, 2],
    }
    assert {run.exit_code for run in runs.values()} == {0}
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("run-digits-e3b0c4-done-s0.wandb")} == before


def test_folders_of_runs_are_looked_up_once_and_again_after_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each run of a study would look through those of all others. A run that is started again is written from the start."""
    layout, look = Layout(tmp_path), Mock(wraps=wandb_client._folders)
    monkeypatch.setattr(wandb_client, "_folders", look)
    layout.tracking.mkdir()
    client = wandb_client.Client(layout, WandbConfig(), mode="offline", patience_s=300)
    for failed in (False, True):
        for run_id in ("aa", "bb", "aa"):
            client.start(run_id).finish()
        if failed:
            client.failed(TimeoutError("no answer"))
            client.start("aa").finish()
        assert sorted(path.name for path in tmp_path.glob("wandb/*run-*/*.wandb")) == ["run-aa.wandb", "run-bb.wandb"]
    wandb.teardown()
    assert look.mock_calls == [call(layout), call(layout)]


def test_online_runs_reach_the_server(tmp_path: Path, server: WandbServer) -> None:
    said: list[str] = []
    with Store.writing(tmp_path) as store, watching(tmp_path, Tracking(wandb=WandbConfig(entity="team", project="gans")), say=said.append):
        Driver(store).whole("aa-s4")
        Driver(store).whole("dd-s4", Ended.ERROR)
    assert server.steps("digits-e3b0c4-aa-s4") == [0, 1, 2]
    assert [row["fd"] for row in server.rows["digits-e3b0c4-aa-s4"]] == [100.0, 99.0, 98.0]
    assert server.exits == {"digits-e3b0c4-aa-s4": 0, "digits-e3b0c4-dd-s4": 1}
    assert sum(path.endswith(".png") for path in server.uploads) == 3, (
        "the first and the last of a tenth of a budget; one of a trial that broke"
    )
    run = server.runs["digits-e3b0c4-aa-s4"]
    assert (run["project"], run["entity"], run["groupName"], run["jobType"]) == ("gans", "team", "digits", "explore")
    assert not said
    assert not [*tmp_path.glob("wandb/offline-run-*")]


def sync(folder: Path) -> None:
    runs = [str(path) for path in folder.glob("wandb/offline-run-*")]
    subprocess.run([sys.executable, "-m", "wandb", "sync", *runs], check=True, capture_output=True, cwd=folder)


@pytest.mark.slow
@pytest.mark.parametrize("failure", ["refuses", "hangs", "dead", "key"])
def test_without_a_server_runs_are_written_offline_and_can_be_synced(tmp_path: Path, server: WandbServer, failure: str) -> None:
    said: list[str] = []
    config = WandbConfig(mode="online", base_url="http://127.0.0.1:9" if failure == "dead" else None)
    server.status = {"refuses": 500, "key": 401}.get(failure)
    server.hang_s = 60.0 if failure == "hangs" else 0.0
    with Store.writing(tmp_path) as store, watching(tmp_path, Tracking(wandb=config), say=said.append, limit_s=30):
        Driver(store).whole("aa-s4")
        Driver(store).whole("bb-s4")
    assert {run_id: run.steps for run_id, run in read_runs(tmp_path).items()} == {
        "digits-e3b0c4-aa-s4": [0, 1, 2],
        "digits-e3b0c4-bb-s4": [0, 1, 2],
    }
    assert said == [f"W&B: 2 runs were written offline; send them with `ganstudy sync {tmp_path}`"]
    assert logged(tmp_path).count(f"runs are written offline for {DOWN_S:g} s") == 1
    server.status, server.hang_s = None, 0.0
    if failure == "refuses":
        sync(tmp_path)
        assert server.steps("digits-e3b0c4-aa-s4") == server.steps("digits-e3b0c4-bb-s4") == [0, 1, 2]


@pytest.mark.slow
@pytest.mark.parametrize("recovers", [False, True])
def test_a_server_that_fails_during_a_run(tmp_path: Path, server: WandbServer, recovers: bool) -> None:
    """If the server recovers in time, it receives all. Else the run is rewritten offline, and syncing it completes the server's run."""
    said: list[str] = []
    with Store.writing(tmp_path) as store, watching(tmp_path, ONLINE, say=said.append, limit_s=60 if recovers else 12):
        driver = Driver(store)
        driver.open("aa-s4")
        driver.tick("aa-s4", 0)
        wait_until(lambda: "digits-e3b0c4-aa-s4" in server.runs)
        server.status = 500
        before = server.requests
        driver.tick("aa-s4", 1)
        wait_until(lambda: server.requests > before)
        driver.tick("aa-s4", 2)
        if recovers:
            server.status = None
        driver.tick("aa-s4", 3, Ended.BUDGET)
    assert bool(said) != recovers
    if not recovers:
        assert read_runs(tmp_path)["digits-e3b0c4-aa-s4"].steps == [0, 1, 2, 3]
        server.status = None
        sync(tmp_path)
    assert server.steps("digits-e3b0c4-aa-s4") == [0, 1, 2, 3]
    assert server.exits == {"digits-e3b0c4-aa-s4": 0}
