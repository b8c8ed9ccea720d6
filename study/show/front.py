"""What the commands print about a study with several objectives: its Pareto front."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

import analysis
from analysis.interval import as_shown, note
from analysis.words import listed, number, percent
from study.console import print_table
from study.show.settings import told_apart
from study.views import StudyView


def front_of(view: StudyView, table: analysis.TrialTable) -> pd.DataFrame:
    """Return all configs with values of all objectives, by `analysis.pareto`, under the study's constraints, with intervals as they are shown."""
    names = list(view.study.objectives)
    found = analysis.pareto(table, *names, limits=view.study.limits)
    return as_shown(found, [(name, table.scale(name), f"{name}_low", f"{name}_high") for name in names])


def print_front(view: StudyView, table: analysis.TrialTable, console: Console) -> None:
    """Print the Pareto front, and which configs the constraints leave out."""
    names, found = list(view.study.objectives), front_of(view, table)
    on = found[found["on_front"]]
    if view.study.limits:
        console.print(f"Constraints: {found.attrs['limits']}.", soft_wrap=True)
    if not len(on):
        console.print(f"No config has values of {listed(names)} and keeps to the constraints, so there is no Pareto front.", soft_wrap=True)
        return
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("on the front", *(column for name in names for column in (name, "95 %")), "fails", "runs"):
        shown.add_column(column, justify="right", no_wrap=True)
    for column in ("settings", "config"):
        shown.add_column(column, overflow="fold")
    settings = told_apart(table, on["config_id"].tolist())
    for row, told in zip(on.to_dict("records"), settings, strict=True):
        risk = percent(row["p_fail"]) if row["p_front"] == row["p_front"] else "–"  # with one trial of each config it is that of the study
        values = [text for name in names for text in (number(row[name]), _range(row, name))]
        shown.add_row(percent(row["p_front"]), *values, risk, str(row["n"]), told, row["config_id"])
    console.print(f"Pareto front of {listed(names)}, {len(on)} of {len(found)} configs, by the probability of being on it:", soft_wrap=True)
    print_table(console, shown)
    if told := note(on):
        console.print(f"{told}.", style="dim", soft_wrap=True)


def on_front(row: dict[Any, Any], names: Sequence[str]) -> str:
    """Return what is known about a config on the front as a clause; a row of `front_of`."""
    chance = f"on the front with probability {percent(row['p_front'])}; " if row["p_front"] == row["p_front"] else ""
    values = [f"{name} {number(row[name])}" + (f" ({text})" if (text := _range(row, name)) != "–" else "") for name in names]
    risk = f"; it fails with probability {percent(row['p_fail'])}" if chance else ""
    return f"{chance}a new run that does not fail has {listed(values)}{risk}"


def _range(row: dict[Any, Any], name: str) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return f"{number(low)} to {number(high)}" if low == low else "–"
