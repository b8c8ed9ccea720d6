"""The mirrors say what the records say: each tick once, whoever is killed, and no server delays a study for longer than the limit."""

import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest
from PIL import Image
from wandb_files import read_runs
from wandb_server import WandbServer

from study.dashboard import distribution
from study.mirrors import Tracking, WandbConfig
from study.records import Closed, Ended, Measurement, Saved, StudyRecord
from study.store import Store
from study.tracking import DOWN_S, Tail, nested, watching

OFFLINE = Tracking(wandb=WandbConfig(mode="offline"))
ONLINE = Tracking(wandb=WandbConfig(mode="online"))
SPACE = {
    "scientific": {"g.lr": {"low": 1e-4, "high": 1e-2, "log": True}, "r1": [False, True]},
    "nuisance": {"d_steps": {"low": 1, "high": 5}},
}
SPEC = {"name": "digits", "space": SPACE, "score": {"metric": "fd", "direction": "minimize"}, "max_failures": 1}
# its runs are called digits-e3b0c4-…: the mark of a study that was created at no time
STUDY = StudyRecord(spec=SPEC, ruler={}, floors={"coverage": 0.9}, n_modes=10, provenance={})


@pytest.fixture(autouse=True)
def _no_key_and_no_leak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nobody's own W&B is touched, and no process outlives its test."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    yield
    wait_until(lambda: not psutil.Process().children(recursive=True))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WandbServer]:
    with WandbServer() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
        yield server


def wait_until(true: Callable[[], bool], limit_s: float = 30) -> None:
    end = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < end, "waited for too long"
        time.sleep(0.05)


class Driver:
    """Writes a study's folder as the Recorder does."""

    def __init__(self, store: Store):
        self.store = store
        if store.study is None:
            store.write_study(STUDY)

    def open(self, trial_id: str, **flat: Any) -> None:
        self.store.write(
            trial_id, opened={"phase": "explore", "flat": {"g.lr": 1e-3, "r1": True, "r1.gamma": 2.0, "d_steps": 2, "seed": 4, **flat}}
        )

    def tick(self, trial_id: str, tick: int, ended: Ended | None = None, reason: str = "", **values: float) -> None:
        images = 1000 * tick
        measured = Measurement(
            images=images, seconds=0.5 * tick, judge_seconds=0.1, values={"fd": 100.0 - tick, "modes": 10.0, "d/adv": 0.7, **values}
        )
        self.store.write(trial_id, measured=measured, closed=Closed(ended=ended, reason=reason) if ended else None)
        if ended not in (Ended.DEAD, Ended.ERROR):
            path = self.store.folder / "trials" / trial_id / "samples" / f"{images:09d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8), (tick, 0, 0)).save(path)
            self.store.write(trial_id, saved=Saved(images=images, path=f"trials/{trial_id}/{images}"))

    def whole(self, trial_id: str, ended: Ended = Ended.BUDGET, ticks: int = 3, **values: float) -> None:
        self.open(trial_id)
        for tick in range(ticks):
            self.tick(trial_id, tick, ended if tick == ticks - 1 else None, **values)


def logged(folder: Path) -> str:
    return (folder / "wandb" / "log.txt").read_text()


def finished(folder: Path) -> dict[str, Any]:
    path = folder / "wandb" / "mirrored.json"
    return dict(json.loads(path.read_text())) if path.exists() else {}


