"""The ranking shows every setting in which the shown configs differ, or names it in a note: in the terminal and in the report."""

import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from analysis import TrialTable, rank
from analysis.pareto import pareto
from analysis.report.build import document
from analysis.report.findings import findings
from analysis.report.markdown import markdown
from analysis.report.settings_column import settings_column
from analysis.winner import winner
from study.show.terminal import print_ranking

Stage = Callable[..., TrialTable]


def raced(table: TrialTable) -> TrialTable:
    """The table after a race of its last two configs, which share their scientific settings and differ in a nuisance setting."""
    last = np.isin(table.config_id, pd.unique(table.config_id)[-2:])
    settings = table.settings.copy()
    for name in table.scientific:
        settings.loc[last, name] = settings[name].iloc[-1]
    return replace(table, settings=settings, phase=np.where(last & (table.seed >= 2), "confirm", "explore"))


def test_configs_that_differ_in_a_nuisance_setting_alone_do_not_look_alike(stage: Stage) -> None:
    table = raced(stage(8, 5, risk=lambda config: 0.0))
    confirmed = table.where(table.phase == "confirm")
    rates = [f"d.lr {value:.3g}" for value in confirmed.settings["d.lr"].unique()]
    said = io.StringIO()
    print_ranking(table, "fd", Console(file=said, width=200), n=8)
    text = markdown(document(findings(table, objectives=["fd"])))
    section = text.partition("## Ranking")[2].partition("\n## ")[0]
    assert len(rates) == 2
    for rate in rates:
        assert rate in said.getvalue()
        assert rate in section
    assert any(rate.removeprefix("d.lr ") in winner(table, ["fd"]) for rate in rates)


@pytest.mark.parametrize("ranked", [lambda table: rank(table, "fd"), lambda table: pareto(table, "fd", "coverage")])
def test_a_result_has_a_column_for_each_nuisance_setting_in_which_its_configs_differ(
    stage: Stage, ranked: Callable[[TrialTable], pd.DataFrame]
) -> None:
    table = stage(8, 4, risk=lambda config: 0.0)
    varied = {name for name in table.nuisance if table.settings[name].nunique(dropna=False) > 1}
    assert varied
    assert set(ranked(table).attrs["settings"]) == {*table.scientific, *varied}
    settings = table.settings.assign(**dict.fromkeys(varied, 1.0))
    assert set(ranked(replace(table, settings=settings)).attrs["settings"]) == set(table.scientific)


@pytest.mark.parametrize("n", [1, 6, 7, 10, 11, 25])
def test_each_setting_in_which_configs_differ_is_in_the_column_or_in_its_note(n: int) -> None:
    names = [f"s{i}" for i in range(n)]
    frame = pd.DataFrame({**{name: [1.0, 2.0, np.nan] for name in names}, "same": [5, 5, 5]})
    frame.attrs["settings"] = {name: name for name in frame}
    lines, note = settings_column(frame, names[:3])
    for name in names:
        assert f"{name} 1" in lines[0] or name in note.replace(",", "").split()
    assert len(set(lines)) == 3
    assert ("…" in lines[0]) == (n > 10 or n + 1 > 6)


def test_numbers_that_are_rounded_alike_are_told_apart() -> None:
    frame = pd.DataFrame({"d.lr": [0.000342719847, 0.000342719848]})
    frame.attrs["settings"] = {"d.lr": "d.lr"}
    lines, _ = settings_column(frame, [])
    assert lines[0] != lines[1]
