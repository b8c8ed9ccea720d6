"""`ganstudy sync`: all that W&B lacks is sent once, whatever was sent before."""

import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ranked import played
from recorded import OFFLINE
from typer.testing import CliRunner
from wandb_server import WandbServer

from ganstudy import UserError
from study.api import open_study
from study.cli import app
from study.store.layout import Layout
from study.store.lock import driving
from study.store.records import mark
from study.store.store import Store
from study.tracking.process import unsent, watching
from study.tracking.sync import sync

pytestmark = pytest.mark.usefixtures("own_wandb")
TRACKED = {"tracking": {"wandb": {"mode": "offline"}}, "n_configs": 4}


def tracked(folder: Path) -> str:
    """A finished study whose runs were written offline. Returns what its W&B ids begin with."""
    played(folder, **TRACKED)
    with watching(folder, OFFLINE, say=lambda line: None):
        pass
    return mark(open_study(folder).study)


@pytest.mark.slow
def test_all_that_is_missing_is_sent_once(tmp_path: Path, server: WandbServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trials as they were written; the run of the study with the report that came later."""
    folder = tmp_path / "ring"
    begins = tracked(folder)
    assert len(unsent(folder)) == 9
    Layout(folder).report.write_text("<p>report</p>")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    shown = CliRunner().invoke(app, ["sync", "../ring"])
    assert (shown.exit_code, shown.stdout) == (0, "W&B: sent 9 runs, the workspace and the report of this study; nothing is left.\n")
    assert "sent 8 of 8 runs that were written offline" in shown.stderr
    trials = Store(folder).trials
    step = 2 * len((folder / "records.jsonl").read_text().splitlines())
    assert {run_id: server.steps(run_id) for run_id in server.runs} == {
        **{f"{begins}-{name}": [0] if trial.measurements else [] for name, trial in trials.items()},
        f"{begins}-study": [step, step + 1],
    }
    assert set(server.exits) == set(server.runs)
    assert not [*(tmp_path / "here").iterdir()]
    assert not unsent(folder)
    before = server.requests
    assert sync(folder) == ("W&B has everything of this study; nothing was sent.", True)
    assert server.requests == before


@pytest.mark.slow
def test_what_was_sent_before_is_left_alone(tmp_path: Path, server: WandbServer) -> None:
    """A run that W&B's own command has sent, and one of a trial that has no tick yet."""
    folder = tmp_path / "ring"
    begins = tracked(folder)
    done = unsent(folder)[0]
    run_id = begins + done.name.partition(begins)[2]
    (done / f"run-{run_id}.wandb.synced").touch()
    with Store.writing(folder) as store:
        store.write("ff-s0", opened={"phase": "explore", "flat": {"r1": True, "seed": 0, "g.lr": 1e-3}})
    assert sync(folder) == ("W&B: sent 8 runs, the workspace and the report of this study; nothing is left.", True)
    assert run_id not in server.runs
    assert len(server.runs) == 8


def test_what_cannot_be_sent_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="must hold a study"):
        sync(tmp_path)
    played(tmp_path / "plain")
    with pytest.raises(UserError, match=r"has no tracking\.wandb\. `ganstudy resume .*plain --set tracking\.wandb\.mode=auto` adds it"):
        sync(tmp_path / "plain")
    played(tmp_path / "ring", **TRACKED)
    with pytest.raises(UserError, match="needs an API key to send runs; none was found"):
        sync(tmp_path / "ring")
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    with driving(tmp_path / "ring"), pytest.raises(UserError, match="must not be running to be sent; process"):
        sync(tmp_path / "ring")


def test_a_server_that_takes_no_connection_is_refused_before_anything_is_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    played(tmp_path / "ring", **TRACKED)
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    with socket.socket() as taken:  # bound but not listening, so that nobody else listens there
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("WANDB_BASE_URL", address)
        with pytest.raises(UserError, match=f"the server {address} must take connections; it does not: Connection refused. Start it"):
            sync(tmp_path / "ring")
        assert not Layout(tmp_path / "ring").tracking.exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "limit", "why"),
    [({"status": 401}, {"_LIMIT_S": 12.0}, ", see "), ({"hang_s": 600.0}, {"_STALL_S": 6.0}, " (the server took nothing for 6 s), see ")],
    ids=["refuses", "hangs"],
)
def test_what_is_left_is_said_and_sent_later(
    tmp_path: Path, server: WandbServer, fault: dict[str, Any], limit: dict[str, float], why: str
) -> None:
    folder = tmp_path / "ring"
    tracked(folder)
    well = {name: getattr(server, name) for name in fault}
    vars(server).update(fault)
    with pytest.MonkeyPatch.context() as patch:
        for name, seconds in limit.items():
            patch.setattr(f"study.tracking.sync.{name}", seconds)
        sentence, whole = sync(folder)
    assert not whole
    assert sentence.startswith(f"W&B: sent 0 runs of this study; 9 runs, the workspace and the report left{why}")
    assert len(unsent(folder)) == 9
    vars(server).update(well)
    assert sync(folder) == ("W&B: sent 9 runs, the workspace and the report of this study; nothing is left.", True)


@pytest.mark.slow
def test_the_runs_of_a_stopped_study_are_sent_too(tmp_path: Path, server: WandbServer) -> None:
    """Its own run has the leaderboard so far and counts as interrupted."""
    folder = tmp_path / "ring"
    played(folder, **{**TRACKED, "n_configs": 5})
    with Store.writing(folder) as store:
        assert store.study
        store.write_study(replace(store.study, spec={**store.study.spec, "n_configs": 6}))
    with watching(folder, OFFLINE, say=lambda line: None):
        pass
    run_id = f"{mark(open_study(folder).study)}-study"
    assert len(unsent(folder)) == 10
    assert sync(folder) == ("W&B: sent 11 runs, the workspace and the report of this study; nothing is left.", True)
    assert server.exits[run_id] == 255
    assert len(server.steps(run_id)) == 1