def test_naming_a_mirror_imports_none() -> None:
    code = "import sys, study.tracking; sys.exit(bool({'wandb', 'optuna', 'torch', 'pandas'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_run_says_what_the_record_says(tmp_path: Path) -> None:
    said: list[str] = []
    with Store.writing(tmp_path) as store, watching(tmp_path, OFFLINE, say=said.append):
        driver = Driver(store)
        driver.whole("aa-s4")
        driver.whole("bb-s4", Ended.SCHEDULER, modes=2.0)
        driver.whole("cc-s4", Ended.DEAD)
        driver.whole("dd-s4", Ended.ERROR)
        driver.open("ee-s4")
        driver.tick("ee-s4", 0)
    runs = read_runs(tmp_path)
    assert {run_id: run.exit_code for run_id, run in runs.items()} == {
        "digits-e3b0c4-aa-s4": 0,
        "digits-e3b0c4-bb-s4": 0,
        "digits-e3b0c4-cc-s4": 0,
        "digits-e3b0c4-dd-s4": 1,
        "digits-e3b0c4-ee-s4": 255,
    }
    run = runs["digits-e3b0c4-aa-s4"]
    assert (run.id, run.name, run.group, run.job_type, run.tags) == ("digits-e3b0c4-aa-s4", "aa-s4", "digits", "explore", ["r1"])
    assert run.config["g"] == {"lr": 1e-3}
    assert run.config["r1"] == {"on": True, "gamma": 2.0}
    assert run.config["config_id"] == "aa"
    assert run.steps == [0, 1, 2]
    assert run.step_metrics == {"*": "images"}
    assert [(row["images"], row["fd"], row["d/adv"]) for row in run.history] == [(0, 100.0, 0.7), (1000, 99.0, 0.7), (2000, 98.0, 0.7)]
    pictures = [next(tmp_path.glob(f"wandb/*-aa-s4/files/{row['samples/path']}")) for row in run.history]
    assert [Image.open(path).getpixel((0, 0)) for path in pictures] == [(0, 0, 0), (1, 0, 0), (2, 0, 0)]
    assert run.summary["fd"] == 98.0
    outcomes = {run_id[-5:-3]: (run.summary["ended"], run.summary["outcome"]) for run_id, run in runs.items() if "ended" in run.summary}
    assert outcomes == {
        "aa": ("budget", "healthy"),
        "bb": ("scheduler", "mode_collapse"),
        "cc": ("dead", "diverged"),
        "dd": ("error", ""),
    }
    assert "samples/path" not in runs["digits-e3b0c4-cc-s4"].history[-1]
    assert runs["digits-e3b0c4-dd-s4"].summary["failures"] == 1
    assert said == [f"W&B: 5 runs were written offline; send them with `wandb sync {tmp_path}/wandb/offline-run-*`"]


def test_a_resumed_study_goes_on_in_the_same_runs(tmp_path: Path) -> None:
    """An interrupted trial, one that failed and is tried again, and a finished one that is left alone."""
    for session in range(2):
        with Store.writing(tmp_path) as store, watching(tmp_path, OFFLINE, say=lambda line: None):
            driver = Driver(store)
            if session == 0:
                driver.whole("done-s0")
                driver.whole("failed-s0", Ended.ERROR)
                driver.open("open-s0")
                driver.tick("open-s0", 0)
                driver.tick("open-s0", 1)
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


DRIVER = """
    import sys
    from pathlib import Path
    from test_tracking import Driver, Ended, Store, Tracking, WandbConfig, watching

    folder = Path(sys.argv[1])
    with Store.writing(folder) as store, watching(folder, Tracking(wandb=WandbConfig(mode=sys.argv[2])), limit_s=20):
        driver = Driver(store)
        for line in sys.stdin:  # tick n of the study, eight to a trial
            trial, tick = divmod(int(line), 8)
            if f"t{trial}-s0" not in store.trials:
                driver.open(f"t{trial}-s0")
            driver.tick(f"t{trial}-s0", tick, Ended.BUDGET if tick == 7 else None)
"""


def start_driver(folder: Path, mode: str, ticks: range) -> "subprocess.Popen[bytes]":
    """It writes these ticks, and then waits for its input to be closed."""
    here = Path(__file__).parent
    path = os.pathsep.join(map(str, (here.parents[1], here.parent, here)))
    command = [sys.executable, "-c", textwrap.dedent(DRIVER), str(folder), mode]
    driver = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}, stdin=subprocess.PIPE)
    assert driver.stdin
    driver.stdin.write("".join(f"{tick}\n" for tick in ticks).encode())
    driver.stdin.flush()
    return driver


