"""The W&B run of a study: what it shows, offline and online, once or again."""

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from full import filled, small_disk
from ranked import GIVEN, played
from recorded import OFFLINE, ONLINE, Driver, wait_until
from rich.console import Console
from wandb_files import RunFile, read_runs, table
from wandb_server import WandbServer

from study.api import open_study
from study.show.report import write_report
from study.show.wandb import send_report
from study.spec.study_spec import StudySpec
from study.spec.tracking import Tracking, WandbConfig
from study.store.layout import Layout
from study.store.records import StudyRecord, mark
from study.store.store import Store
from study.tracking.process import complete_wandb, unsent, watching
from study.tracking.results import write_results
from study.tracking.sync import sync
from study.tracking.wandb_publish import addresses
from study.tracking.wandb_study import study_url

pytestmark = pytest.mark.usefixtures("own_wandb", "forked_tracking")


def finished(folder: Path) -> StudyRecord:
    """A finished study whose results are computed."""
    played(folder, n_configs=4)
    Layout(folder).tracking.mkdir()
    write_results(folder)
    return open_study(folder).study


def report(folder: Path, text: str = "<p>report</p>") -> None:
    Layout(folder).report.write_text(text)


def track(folder: Path, tracking: Tracking = OFFLINE, limit_s: float = 300.0) -> list[str]:
    """Track a study that nobody runs, and return what is said."""
    said: list[str] = []
    with watching(folder, tracking, say=said.append, limit_s=limit_s):
        pass
    return said


def step(folder: Path) -> int:
    """The step of the tables of all records; that of the report is the next one."""
    return 2 * len((folder / "records.jsonl").read_text().splitlines())


def run_of(folder: Path) -> RunFile:
    runs = read_runs(folder)
    (mine,) = [run for run in runs.values() if run.job_type == "study"]
    return mine


def test_the_run_of_a_study_shows_its_results(tmp_path: Path) -> None:
    study = finished(tmp_path / "ring")
    report(tmp_path / "ring")
    track(tmp_path / "ring")
    run, found = run_of(tmp_path / "ring"), json.loads(Layout(tmp_path / "ring").results.read_text())
    assert (run.id, run.name, run.group, run.job_type, run.exit_code) == (f"{mark(study)}-study", "ring", "ring", "study", 0)
    assert run.step_metrics == {"*": "trials"}
    board, shown = run.history
    assert (board["trials"], board["leader/fd"]) == (8, found["best"]["fd"])
    assert table(run, board, "leaderboard") == found["leaderboard"]
    assert table(run, board, "effects") == found["effects"]
    assert (run.folder / "files" / shown["report/path"]).read_text() == "<p>report</p>"
    assert run.summary["answer"] == found["answer"]
    kinds = {(artifact.type, artifact.name): artifact for artifact in run.artifacts}
    assert kinds["report", f"{mark(study)}-report"]["report.html"] == b"<p>report</p>"
    assert kinds["study", f"{mark(study)}-study"]["ring.yaml"].decode() == found["study_file"]
    generators = [artifact for artifact in run.artifacts if artifact.type == "model"]
    assert [set(artifact.aliases) - {"latest"} for artifact in generators] == [{"place-3"}, {"place-2"}, {"best"}]
    best = open_study(tmp_path / "ring").best()[0]
    assert generators[-1].metadata["trial"] == best.trial_id
    (content,) = generators[-1].files
    assert generators[-1][content].decode() == best.trial_id
    assert study_url(Layout(tmp_path / "ring")) is None


