"""The tracking process: each tick is logged once even if processes are killed, and a server delays a study at most by the limit."""

import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from recorded import ONLINE, SPEC, STUDY, Driver, wait_until
from wandb_files import read_runs
from wandb_server import WandbServer
from workers import new_children

from study.spec.tracking import MlflowConfig, TensorboardConfig, Tracking, WandbConfig
from study.store.layout import Layout
from study.store.records import Ended, StudyRecord, TrialRecord
from study.store.store import Store
from study.tracking.process import watching
from study.tracking.runs import note, written
from study.tracking.tracker import Tail, Tracker, follow

pytestmark = pytest.mark.usefixtures("own_wandb")


def finished(folder: Path) -> dict[str, Any]:
    """The trials whose W&B runs are complete."""
    return written(Layout(folder).sent("wandb"))


def test_importing_the_tracking_module_imports_no_client() -> None:
    code = "import sys, study.tracking.process; sys.exit(bool({'wandb', 'optuna', 'mlflow', 'tensorboard', 'torch', 'pandas'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_the_process_needs_no_torch(tmp_path: Path) -> None:
    """Which is two thirds of its memory: not for the names and configs of runs, not for the budget of a base that leaves it to the default, and not for a
    definition of failure that names a signal. Each tracker has written the trial."""
    everything = Tracking(
        wandb=WandbConfig(mode="offline"),
        tensorboard=TensorboardConfig(),
        mlflow=MlflowConfig(uri=f"sqlite:///{tmp_path}/mlflow.db"),
        optuna=f"{tmp_path}/journal.log",
    )
    folder = tmp_path / "study"
    with Store.writing(folder) as store:
        store.write_study(replace(STUDY, spec={**SPEC, "n_configs": 2, "failure": "coverage < 0.5 or d/real_logit > 50"}))
        Driver(store).whole("aa-s4")
        with new_children() as started, watching(folder, everything, limit_s=120):
            written = [folder / "wandb" / name for name in ("wandb.jsonl", "tensorboard.jsonl", "mlflow.jsonl")]
            wait_until(lambda: all(map(Path.exists, written)) and "journal.log" in os.listdir(tmp_path), limit_s=120)
            (process,) = started()
            libraries = [mapped.path for mapped in process.memory_maps() if mapped.path.endswith(".so")]
    assert any("pandas" in path for path in libraries)
    assert not [path for path in libraries if "torch" in path]


DRIVER = """
    import sys
    from pathlib import Path
    from recorded import Driver, Tracking, WandbConfig
    from study.store.records import Ended, StudyRecord, TrialRecord
    from study.store.store import Store
    from study.tracking.process import watching

    folder = Path(sys.argv[1])
    with Store.writing(folder) as store, watching(folder, Tracking(wandb=WandbConfig(mode=sys.argv[2])), limit_s=60):
        driver = Driver(store)
        for line in sys.stdin:  # tick n of the study; a trial has eight
            trial, tick = divmod(int(line), 8)
            if f"t{trial}-s0" not in store.trials:
                driver.open(f"t{trial}-s0")
            driver.tick(f"t{trial}-s0", tick, Ended.BUDGET if tick == 7 else None)
"""


