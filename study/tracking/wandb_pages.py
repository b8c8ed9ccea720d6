"""The workspace view and the report of a study in W&B, built with wandb-workspaces from what `study.tracking.wandb_content` says.

Both are functions of plain values and ask no server. Runs are found by `study_id` in their config, since several studies of a project may have one name.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import wandb_workspaces.reports.v2 as wr
import wandb_workspaces.workspaces as ws
from wandb_workspaces import expr

from analysis.outcomes import OUTCOMES

_CURVES = 100  # of single runs in a chart
_WIDE, _HALF, _TALL = 24, 12, 8  # panels of a report: the grid has 24 columns
_TITLE = 128  # characters; what W&B takes


def workspace(found: Mapping[str, Any], *, entity: str, project: str) -> ws.Workspace:
    """Return the workspace view: curves grouped by outcome in its colour, settings, samples; what else there is, W&B adds below.

    found: the results of `study.tracking.results`. The internal name depends on the study only, so that its view is found again.
    """
    content = found["content"]
    view = ws.Workspace(
        entity=entity,
        project=project,
        name=f"ganstudy {content['mark']}",
        auto_generate_panels=True,
        sections=[
            ws.Section(name="Answer", is_open=True, pinned=True, panels=[wr.MarkdownPanel(markdown=_answer(found))]),
            ws.Section(name="Curves by outcome", is_open=True, panels=[_curve(metric) for metric in content["metrics"]]),
            ws.Section(name="Settings", is_open=True, panels=_settings(content)),
            ws.Section(name="Samples", is_open=True, panels=[_samples()]),
        ],
        settings=ws.WorkspaceSettings(x_axis="images", max_runs=_CURVES),
        runset_settings=ws.RunsetSettings(
            filters=expr.And(expr.Config("study_id") == content["mark"]),
            groupby=[expr.Summary("outcome")],
            group_colors={name: OUTCOMES[name].colour for name in sorted(set(content["outcomes"].values())) if name},
            run_settings={run_id: ws.RunSettings(color=colour) for run_id, colour in _colours(content).items()},
            pinned_columns=_columns(content),
        ),
    )
    view._internal_name = f"nw-{sha256(content['mark'].encode()).hexdigest()[:11]}-v"
    return view


def report(found: Mapping[str, Any], *, entity: str, project: str) -> wr.Report:
    """Return the report: the answer in words, leaderboard and effects, curves by outcome, settings, samples, and the trials that failed."""
    content = found["content"]
    curves = [_curve(metric) for metric in content["metrics"]]
    blocks: list[Any] = [
        wr.H2("Answer"),
        wr.MarkdownBlock(_answer(found)),
        _grid(_study_run(content), [wr.WeavePanelSummaryTable(table_name=name) for name in ("leaderboard", "effects")], wide=True),
        *([wr.H2("Best configs"), _grid(_study_run(content), _pictures(found), wide=True)] if found["pictures"] else []),
        wr.H2("Curves by outcome"),
        wr.P("The mean of the trials of each outcome, and their range."),
        _grid(_trials(content, groupby=["summary.outcome"]), curves),
        wr.H2("Settings"),
        wr.P("Settings of the space, and the objective at the end of the budget. Trials that ended earlier have no such value."),
        _grid(_trials(content), _settings(content), wide=True),
        wr.H2("Samples of trials that did not fail"),
        _grid(_trials(content, failed=False), [_samples()], wide=True),
    ]
    if found["failed"]:
        blocks += [
            wr.H2("Trials that failed"),
            wr.P("Each curve is a trial, in the colour of its outcome. The table below them has the diagnosis."),
            _grid(_trials(content, failed=True), [_curve(metric) for metric in content["metrics"]]),
            _grid(_trials(content, failed=True), [_samples()], wide=True),
        ]
    return wr.Report(
        entity=entity,
        project=project,
        title=f"{content['name']}: {content['question']}"[:_TITLE],
        description=description(content),
        blocks=blocks,
        width="fluid",
    )


def description(content: Mapping[str, Any]) -> str:
    """Return the description of the report, by which it is found again."""
    return f"Made by ganstudy from the records of the study {content['mark']}, and replaced when there are new ones."


def _answer(found: Mapping[str, Any]) -> str:
    """Return the answer as Markdown."""
    shown = f"{found['failed']} of {found['ended']} trials that have ended failed."
    return "\n\n".join(text for text in (found["content"]["question"], found["answer"], found["constraints"], shown) if text)


def _curve(metric: Mapping[str, Any]) -> wr.LinePlot:
    """Return a chart of a metric over training images, with its real-data baseline."""
    name = metric["name"]
    return wr.LinePlot(
        title=name,
        x="images",
        y=[name, *([f"baseline/{name}"] if metric["baseline"] else [])],
        log_y=metric["log"] or None,
        groupby_aggfunc="mean",
        groupby_rangefunc="minmax",
        max_runs_to_show=_CURVES,
    )


def _settings(content: Mapping[str, Any]) -> list[Any]:
    """Return, for each objective, a parallel-coordinates plot that ends in it, and the importance of settings for it."""
    axes = [
        wr.ParallelCoordinatesPlotColumn(wr.Config(each["key"]), display_name=each["name"], log=each["log"] or None)
        for each in content["settings"]
    ]
    panels: list[Any] = []
    for metric in content["metrics"]:
        if metric["objective"]:
            final = f"final/{metric['name']}"
            last = wr.ParallelCoordinatesPlotColumn(wr.SummaryMetric(final), log=metric["log"] or None)
            panels += [
                wr.ParallelCoordinatesPlot(title=f"Settings and {final}", columns=[*axes, last]),
                wr.ParameterImportancePlot(with_respect_to=final),
            ]
    return panels


def _samples() -> wr.MediaBrowser:
    return wr.MediaBrowser(title="Samples", media_keys=["samples"], num_columns=4, mode="gallery", gallery_axis="step")


def _pictures(found: Mapping[str, Any]) -> list[wr.MediaBrowser]:
    """Return the pictures of the best trials, which the run of the study has."""
    return [wr.MediaBrowser(title=name, media_keys=[name], num_columns=len(pictures)) for name, pictures in found["pictures"].items()]


def _grid(runset: wr.Runset, panels: list[Any], *, wide: bool = False) -> wr.PanelGrid:
    """Return panels under each other if wide, else two in a row."""
    for place, panel in enumerate(panels):
        width = _WIDE if wide else _HALF
        panel.layout = wr.Layout(x=0 if wide else _HALF * (place % 2), y=_TALL * (place if wide else place // 2), w=width, h=_TALL)
    return wr.PanelGrid(runsets=[runset], panels=panels)


def _trials(content: Mapping[str, Any], *, failed: bool | None = None, groupby: list[str] | None = None) -> wr.Runset:
    """Return the trials of the study; without `entity`, a run set is of the report's own project. failed: only those that did, or did not."""
    chosen = [expr.Config("study_id") == content["mark"]]
    if failed is not None:
        chosen.append(expr.Summary("failed") == failed)
    return wr.Runset(
        name="trials" if failed is None else "failed" if failed else "not failed",
        filters=expr.And(*chosen),
        groupby=groupby or [],
        run_settings={run_id: wr.RunSettings(color=colour) for run_id, colour in _colours(content).items()},
        pinned_columns=_columns(content),
    )


def _study_run(content: Mapping[str, Any]) -> wr.Runset:
    """Return the run of the study, which has the tables."""
    return wr.Runset(name="study", filters=expr.And(expr.Metric("ID") == f"{content['mark']}-study"))


def _colours(content: Mapping[str, Any]) -> dict[str, str]:
    """Run id -> the colour of its outcome."""
    return {f"{content['mark']}-{trial_id}": OUTCOMES[outcome].colour for trial_id, outcome in content["outcomes"].items()}


def _columns(content: Mapping[str, Any]) -> list[str]:
    """Return the columns of the table of runs that are always visible."""
    final = [f"summary:final/{metric['name']}" for metric in content["metrics"] if metric["objective"]]
    keys = [each["key"].partition(".") for each in content["settings"]]
    settings = [f"config:{head}.value{dot}{rest}" for head, dot, rest in keys]
    return ["run:displayName", "summary:outcome", *final, *settings, "summary:diagnosis"]