@pytest.mark.slow
def test_what_is_in_wandb_is_not_written_again(tmp_path: Path) -> None:
    """Only a new report or a new record is a reason. Then an offline run is written again as a whole, in the place of the old one."""
    folder = tmp_path / "ring"
    finished(folder)
    track(folder)
    first = run_of(folder)
    assert [row["_step"] for row in first.history] == [step(folder)]
    track(folder)
    assert run_of(folder).folder == first.folder, "nothing is new"
    report(folder)
    assert complete_wandb(folder, WandbConfig(mode="offline")) == ""
    second = run_of(folder)
    assert second.folder != first.folder
    assert not first.folder.exists()
    assert [row["_step"] for row in second.history] == [step(folder), step(folder) + 1]
    assert len([run for run in unsent(folder) if run.name.endswith("-study")]) == 1
    complete_wandb(folder, WandbConfig(mode="offline"))
    assert run_of(folder).folder == second.folder
    with Store.writing(folder) as store:  # the report is older than the records now, so it is not that of this study any more
        store.write_study(open_study(folder).study)
    write_results(folder)
    track(folder)
    assert [row["_step"] for row in run_of(folder).history] == [step(folder)]


@pytest.mark.slow
def test_an_online_run_has_each_row_once(tmp_path: Path, server: WandbServer) -> None:
    folder = tmp_path / "ring"
    study = finished(folder)
    run_id = f"{mark(study)}-study"
    track(folder, ONLINE)
    assert server.steps(run_id) == [step(folder)]
    assert study_url(Layout(folder)) == f"{server.url}/someone/ganstudy/runs/{run_id}"
    Layout(folder).study_run.unlink()  # as if the process had been killed before it could note what is in W&B
    report(folder)
    assert complete_wandb(folder, WandbConfig(mode="online")) == ""
    assert server.steps(run_id) == [step(folder), step(folder) + 1]
    assert server.exits[run_id] == 0
    assert server.summaries[run_id]["answer"] == json.loads(Layout(folder).results.read_text())["answer"]
    names = [artifact["artifactCollectionName"] for artifact in server.artifacts]
    assert names.count(f"{mark(study)}-report") == 1
    best = [each for each in server.artifacts if "best" in {alias["alias"] for alias in each["aliases"]}]
    assert {json.loads(each["metadata"])["trial"] for each in best} == {open_study(folder).best()[0].trial_id}
    rows = len(server.rows[run_id])
    assert complete_wandb(folder, WandbConfig(mode="online")) == ""
    assert len(server.rows[run_id]) == rows