@pytest.mark.parametrize("mode", ["offline", pytest.param("online", marks=pytest.mark.slow)])
def test_each_tick_is_there_once_whoever_is_killed(tmp_path: Path, mode: str, server: WandbServer) -> None:
    """First the driver, whose mirror ends by itself, and the next one waits for it; then the mirror; then all three with wandb-core."""
    expected = {f"digits-e3b0c4-t{n}-s0": list(range(8)) for n in range(4)}
    with start_driver(tmp_path, mode, range(12)) as driver:
        wait_until(lambda: len(finished(tmp_path)) == 1)
        mirrors = psutil.Process(driver.pid).children(recursive=True)
        driver.kill()
    with start_driver(tmp_path, mode, range(12, 20)) as driver:
        wait_until(lambda: len(finished(tmp_path)) == 2)
        mirrors += psutil.Process(driver.pid).children(recursive=True)
        psutil.Process(driver.pid).children()[0].kill()
    assert driver.returncode == 0
    with start_driver(tmp_path, mode, range(20, 28)) as driver:
        wait_until(lambda: len(finished(tmp_path)) == 3)
        mirrors += psutil.Process(driver.pid).children(recursive=True)
        driver.kill()
        for mirror in mirrors:
            with suppress(psutil.NoSuchProcess):
                mirror.kill()
    with start_driver(tmp_path, mode, range(28, 32)) as driver:
        pass
    assert driver.returncode == 0
    _, left = psutil.wait_procs(mirrors, timeout=20)
    assert not left
    if mode == "offline":
        runs = read_runs(tmp_path)
        assert {run_id: run.steps for run_id, run in runs.items()} == expected
        assert {run.exit_code for run in runs.values()} == {0}
    else:
        assert {run_id: server.steps(run_id) for run_id in server.runs} == expected
        assert server.exits == dict.fromkeys(expected, 0)


def test_online_runs_arrive(tmp_path: Path, server: WandbServer) -> None:
    said: list[str] = []
    with Store.writing(tmp_path) as store, watching(tmp_path, Tracking(wandb=WandbConfig(entity="team", project="gans")), say=said.append):
        Driver(store).whole("aa-s4")
        Driver(store).whole("dd-s4", Ended.ERROR)
    assert server.steps("digits-e3b0c4-aa-s4") == [0, 1, 2]
    assert [row["fd"] for row in server.rows["digits-e3b0c4-aa-s4"]] == [100.0, 99.0, 98.0]
    assert server.exits == {"digits-e3b0c4-aa-s4": 0, "digits-e3b0c4-dd-s4": 1}
    assert sum(path.endswith(".png") for path in server.uploads) == 5
    told = server.runs["digits-e3b0c4-aa-s4"]
    assert (told["project"], told["entity"], told["groupName"], told["jobType"]) == ("gans", "team", "digits", "explore")
    assert not said
    assert not [*tmp_path.glob("wandb/offline-run-*")]


def sync(folder: Path) -> None:
    runs = [str(path) for path in folder.glob("wandb/offline-run-*")]
    subprocess.run([sys.executable, "-m", "wandb", "sync", *runs], check=True, capture_output=True, cwd=folder)


@pytest.mark.parametrize("failure", ["refuses", *(pytest.param(failure, marks=pytest.mark.slow) for failure in ("hangs", "dead", "key"))])
def test_without_a_server_runs_are_written_offline_and_can_be_sent_later(tmp_path: Path, server: WandbServer, failure: str) -> None:
    said: list[str] = []
    config = WandbConfig(mode="online", base_url="http://127.0.0.1:9" if failure == "dead" else None)
    server.status = {"refuses": 500, "key": 401}.get(failure)
    server.hang_s = 60.0 if failure == "hangs" else 0.0
    with Store.writing(tmp_path) as store, watching(tmp_path, Tracking(wandb=config), say=said.append, limit_s=9):
        Driver(store).whole("aa-s4")
        Driver(store).whole("bb-s4")
    assert {run_id: run.steps for run_id, run in read_runs(tmp_path).items()} == {
        "digits-e3b0c4-aa-s4": [0, 1, 2],
        "digits-e3b0c4-bb-s4": [0, 1, 2],
    }
    assert said == [f"W&B: 2 runs were written offline; send them with `wandb sync {tmp_path}/wandb/offline-run-*`"]
    assert logged(tmp_path).count(f"runs are written offline for {DOWN_S:g} s") == 1
    server.status, server.hang_s = None, 0.0
    if failure == "refuses":
        sync(tmp_path)
        assert server.steps("digits-e3b0c4-aa-s4") == server.steps("digits-e3b0c4-bb-s4") == [0, 1, 2]