def start_driver(folder: Path, mode: str, ticks: range) -> "subprocess.Popen[bytes]":
    """Start a driver that writes these ticks, then waits until its stdin is closed."""
    here = Path(__file__).parent
    path = os.pathsep.join(map(str, (here.parents[1], here.parent, here)))
    command = [sys.executable, "-c", textwrap.dedent(DRIVER), str(folder), mode]
    driver = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}, stdin=subprocess.PIPE)
    assert driver.stdin
    driver.stdin.write("".join(f"{tick}\n" for tick in ticks).encode())
    driver.stdin.flush()
    return driver


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["offline", "online"])
def test_each_tick_is_logged_once_if_processes_are_killed(tmp_path: Path, mode: str, server: WandbServer) -> None:
    """First kills the driver, so that the next tracking process waits for the old one. Then the tracking process. Then all, with wandb-core."""
    expected = {f"digits-e3b0c4-t{n}-s0": list(range(8)) for n in range(4)}
    with start_driver(tmp_path, mode, range(12)) as driver:
        wait_until(lambda: len(finished(tmp_path)) == 1)
        trackers = psutil.Process(driver.pid).children(recursive=True)
        driver.kill()
    with start_driver(tmp_path, mode, range(12, 20)) as driver:
        wait_until(lambda: len(finished(tmp_path)) == 2)
        trackers += psutil.Process(driver.pid).children(recursive=True)
        psutil.Process(driver.pid).children()[0].kill()
    assert driver.returncode == 0
    with start_driver(tmp_path, mode, range(20, 28)) as driver:
        wait_until(lambda: len(finished(tmp_path)) == 3)
        trackers += psutil.Process(driver.pid).children(recursive=True)
        driver.kill()
        for tracker in trackers:
            with suppress(psutil.NoSuchProcess):
                tracker.kill()
    with start_driver(tmp_path, mode, range(28, 32)) as driver:
        pass
    assert driver.returncode == 0
    _, left = psutil.wait_procs(trackers, timeout=20)
    assert not left
    if mode == "offline":
        runs = read_runs(tmp_path)
        assert {run_id: run.steps for run_id, run in runs.items()} == expected
        assert {run.exit_code for run in runs.values()} == {0}
    else:
        assert {run_id: server.steps(run_id) for run_id in server.runs} == expected
        assert server.exits == dict.fromkeys(expected, 0)


@pytest.mark.slow
def test_the_time_after_a_study_is_limited(tmp_path: Path, server: WandbServer) -> None:
    """With a server that hangs, the driver exits and reports incomplete runs. Resuming the study completes them."""
    said: list[str] = []
    with new_children() as started, Store.writing(tmp_path) as store, watching(tmp_path, ONLINE, say=said.append, limit_s=24):
        driver = Driver(store)
        for n in range(5):
            driver.open(f"t{n}-s0")
            driver.tick(f"t{n}-s0", 0)
        wait_until(lambda: len(server.runs) == 5)
        server.hang_s = 60.0
        for n in range(5):
            driver.tick(f"t{n}-s0", 1, Ended.BUDGET)
        next(iter(started())).suspend()  # pretend that the tracking process hangs too
    assert len(said) == 1
    assert "not finished within 24 s" in said[0]
    assert "5 of 5 runs are not complete" in said[0]
    assert "ganstudy sync" in said[0]
    server.hang_s = 0.0
    with Store.writing(tmp_path), watching(tmp_path, ONLINE, say=said.append):
        pass
    assert {run_id: server.steps(run_id) for run_id in server.runs} == {f"digits-e3b0c4-t{n}-s0": [0, 1] for n in range(5)}
    assert len(said) == 1


def test_auto_is_online_if_there_is_an_api_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_without_trackers_no_process_is_started(tmp_path: Path) -> None:
    for tracking in (Tracking(), Tracking(wandb=WandbConfig(mode="disabled"))):
        with new_children() as started, watching(tmp_path, tracking):
            assert not started()
    assert not [*tmp_path.iterdir()]


def test_an_incomplete_line_is_read_when_it_is_complete(tmp_path: Path) -> None:
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


class Remembers:
    """A tracker that knows what it was told. It waits at each update."""

    def __init__(self, wait: Callable[[], object] = lambda: None):
        self.wait, self.ticks, self.closed = wait, dict[str, int](), False

    def update(self, trial: TrialRecord, study: StudyRecord, *, last: bool) -> bool:
        self.wait()
        self.ticks[trial.trial_id] = len(trial.measurements)
        return True

    def close(self) -> None:
        self.closed = True


def test_a_slow_tracker_delays_no_other(tmp_path: Path) -> None:
    answers, ending = threading.Event(), threading.Event()
    slow, quick = Remembers(lambda: answers.wait(30)), Remembers()
    with Store.writing(tmp_path) as store:
        makers: dict[str, Callable[[StudyRecord], Tracker]] = {"slow": lambda study: slow, "quick": lambda study: quick}
        following = threading.Thread(target=follow, args=(Tail(tmp_path), makers, ending))
        following.start()
        driver = Driver(store)
        driver.whole("aa-s4")
        wait_until(lambda: quick.ticks == {"aa-s4": 3})
        driver.whole("bb-s4")
        wait_until(lambda: quick.ticks == {"aa-s4": 3, "bb-s4": 3})
        assert not slow.ticks
        ending.set()
        wait_until(lambda: quick.closed)
        answers.set()
        following.join()
    assert slow.closed
    assert slow.ticks == quick.ticks


