"""`ganstudy wandb-import`: runs of W&B's own client, from run files and from a server, become a table that `explain` reads."""

import json
import os
import subprocess
import sys
import textwrap
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ranked import played
from recorded import OFFLINE
from rich.console import Console
from typer.testing import CliRunner
from wandb_server import Json, WandbServer

from analysis import TrialTable
from ganstudy import UserError
from study.cli import app
from study.show.wandb_import import import_wandb
from study.store.layout import Layout
from study.tracking.process import watching
from study.tracking.results import write_results
from study.tracking.wandb_files import local_runs
from study.tracking.wandb_project import project_runs

pytestmark = pytest.mark.usefixtures("own_wandb")

# Twelve runs of a script that knows nothing of ganstudy. The fifth fails.
SCRIPT = """
    import wandb
    for n in range(12):
        settings = wandb.Settings(silent=True, console="off", x_disable_stats=True)
        config = {"opt": {"lr": [0.1, 0.3][n % 2]}, "loss": [None, "mse"][n // 2 % 2], "seed": n // 4, "layers": [1, 2]}
        run = wandb.init(mode="offline", project="p", config=config, settings=settings, reinit="finish_previous")
        run.define_metric("gap", summary="min")
        run.config.update({"late": {"width": 8}})
        for step in range(3):
            run.log({"fid": 10.0 - step + n / 8 + 5 * (n % 2), "gap": abs(step - 1), "val": {"acc": step / 4}})
        run.finish(exit_code=int(n == 4))
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with run files, one of which a kill has torn before it says how the run ended."""
    folder = tmp_path_factory.mktemp("script")
    subprocess.run([sys.executable, "-c", textwrap.dedent(SCRIPT)], cwd=folder, check=True)
    torn = sorted(folder.rglob("*.wandb"), key=lambda path: path.stat().st_mtime_ns)[5]
    torn.write_bytes(torn.read_bytes()[:-8])
    return folder


def imported(source: str, out: Path) -> tuple[pd.DataFrame, str]:
    """The table, and what was printed."""
    console = Console(file=StringIO(), width=400)
    import_wandb(source, out, console)
    return pd.read_csv(out, keep_default_na=False), console.file.getvalue()  # type: ignore[attr-defined]


def in_a_process(source: str, out: Path) -> "subprocess.CompletedProcess[str]":
    """The command in a process of its own, since W&B's client leaves one running."""
    command = [sys.executable, "-m", "study.cli", "wandb-import", source, "--out", str(out)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "400"})


@pytest.mark.slow
def test_run_files_become_a_table(files: Path, tmp_path: Path) -> None:
    frame, said = imported(str(files / "wandb"), tmp_path / "runs.csv")
    assert len(frame) == 12
    by_state = frame["State"].value_counts().to_dict()
    assert by_state == {"finished": 10, "failed": 1, "crashed": 1}
    assert set(frame["opt.lr"]) == {0.1, 0.3}
    assert set(frame["loss"]) == {"None", "mse"}
    assert set(frame["late.width"]) == {8}
    assert set(frame["layers"]) == {"[1, 2]"}
    whole = frame[frame["State"] == "finished"].astype({"fid": float, "val.acc": float, "gap.min": float})
    assert sorted(whole["fid"]) == sorted(10.0 - 2 + n / 8 + 5 * (n % 2) for n in range(12) if n not in (4, 5))
    assert set(whole["val.acc"]) == {0.5}
    assert set(whole["gap.min"]) == {0.0}
    assert not [name for name in frame if str(name).startswith("_wandb")]
    assert "Settings that differ: opt.lr, loss, seed" in " ".join(said.split())


@pytest.mark.slow
def test_the_table_is_read_by_explain_and_by_trial_table(files: Path, tmp_path: Path) -> None:
    out = tmp_path / "runs.csv"
    runner = CliRunner()
    assert runner.invoke(app, ["wandb-import", str(files), "--out", str(out)]).exit_code == 0
    asked = ["--config", "opt.lr,loss", "--seed", "seed", "--objective", "fid", "--direction", "minimize"]
    answered = runner.invoke(app, ["explain", str(out), *asked, "--json"])
    (claim,) = [each for each in json.loads(answered.stdout) if each["settings"] == ["opt.lr"] and each["outcome"] == "fid"]
    assert claim["n_with"]["trials"] + claim["n_without"]["trials"] == 10  # runs that crashed are no evidence
    direct = TrialTable.from_wandb(local_runs(files), config=["opt.lr", "loss"], seed="seed", objective="fid", direction="minimize")
    table = TrialTable.from_wandb(out, config=["opt.lr", "loss"], seed="seed", objective="fid", direction="minimize")
    assert np.array_equal(np.sort(direct.at_end("fid")), np.sort(table.at_end("fid")), equal_nan=True)
    assert len(set(direct.config_id)) == len(set(table.config_id)) == 4