@pytest.mark.parametrize("heals", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_server_that_fails_in_between(tmp_path: Path, server: WandbServer, heals: bool) -> None:
    """Healed in time, all arrives; else the run is written again, offline, and sending it later makes it whole."""
    said: list[str] = []
    with Store.writing(tmp_path) as store, watching(tmp_path, ONLINE, say=said.append, limit_s=12):
        driver = Driver(store)
        driver.open("aa-s4")
        driver.tick("aa-s4", 0)
        wait_until(lambda: "digits-e3b0c4-aa-s4" in server.runs)
        server.status = 500
        asked = server.requests
        driver.tick("aa-s4", 1)
        wait_until(lambda: server.requests > asked)
        driver.tick("aa-s4", 2)
        if heals:
            server.status = None
        driver.tick("aa-s4", 3, Ended.BUDGET)
    assert bool(said) != heals
    if not heals:
        assert read_runs(tmp_path)["digits-e3b0c4-aa-s4"].steps == [0, 1, 2, 3]
        server.status = None
        sync(tmp_path)
    assert server.steps("digits-e3b0c4-aa-s4") == [0, 1, 2, 3]
    assert server.exits == {"digits-e3b0c4-aa-s4": 0}


def test_the_end_is_bounded(tmp_path: Path, server: WandbServer) -> None:
    """Too many open runs for a server that hangs: the driver goes, says what is left, and a resumed study makes up for it."""
    said: list[str] = []
    with Store.writing(tmp_path) as store, watching(tmp_path, ONLINE, say=said.append, limit_s=4):
        driver = Driver(store)
        for n in range(5):
            driver.open(f"t{n}-s0")
            driver.tick(f"t{n}-s0", 0)
        wait_until(lambda: len(server.runs) == 5)
        server.hang_s = 60.0
        for n in range(5):
            driver.tick(f"t{n}-s0", 1, Ended.BUDGET)
        psutil.Process().children()[0].suspend()  # as if it hung itself
    assert len(said) == 1
    assert "not done within 4 s" in said[0]
    assert "5 of 5 runs are not complete" in said[0]
    assert "wandb sync" in said[0]
    server.hang_s = 0.0
    with Store.writing(tmp_path), watching(tmp_path, ONLINE, say=said.append):
        pass
    assert {run_id: server.steps(run_id) for run_id in server.runs} == {f"digits-e3b0c4-t{n}-s0": [0, 1] for n in range(5)}
    assert len(said) == 1


def test_auto_is_online_where_a_key_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, own = WandbConfig(), WandbConfig(base_url="https://wandb.example.org")
    assert config.resolved() == "offline"
    (tmp_path / "netrc").write_text("machine wandb.example.org login user password " + "k" * 40)
    assert (config.resolved(), own.resolved()) == ("offline", "online")
    settings = tmp_path / ".config" / "wandb" / "settings"
    settings.parent.mkdir(parents=True)
    settings.write_text("[default]\nbase_url = https://wandb.example.org\n")
    assert config.resolved() == "online"
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert config.resolved() == "disabled"
    monkeypatch.delenv("WANDB_MODE")
    settings.unlink()
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    assert config.resolved() == "online"


def test_where_nothing_is_mirrored_nothing_is_started(tmp_path: Path) -> None:
    for tracking in (Tracking(), Tracking(wandb=WandbConfig(mode="disabled"))):
        with watching(tmp_path, tracking):
            assert not psutil.Process().children()
    assert not [*tmp_path.iterdir()]


def test_a_torn_line_is_read_once_it_is_whole(tmp_path: Path) -> None:
    whole = b'{"trial": "aa", "opened": {"phase": "explore", "flat": {}}}\n'
    path = tmp_path / "records.jsonl"
    tail = Tail(tmp_path)
    assert tail.read_on() == []
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        assert tail.read_on() == []
    path.write_bytes(whole)
    assert tail.read_on() == ["aa"]
    assert tail.read_on() == []


@pytest.mark.parametrize(
    ("flat", "deep"),
    [
        ({"g.lr": 1.0, "seed": 0}, {"g": {"lr": 1.0}, "seed": 0}),
        ({"r1": True, "r1.gamma": 2}, {"r1": {"on": True, "gamma": 2}}),
        ({"r1": False}, {"r1": {"on": False}}),
        ({"data": "digits", "data.size": 100}, {"data": {"name": "digits", "size": 100}}),
        ({"data": "digits"}, {"data": "digits"}),
        ({"data.download": True}, {"data": {"download": True}}),
    ],
)
def test_a_config_is_nested(flat: dict[str, Any], deep: dict[str, Any]) -> None:
    assert nested(flat) == deep


def test_spaces_are_read_as_the_records_hold_them() -> None:
    from study.space import as_given

    for given in (
        optuna.distributions.CategoricalDistribution([False, True]),
        optuna.distributions.FloatDistribution(1.0, 10.0, log=True),
        optuna.distributions.FloatDistribution(0.0, 1.0, step=0.25),
        optuna.distributions.IntDistribution(1, 9),
        optuna.distributions.IntDistribution(1, 9, step=2),
    ):
        assert distribution(json.loads(json.dumps(as_given(given)))) == given


@pytest.mark.parametrize("address", ["sqlite:///{}/mirror.db", pytest.param("{}/mirror.log", marks=pytest.mark.slow)])
def test_optuna_dashboard_shows_the_finished_trials(tmp_path: Path, address: str) -> None:
    from optuna_dashboard._app import create_app

    tracking = Tracking(optuna=address.format(tmp_path))
    for session in range(2):
        with Store.writing(tmp_path) as store, watching(tmp_path, tracking):
            driver = Driver(store)
            if session == 0:
                driver.whole("aa-s4")
                driver.whole("bb-s4", Ended.SCHEDULER)
                driver.whole("cc-s4", Ended.DEAD)
                driver.whole("dd-s4", Ended.ERROR)  # tried once more
                driver.open("ee-s4", d_steps=9)  # outside of the space, as a confirmed config may be
            else:
                driver.tick("dd-s4", 3, Ended.ERROR, reason="CUDA out of memory")
                driver.tick("ee-s4", 0, Ended.BUDGET)
    storage = (
        optuna.storages.RDBStorage(address.format(tmp_path))
        if "sqlite" in address
        else optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(address.format(tmp_path)))
    )
    study = optuna.load_study(study_name="digits", storage=storage)
    trials = {trial.user_attrs["trial_id"]: trial for trial in study.trials}
    assert len(study.trials) == len(trials) == 5
    assert {trial_id: (trial.state.name, trial.value) for trial_id, trial in trials.items()} == {
        "aa-s4": ("COMPLETE", 98.0),
        "bb-s4": ("PRUNED", 98.0),
        "cc-s4": ("PRUNED", None),
        "dd-s4": ("FAIL", None),
        "ee-s4": ("COMPLETE", 100.0),
    }
    assert trials["aa-s4"].params == {"g.lr": 1e-3, "r1": True, "d_steps": 2}
    assert trials["aa-s4"].intermediate_values == {0: 100.0, 1000: 99.0, 2000: 98.0}
    assert trials["ee-s4"].params == {"g.lr": 1e-3, "r1": True}
    assert trials["cc-s4"].user_attrs == {
        "trial_id": "cc-s4",
        "phase": "explore",
        "seed": 4,
        "ended": "dead",
        "outcome": "diverged",
        "reason": "",
        "failures": 0,
    }
    assert trials["dd-s4"].user_attrs["reason"] == "CUDA out of memory"
    shown = ask(create_app(storage), "/api/studies/0" if "log" in address else f"/api/studies/{study._study_id}")
    assert sorted(trial["state"] for trial in shown["trials"]) == ["Complete", "Complete", "Fail", "Pruned", "Pruned"]
    if "sqlite" in address:
        storage.engine.dispose()


def ask(app: Any, path: str) -> Any:
    """What a WSGI application answers to GET."""
    from wsgiref.util import setup_testing_defaults

    environ: dict[str, Any] = {"PATH_INFO": path, "QUERY_STRING": "after=0"}
    setup_testing_defaults(environ)
    return json.loads(b"".join(app(environ, lambda status, headers, exc_info=None: None)))


def test_one_mirror_that_breaks_leaves_the_other(tmp_path: Path) -> None:
    said: list[str] = []
    tracking = Tracking(wandb=WandbConfig(mode="offline"), optuna=f"sqlite:///{tmp_path}/not/there.db")
    with Store.writing(tmp_path) as store, watching(tmp_path, tracking, say=said.append):
        Driver(store).whole("aa-s4")
    assert read_runs(tmp_path)["digits-e3b0c4-aa-s4"].steps == [0, 1, 2]
    assert len(said) == 1
    assert "stopped by an error" in said[0]
    assert "Optuna is no longer mirrored" in logged(tmp_path)