@pytest.mark.slow
def test_a_study_that_runs_is_followed(tmp_path: Path, server: WandbServer) -> None:
    """Results come during the study, and once more at its end."""
    folder = tmp_path / "ring"
    study = finished(folder)
    run_id = f"{mark(study)}-study"
    lines = (folder / "records.jsonl").read_text().splitlines(keepends=True)
    live = tmp_path / "live"
    live.mkdir()
    with watching(live, ONLINE, say=lambda line: None):
        (live / "records.jsonl").write_text("".join(lines[: len(lines) // 2]))
        wait_until(lambda: Layout(live).results.exists())
        with (live / "records.jsonl").open("a") as file:
            file.write("".join(lines[len(lines) // 2 : -3]))  # the last trial is left open
        wait_until(lambda: bool(server.runs.get(run_id)))
    assert study_url(Layout(live))
    assert server.exits[run_id] == 255, "the last trial has not ended, so the study has not"
    assert len(server.steps(run_id)) == len(set(server.steps(run_id)))


@pytest.mark.slow
def test_the_results_are_computed_at_the_end_of_a_study(tmp_path: Path) -> None:
    folder = tmp_path / "ring"
    played(folder, n_configs=4)
    track(folder)
    assert [row["trials"] for row in run_of(folder).history] == [8]
    assert Layout(folder).results.exists()


@pytest.mark.parametrize("trouble", ["results", "state"])
def test_trials_are_tracked_if_the_run_of_the_study_fails(tmp_path: Path, trouble: str) -> None:
    """A folder is where a file should be, so reading and writing it fails."""
    folder = tmp_path / "ring"
    finished(folder)
    damaged = {"results": Layout(folder).results, "state": Layout(folder).study_run}[trouble]
    damaged.unlink(missing_ok=True)
    damaged.mkdir()
    said = track(folder, limit_s=30.0)
    runs = read_runs(folder)
    assert {run.exit_code for run in runs.values() if run.job_type == "optimise" or run.job_type == "explore"} == {0}
    assert len(said) == 1
    assert "the W&B run of the study failed" in Layout(folder).tracking_log.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("failure", ["refuses", "limits", "hangs"])
def test_a_server_that_fails_leaves_the_run_of_the_study_offline(tmp_path: Path, server: WandbServer, failure: str) -> None:
    folder = tmp_path / "ring"
    finished(folder)
    server.status = {"refuses": 500, "limits": 429}.get(failure)
    server.hang_s = 60.0 if failure == "hangs" else 0.0
    said = track(folder, ONLINE, limit_s=30.0)
    assert [row["_step"] for row in run_of(folder).history] == [step(folder)]
    assert len(said) == 1
    assert "written offline" in said[0]
    assert study_url(Layout(folder)) is None
    server.status, server.hang_s = None, 0.0


def test_a_study_without_evidence_has_no_run(tmp_path: Path) -> None:
    spec = StudySpec.from_dict({**GIVEN, "n_configs": 4})
    with Store.writing(tmp_path) as store, watching(tmp_path, OFFLINE, say=lambda line: None):
        store.write_study(StudyRecord(spec=spec.as_dict(), protocol={}, baselines={}, n_modes=8))
        Driver(store).open("aa-s4")
        Driver(store).tick("aa-s4", 0)
    assert [run.job_type for run in read_runs(tmp_path).values()] == ["explore"]


@pytest.mark.slow
def test_the_report_is_sent_and_the_terminal_and_the_report_name_the_run(tmp_path: Path, server: WandbServer) -> None:
    folder = tmp_path / "ring"
    run_id = f"{mark(finished(folder))}-study"
    track(folder, ONLINE)
    url = f"{server.url}/someone/ganstudy/runs/{run_id}"
    write_report(open_study(folder), Layout(folder).report)
    assert f'<a href="{url}" rel="noopener">{url}</a>' in Layout(folder).report.read_text()
    console = Console(file=StringIO(), width=80)
    send_report(folder, WandbConfig(mode="online"), console)
    pages = addresses(Layout(folder))
    assert console.file.getvalue() == (  # type: ignore[attr-defined]
        f"W&B: {url}\nW&B workspace: {pages['workspace']}\nW&B report: {pages['report']}\n"
    )
    assert server.steps(run_id) == [step(folder), step(folder) + 1]


def test_a_report_that_cannot_be_sent_is_named_with_the_command_that_sends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "study.show.wandb.complete_wandb", lambda folder, config, trust_plugins, limit_s: f"not finished within {limit_s:g} s"
    )
    console = Console(file=StringIO(), width=80)
    finished(tmp_path / "ring")
    send_report(tmp_path / "ring", WandbConfig(mode="online"), console)
    assert console.file.getvalue() == "", "there is no report"  # type: ignore[attr-defined]
    report(tmp_path / "ring")
    send_report(tmp_path / "ring", WandbConfig(mode="online"), console)
    assert f"`ganstudy sync {tmp_path}/ring` sends it" in console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.parametrize("tracking", [OFFLINE, ONLINE], ids=["offline", "online"])
def test_a_full_disk_leaves_the_run_of_the_study_for_later(tmp_path: Path, server: WandbServer, tracking: Tracking) -> None:
    """The end is bounded, one sentence says what is missing, no record is touched, and with room again all is sent."""
    with small_disk(tmp_path / "disk", megabytes=16) as disk:
        folder = disk / "ring"
        finished(folder)
        records = (folder / "records.jsonl").read_bytes()
        with filled(disk):
            said = track(folder, tracking, limit_s=30.0)
        assert len(said) == 1
        assert "ganstudy sync" in said[0]
        assert (folder / "records.jsonl").read_bytes() == records
        assert not [*folder.rglob("*.json.tmp")]
        with Store.writing(folder) as store:
            assert store.study
            spec = {**store.study.spec, "tracking": {"wandb": {"mode": "offline"}}}
            store.write_study(replace(store.study, spec=spec))
        sentence, whole = sync(folder)
        assert whole, sentence
        assert set(server.exits.values()) == {0}
        assert len(server.exits) == 9
