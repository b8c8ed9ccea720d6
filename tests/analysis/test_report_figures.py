"""What the figures of a report show."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from analysis import TrialTable, explain, plots
from analysis.cells import Cells
from analysis.pareto import pareto
from analysis.plots.style import DARK_PAGE, PAGE, contrast, dark_colours, dot_size
from analysis.report.build import document
from analysis.report.content import Chart, Charts
from analysis.report.findings import Findings, findings
from analysis.shape import shapes

Stage = Callable[..., TrialTable]


def figures(found: Findings) -> list[Chart]:
    blocks = [block for section in document(found).sections for block in section.blocks]
    return [chart for block in blocks if isinstance(block, Charts) for chart in block.charts]


def test_cells_stand_in_their_places_also_if_labels_are_numbers(stage: Stage) -> None:
    value = np.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])
    found = Cells(
        rows="g.depth", columns="n", row_labels=("1", "4", "16"), column_labels=("2", "1"), outcome="failed", value=value, n=value, p=1.0
    )
    notes = plots.cells(found, stage(4, 1)).layout.annotations
    assert {(note.x, note.y): note.text.split("<br>")[0] for note in notes} == {
        (0, 0): "10 %", (1, 0): "20 %", (0, 1): "30 %", (1, 1): "40 %", (0, 2): "50 %", (1, 2): "60 %",
    }  # fmt: skip


def test_means_by_setting_are_of_runs_that_did_not_fail(stage: Stage) -> None:
    """Failed runs, which are worse, are dots."""
    table = stage(30, 1, risk=lambda config: 0.7 if config["r1"] else 0.2, dead=0.0)
    drawn = plots.metric_by_setting(table, "fd", ["r1"])
    assert sum(len(trace.x) for trace in drawn.data if trace.name != "mean over configs, 95 %") == len(table)
    (means,) = [trace for trace in drawn.data if trace.name == "mean over configs, 95 %"]
    on = table.settings["r1"].to_numpy(dtype=bool)
    fd = table.final["fd"].to_numpy()
    assert list(means.x) == pytest.approx([stats.gmean(fd[~table.failed & (on == here)]) for here in (False, True)])


def test_a_level_at_which_all_runs_failed_has_no_mean(stage: Stage) -> None:
    table = stage(12, 2, risk=lambda config: 1.0 if config["r1"] else 0.0)
    (means,) = [trace for trace in plots.metric_by_setting(table, "fd", ["r1"]).data if trace.name == "mean over configs, 95 %"]
    assert np.isfinite(np.asarray(means.x, dtype=float)).tolist() == [True, False]


def test_both_figures_by_setting_split_a_range_at_the_same_point(stage: Stage) -> None:
    """Most runs with a large rate die, so those that have an fd have a smaller median."""
    table = stage(40, 1, risk=lambda config: 0.9 if config["d.lr"] > 1e-4 else 0.0, dead=1.0)
    figures = [plots.risk_by_setting(table, ["d.lr"]), plots.metric_by_setting(table, "fd", ["d.lr"])]
    first, second = [figure.layout.yaxis.ticktext for figure in figures]
    assert first == second


@pytest.mark.parametrize("n_seeds", [1, 3])
def test_titles_promise_intervals_only_where_there_are_any(stage: Stage, n_seeds: int) -> None:
    found = findings(stage(12, n_seeds), objectives=["fd"])
    titles = {chart.name: chart.title for chart in figures(found)}
    for name in ("ranking", "pareto"):
        assert ("intervals" in titles[name]) == (n_seeds > 1)


def test_a_likely_config_is_the_one_seen_best_on_both_pages(stage: Stage) -> None:
    table = stage(8, 3)
    (dots,) = plots.pareto_front(pareto(table, "fd", "coverage"), table).data
    ends = [colour for _, colour in dots.marker.colorscale]
    for page, shown in ((PAGE, ends), (DARK_PAGE, [dark_colours()[colour] for colour in ends])):
        unlikely, likely = (contrast(colour, page) for colour in shown)
        assert likely > 3
        assert unlikely < 2


def test_the_star_is_the_best_point_of_the_curve(stage: Stage) -> None:
    table = stage(60, 2, risk=lambda config: 0.0, config_sd=0.1, log_fd=lambda config: (np.log(config["d.lr"]) + 8.5) ** 2 / 3)
    (found,) = [each for each in shapes(explain(table, "fd"), "fd") if each.setting == "d.lr"]
    assert found.form == "valley"
    star = next(trace for trace in plots.shape(found, table).data if trace.name == "best")
    assert star.y[0] == pytest.approx(min(found.expected), rel=0.01)
    assert star.y[0] == np.interp(star.x[0], found.at, found.expected)


def test_a_claimed_interaction_of_a_kind_of_failure_has_cells_and_a_neutral_colour(stage: Stage) -> None:
    """Half of the runs fail everywhere; how they fail depends on r1 and loss together."""
    table = stage(72, 2, risk=lambda config: 0.6)
    on, hinge = table.settings["r1"].to_numpy(dtype=bool), (table.settings["loss"] == "hinge").to_numpy()
    outcome = np.where(~table.failed, "healthy", np.where(on == hinge, "diverged", "mode_collapse"))
    table = replace(table, outcome=outcome, ended=np.where(outcome == "diverged", "dead", "budget"))
    found = findings(table, objectives=["fd"])
    claimed = [claim for claim in found.explanation if claim.claimed and claim.kind == "interaction"]
    assert {claim.outcome for claim in claimed} >= {"mode_collapse", "diverged"}
    assert {cells.outcome for cells in found.cells} == {"failed", "fd", "mode_collapse", "diverged"}
    titles = [chart.title for chart in figures(found) if chart.name.startswith("cells")]
    assert any("share of runs with mode collapse" in title for title in titles)
    groups = [trace.name for trace in plots.forest(claimed).data if trace.showlegend]
    assert groups == ["claimed interaction"]


def test_an_interval_that_goes_on_beyond_the_axis_ends_in_an_arrow(stage: Stage) -> None:
    """Six configs: nothing can be claimed, and intervals of all comparisons at once are endless."""
    table = replace(stage(6, 2, risk=lambda config: 0.0), scientific=("r1",), nuisance=())
    claims = [claim for claim in explain(table, "fd") if claim.outcome == "fd"]
    assert np.isinf(claims[0].family_high)
    drawn = plots.forest(claims)
    (arrows,) = [trace for trace in drawn.data if trace.name == "interval goes on"]
    assert set(arrows.marker.symbol) == {"triangle-left", "triangle-right"}
    assert sorted(set(np.log10(arrows.x))) == pytest.approx(drawn.layout.xaxis.range)
    thin = next(trace for trace in drawn.data if trace.mode == "lines" and len(trace.x))
    assert list(thin.x[:2]) == pytest.approx([10**end for end in drawn.layout.xaxis.range])
    shown = [replace(claim, family_low=claim.low, family_high=claim.high) for claim in claims]
    (none,) = [trace for trace in plots.forest(shown).data if trace.name == "interval goes on"]
    assert not len(none.x)
    assert not none.showlegend


def test_few_dots_are_larger_than_many() -> None:
    sizes = [dot_size(n) for n in (0, 1, 6, 24, 50, 150, 10_000)]
    assert sizes == sorted(sizes, reverse=True)
    assert (sizes[2], sizes[-1]) == (9, 4)
