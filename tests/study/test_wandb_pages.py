"""The workspace view and the report in W&B: valid, about what the runs hold, and each there once."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import wandb_workspaces.reports.v2 as wr
import wandb_workspaces.workspaces as ws
from ranked import played
from recorded import OFFLINE, ONLINE
from wandb_files import read_runs
from wandb_server import WandbServer
from wandb_workspaces.reports.v2.internal import ReportViewspec
from wandb_workspaces.workspaces.internal import View

from analysis.outcomes import OUTCOMES
from study.api import open_study
from study.spec.tracking import WandbConfig
from study.store.layout import Layout
from study.store.store import Store
from study.tracking import wandb_publish
from study.tracking.process import watching
from study.tracking.results import write_results
from study.tracking.sync import sync
from study.tracking.wandb_pages import report, workspace

pytestmark = pytest.mark.usefixtures("own_wandb")
PLACE = {"entity": "someone", "project": "p"}
Json = dict[str, Any]


def finished(folder: Path, n_configs: int = 4) -> Json:
    """The results of a finished study. Half of its trials fail."""
    played(folder, n_configs=n_configs, failure="coverage < 0.5", tracking={"wandb": {"mode": "offline"}})
    Layout(folder).tracking.mkdir()
    found: Json = json.loads(write_results(folder).read_text())
    return found


def track(folder: Path, tracking: Any = OFFLINE, limit_s: float = 300.0) -> None:
    with watching(folder, tracking, say=lambda line: None, limit_s=limit_s):
        pass


def text(made: ws.Workspace | wr.Report) -> str:
    """A page as it is sent."""
    return str(made._to_model().model_dump_json(by_alias=True, exclude_none=True))


def panels(spec: Any) -> Iterator[Json]:
    """The panels of a specification, wherever they are."""
    for inner in spec.values() if isinstance(spec, Mapping) else spec if isinstance(spec, list) else ():
        yield from panels(inner)
    if isinstance(spec, Mapping) and "viewType" in spec:
        yield dict(spec)


def configs(spec: Any, view_type: str) -> list[Json]:
    return [panel["config"] for panel in panels(spec) if panel["viewType"] == view_type]


def test_a_workspace_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = text(workspace(finished(tmp_path / "ring"), **PLACE))
    assert text(ws.Workspace._from_model(View.model_validate_json(made))) == made


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    """But for its width and the places of tables, which wandb-workspaces 0.4.13 writes and does not read."""
    made = report(finished(tmp_path / "ring"), **PLACE)
    again = wr.Report._from_model(ReportViewspec.model_validate_json(text(made)))
    again.width = made.width
    for old, new in zip(made.blocks, again.blocks, strict=True):
        if isinstance(old, wr.PanelGrid):
            for panel, read in zip(old.panels, new.panels, strict=True):
                read.layout = panel.layout
    assert text(again) == text(made)


@pytest.mark.slow
def test_pages_show_what_the_runs_hold(tmp_path: Path) -> None:
    """Each chart, axis, column and filter names something that a run of a trial, or that of the study, has."""
    found = finished(tmp_path / "ring")
    track(tmp_path / "ring")
    runs = read_runs(tmp_path / "ring").values()
    rows = {key for run in runs for row in run.history for key in row} | {"run:displayName"}
    summary = {f"summary:{key}" for run in runs for key in run.summary}
    config: set[str] = set()
    for run in runs:
        for head, value in run.config.items():
            config |= {f"config:{head}.value.{rest}" for rest in value} if isinstance(value, dict) else {f"config:{head}.value"}
    assert "config:r1.value.on" in config
    for made in (json.loads(text(make(found, **PLACE))) for make in (workspace, report)):
        assert {name for each in configs(made, "Run History Line Plot") for name in each["metrics"]} <= rows
        axes = {column["accessor"] for each in configs(made, "Parallel Coordinates Plot") for column in each["columns"]}
        assert {"config:r1.value.on", "config:g.value.lr", "summary:final/fd"} == axes
        assert axes <= summary | config
        assert {f"summary:{each['targetKey']}" for each in configs(made, "Parameter Importance")} == {"summary:final/fd"}
        assert {key for each in configs(made, "Media Browser") for key in each["mediaKeys"]} == {"samples"}
    (runset,) = json.loads(text(workspace(found, **PLACE)))["spec"]["section"]["runSets"]
    assert set(runset["runFeed"]["columnOrder"]) <= summary | config | {"run:displayName"}
    (chosen,) = runset["filters"]["filters"]
    assert {run.config.get(chosen["key"]["name"]) for run in runs if run.job_type != "study"} == {chosen["value"]}


def test_curves_have_the_colours_of_outcomes(tmp_path: Path) -> None:
    found = finished(tmp_path / "ring", n_configs=8)
    section = json.loads(text(workspace(found, **PLACE)))["spec"]["section"]
    assert section["runSets"][0]["grouping"] == [{"section": "summary", "name": "outcome"}]
    colours = section["customRunColors"]
    outcomes = dict(open_study(tmp_path / "ring").trials()["outcome"])
    assert len(set(outcomes.values())) == 2
    for trial_id, outcome in outcomes.items():
        assert colours[f"{found['content']['mark']}-{trial_id}"] == OUTCOMES[outcome].colour
    assert {colour for key, colour in colours.items() if "group" in key} == {OUTCOMES[each].colour for each in outcomes.values()}


def test_the_report_says_the_answer_and_shows_failed_trials_apart(tmp_path: Path) -> None:
    found = finished(tmp_path / "ring")
    made = text(report(found, **PLACE))
    assert json.dumps(found["answer"].partition("\n")[0], ensure_ascii=False).strip('"') in made
    assert "Trials that failed" in made
    assert '"name":"failed"},"op":"=","value":true' in made
    assert "Trials that failed" not in text(report({**found, "failed": 0}, **PLACE))


@pytest.mark.slow
def test_without_a_server_the_pages_are_files(tmp_path: Path) -> None:
    folder = tmp_path / "ring"
    found = finished(folder)
    track(folder)
    pages = Layout(folder).wandb_pages
    assert sorted(path.name for path in pages.iterdir()) == ["report.json", "workspace.json"]
    assert View.model_validate_json((pages / "workspace.json").read_text()).display_name == f"ganstudy {found['content']['mark']}"
    assert ReportViewspec.model_validate_json((pages / "report.json").read_text()).display_name == "ring: What does R1 do?"


@pytest.mark.slow
def test_pages_are_made_once_and_then_replaced(tmp_path: Path, server: WandbServer) -> None:
    folder = tmp_path / "ring"
    finished(folder)
    track(folder)
    assert sync(folder) == ("W&B: sent 9 runs, the workspace and the report of this study; nothing is left.", True)
    kinds = {view["type"]: view_id for view_id, view in server.views.items()}
    assert sorted(kinds) == ["project-view", "runs"]
    assert len(server.views) == 2
    first = dict(server.views[kinds["runs"]])
    places = wandb_publish.addresses(Layout(folder))
    assert places["report"] == f"{server.url}/someone/ganstudy/reports/ring:-What-does-R1-do%3F--{kinds['runs']}"
    assert sync(folder) == ("W&B has everything of this study; nothing was sent.", True)
    (Layout(folder).wandb_pages / "sent.json").unlink()  # as if the process had been killed before it could note what is in W&B
    with Store.writing(folder) as store:
        store.write_study(open_study(folder).study)  # a further line of the records
    assert sync(folder) == ("W&B: sent 1 run, the workspace and the report of this study; nothing is left.", True)
    assert {view["type"]: view_id for view_id, view in server.views.items()} == kinds
    assert len(server.views) == 2
    assert first["name"] != server.views[kinds["runs"]]["name"], "the report was sent again"
    server.views.clear()  # as if the user had deleted both
    (Layout(folder).wandb_pages / "sent.json").unlink()
    assert sync(folder) == ("W&B: sent the workspace and the report of this study; nothing is left.", True)
    assert len(server.views) == 2


@pytest.mark.slow
def test_an_online_study_has_pages_at_its_end(tmp_path: Path, server: WandbServer) -> None:
    folder = tmp_path / "ring"
    finished(folder)
    track(folder, ONLINE)
    assert sorted(view["type"] for view in server.views.values()) == ["project-view", "runs"]
    assert wandb_publish.are_sent(Layout(folder), WandbConfig(mode="online"))
    assert not wandb_publish.are_sent(Layout(folder), WandbConfig(mode="online", project="other"))


@pytest.mark.slow
def test_pages_that_a_server_does_not_take_are_left(tmp_path: Path, server: WandbServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs are sent, then the server hangs. The same command sends the pages later."""
    folder = tmp_path / "ring"
    finished(folder)
    track(folder)
    monkeypatch.setattr("study.tracking.sync._LIMIT_S", 60.0)
    server.slow = "UpsertView2"
    sentence, whole = sync(folder)
    assert not whole
    assert sentence.startswith("W&B: sent 9 runs of this study; the workspace and the report left")
    server.slow = ""
    monkeypatch.setattr("study.tracking.sync._LIMIT_S", 300.0)
    assert sync(folder) == ("W&B: sent the workspace and the report of this study; nothing is left.", True)


def test_without_the_package_a_sentence_says_what_is_left_out(tmp_path: Path, server: WandbServer, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "ring"
    finished(folder)
    monkeypatch.setattr(wandb_publish, "installed", lambda: False)
    monkeypatch.setattr("study.tracking.sync.installed", lambda: False)
    monkeypatch.setattr("study.tracking.sync._missing", lambda *_: set())
    assert sync(folder) == (f"W&B has everything of this study; nothing was sent. {wandb_publish.HINT}.", True)
    pages = wandb_publish.Pages(Layout(folder), WandbConfig(mode="online"))
    pages.finish(online=True, limit_s=10.0)
    assert not Layout(folder).wandb_pages.exists()
    assert not server.views