def test_a_failing_tracker_does_not_stop_the_other(tmp_path: Path) -> None:
    said: list[str] = []
    tracking = Tracking(wandb=WandbConfig(mode="offline"), optuna=f"sqlite:///{tmp_path}/not/there.db")
    with Store.writing(tmp_path) as store, watching(tmp_path, tracking, say=said.append):
        Driver(store).whole("aa-s4")
    assert read_runs(tmp_path)["digits-e3b0c4-aa-s4"].steps == [0, 1, 2]
    assert [line.partition(":")[0] for line in said] == ["Optuna", "W&B"]
    assert "OperationalError: (sqlite3.OperationalError) unable to open database file" in said[0]
    assert "1 run was written offline" in said[1]
    with watching(tmp_path, Tracking(wandb=WandbConfig(mode="offline")), say=said.append):
        pass
    assert len(said) == 2, "nothing was written now"
    assert "optuna tracker failed" in (tmp_path / "wandb" / "log.txt").read_text()


@pytest.mark.parametrize("of", ["HTTPConnection(host='localhost', port=1)", "<urllib3.connection.HTTPConnection object at 0x7f1d3c50>"])
def test_a_server_that_takes_no_connection_is_told_by_its_address_and_the_reason(tmp_path: Path, of: str) -> None:
    """As MLflow and requests say it."""
    said = (
        "API request to http://localhost:1/api/2.0/x failed with exception HTTPConnectionPool(host='localhost', port=1): Max retries exceeded "
        f'with url: /api/2.0/x?a=b (Caused by NewConnectionError("{of}: Failed to establish a new connection: [Errno 111] Connection refused"))'
    )
    ended: dict[str, str] = {}

    def make(study: StudyRecord) -> Tracker:
        raise RuntimeError(said)

    with Store.writing(tmp_path) as store:
        Driver(store).whole("aa-s4")
    ending = threading.Event()
    ending.set()
    assert not follow(Tail(tmp_path), {"mlflow": make}, ending, ended.__setitem__)
    assert ended == {"mlflow": "cannot connect to localhost:1 (connection refused)"}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize(("error", "said"), [(SystemExit("no project"), {"mine": "SystemExit: no project"}), (KeyboardInterrupt(), {})])
def test_a_tracker_whose_thread_exits_does_not_have_everything(tmp_path: Path, error: BaseException, said: dict[str, str]) -> None:
    ended: dict[str, str] = {}

    def make(study: StudyRecord) -> Tracker:
        raise error

    with Store.writing(tmp_path) as store:
        Driver(store).whole("aa-s4")
    ending = threading.Event()
    ending.set()
    assert not follow(Tail(tmp_path), {"mine": make}, ending, ended.__setitem__)
    assert ended == said


@pytest.mark.usefixtures("own_wandb")
def test_runs_that_should_be_online_are_offline_without_a_key_which_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("study.tracking.process._following", lambda *args, **options: nullcontext())
    said: list[str] = []
    tracking = Tracking(wandb=WandbConfig(mode="online", base_url="http://localhost:1"))
    with watching(tmp_path, tracking, say=said.append):
        pass
    assert said == [
        f"W&B: no API key found for http://localhost:1; runs are written offline to {tmp_path / 'wandb'}. `wandb login` stores a key"
    ]
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    with watching(tmp_path, tracking, say=said.append):
        pass
    assert len(said) == 1


def test_lines_that_are_torn_or_damaged_are_as_if_they_were_not_there(tmp_path: Path) -> None:
    sent = tmp_path / "wandb.jsonl"
    assert written(sent) == {}
    for trial, ticks in (("aa-s4", 8), ("bb-s4", 2), ("bb-s4", 8)):
        note(sent, trial, [ticks, "budget"])
    whole = {"aa-s4": [8, "budget"], "bb-s4": [8, "budget"]}
    assert written(sent) == whole
    data = sent.read_bytes()
    for end in range(len(data)):
        sent.write_bytes(data[:end])
        assert all(state in ([8, "budget"], [2, "budget"]) for state in written(sent).values())
        note(sent, "cc-s4", [1, None])
        assert written(sent)["cc-s4"] == [1, None]
    sent.write_bytes(data + b"\n\xff\xfe[\n")
    assert written(sent) == whole