def runs_of_a_project(server: WandbServer, variables: Json) -> Json:
    """Pages of two runs, in the answer of W&B's GraphQL."""
    first = int(variables["cursor"] or 0)
    nodes: list[Json] = [
        {
            "id": f"X{n}",
            "name": f"id{n}",
            "displayName": f"calm-{n}",
            "state": ["finished", "crashed"][n == 4],
            "config": json.dumps({"lr": {"value": 0.1 * (n % 2), "desc": None}, "seed": {"value": n}, "_wandb": {"value": {"t": 1}}}),
            "summaryMetrics": json.dumps({"fid": n + 0.5, "_runtime": 7, "seed": 1, "samples": {"_type": "image-file", "width": 8}}),
            "createdAt": f"2026-01-0{n + 1}T00:00:00Z",
            "tags": [],
            "sweepName": None,
        }
        for n in range(first, min(first + 2, 5))
    ]
    page = {"endCursor": str(first + len(nodes)), "hasNextPage": first + 2 < 5}
    edges = [{"node": node, "cursor": str(first + i)} for i, node in enumerate(nodes, start=1)]
    project: Any = None if variables["project"] == "none" else {"internalId": "1", "runCount": 5, "readOnly": False}
    return {"project": project and {**project, "runs": {"edges": edges, "pageInfo": page}}}


@pytest.fixture
def project(server: WandbServer, monkeypatch: pytest.MonkeyPatch) -> WandbServer:
    more = {"GetDefaultEntity": lambda self, _: {"viewer": {"id": "U", "entity": "someone"}}, "Runs": runs_of_a_project}
    monkeypatch.setattr(WandbServer, "ANSWERS", {**WandbServer.ANSWERS, **more})
    return server


@pytest.mark.slow
def test_a_project_of_a_server_becomes_a_table(project: WandbServer, tmp_path: Path) -> None:
    out = tmp_path / "runs.csv"
    ran = in_a_process("team/gans", out)
    assert ran.returncode == 0, ran.stderr
    frame = pd.read_csv(out)
    assert list(frame) == ["Name", "Created", "Runtime", "State", "ID", "lr", "config.seed", "fid", "_runtime", "summary.seed"]
    assert frame["fid"].tolist() == [0.5, 1.5, 2.5, 3.5, 4.5]
    assert frame["State"].tolist() == ["finished"] * 4 + ["crashed"]
    assert frame["Runtime"].tolist() == [7] * 5
    assert "reading 5 runs of team/gans" in ran.stdout
    assert "--config lr --seed config.seed --objective fid --direction minimize" in " ".join(ran.stdout.split())


@pytest.mark.slow
def test_a_project_that_cannot_be_read_is_refused(project: WandbServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "runs.csv"
    ran = in_a_process("team/none", out)
    assert ran.returncode
    assert "team/none must be a W&B project that you can read" in " ".join(ran.stderr.split())
    monkeypatch.delenv("WANDB_API_KEY")
    ran = in_a_process("team/gans", out)
    assert "`wandb login` stores a key" in " ".join(ran.stderr.split())
    assert "Traceback" not in ran.stderr
    assert not out.exists()


def test_what_is_no_source_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "runs.csv"
    with pytest.raises(UserError, match="must be a W&B project, as entity/project, or a folder with run files; there is no such folder"):
        imported(f"{tmp_path}/none", out)
    with pytest.raises(UserError, match="must hold run files of W&B"):
        imported(str(tmp_path), out)
    (tmp_path / "run-a.wandb").write_bytes(b"something else")
    with pytest.raises(UserError, match=r"run-a\.wandb must be a run file of W&B; it does not begin like one"):
        imported(str(tmp_path), out)
    with pytest.raises(UserError, match="must be in an existing folder"):
        imported(str(tmp_path), tmp_path / "no" / "runs.csv")


def test_a_study_of_ganstudy_is_read_by_its_trials(tmp_path: Path) -> None:
    """Its own run is left out, and neither ids nor settings that some runs lack are settings that differ."""
    folder = tmp_path / "ring"
    played(folder, n_configs=4)
    Layout(folder).tracking.mkdir()
    write_results(folder)
    with watching(folder, OFFLINE, say=lambda line: None):
        pass
    frame, said = imported(str(folder), tmp_path / "runs.csv")
    assert len(frame) == 8
    assert "8 runs (1 run of a whole study left out). Settings that differ: g.lr, seed, r1.on. Results" in said
    assert "--config g.lr,r1.on --seed seed --objective RESULT --direction minimize" in said


def test_one_result_that_can_be_meant_is_named(files: Path, tmp_path: Path) -> None:
    _, said = imported(str(files / "wandb"), tmp_path / "runs.csv")
    assert "--objective fid --direction minimize" in said


def test_a_folder_of_everything_is_not_searched_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("study.tracking.wandb_files._FOLDERS", 10)
    for n in range(12):
        (tmp_path / str(n)).mkdir()
    with pytest.raises(UserError, match=r"it has more than 10 folders\. Give the folder `wandb` itself"):
        imported(str(tmp_path), tmp_path / "runs.csv")


@pytest.mark.slow
@pytest.mark.parametrize("slow", ["", "Runs"])
def test_a_server_that_does_not_answer_ends_the_command(
    project: WandbServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow: str
) -> None:
    """At once, or after the first answers."""
    project.slow, project.hang_s = slow, 0.0 if slow else 600.0
    monkeypatch.setattr("study.tracking.wandb_project._STALL_S", 6.0)
    with pytest.raises(UserError, match="the W&B server must answer within 6 s to read team/gans"):
        project_runs("team/gans")
    project.slow, project.hang_s = "", 0.0
