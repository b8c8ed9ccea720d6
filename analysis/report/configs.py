"""Sections about configs: the ranking, a card for each of the first, the best of k, and the trade-off of two metrics."""

import numpy as np
import pandas as pd

from analysis import plots
from analysis.confirmed import confirmed
from analysis.feasible import Feasibility
from analysis.interval import as_shown, ranking_as_shown
from analysis.interval import note as note_of
from analysis.ranked import as_ranked
from analysis.report.content import Block, Card, Cards, Chart, Charts, Heading, Section, Table, Text, reason
from analysis.report.findings import Findings
from analysis.report.pictures import picture, representative
from analysis.report.settings_column import settings_column
from analysis.table import TrialTable
from analysis.words import aligned, listed, mean_on, percent, plural, value_text

_TOP, _BOTTOM = 10, 5  # rows of the ranking that are shown
_CARDS = 4
_CHANGES = 8  # settings that a card names
_METRICS = 8  # rows of a card


def ranking(found: Findings) -> Section:
    """The best and worst configs."""
    if found.ranking is None:
        return Section("Ranking", [Text(text=reason(found.why["ranking"]))])
    frame = ranking_as_shown(found.ranking)
    table, also = _table(frame, found)
    blocks: list[Block] = [table]
    if found.feasibility:
        blocks.insert(0, Text(text=f"Constraints: {found.feasibility.sentence}."))
    note = (
        f"{frame.attrs['note']}. P(best): the chance that no other config is better. Trials: those that did not fail and have a value, of all. "
        f"As measured: their {mean_on(frame.attrs['scale'])} as it is; the first of many is too good, because it was chosen by it."
        + (also and f" {also}")
        + ((untold := note_of(frame)) and f" {untold}.")
    )
    blocks.append(Text(text=note, note=True))
    if frame["estimate"].notna().any():
        intervals = _intervals(frame, ["low", "p_fail_low"])
        chart = Chart(
            name="ranking",
            title=f"{found.objective} and risk of a new run of the best configs{intervals}",
            alt=f"Expected {found.objective} and risk of failing of the first configs{intervals}; crosses are the {mean_on(frame.attrs['scale'])}s as measured.",
            figure=plots.ranking(frame, found.table),
            width=500,
        )
        blocks.append(Charts(charts=[chart]))
    return Section("Ranking", blocks)


def _table(frame: pd.DataFrame, found: Findings) -> tuple[Table, str]:
    """The first and last configs, and a note on settings that the table has no room for."""
    cut = len(frame) > _TOP + _BOTTOM
    shown = pd.concat([frame.head(_TOP), frame.tail(_BOTTOM)]) if cut else frame
    shown.attrs = frame.attrs
    settings, also = settings_column(shown, found.leading)
    columns = ["Config", "Place", "95 % places", "P(best)", "Trials", f"{found.objective}, expected", "95 % interval", "As measured"]
    columns += ["P(fail)", "95 % of P(fail)", "Died", *(["Constraints"] if found.feasibility else []), "Settings"]

    def row(i: int) -> list[str]:
        config = shown.iloc[i]
        place, low, high = ("–" if pd.isna(config[name]) else str(int(config[name])) for name in ("place", "place_low", "place_high"))
        return [
            str(config["config_id"]),
            place,
            low if low == high else f"{low} to {high}",
            percent(config["p_best"]),
            f"{config['n']} of {config['n_seeds']}",
            aligned(config["estimate"]),
            f"{aligned(config['low'])} to {aligned(config['high'])}" if np.isfinite(config["low"]) else "–",
            aligned(config["mean"]),
            percent(config["p_fail"]) if np.isfinite(config["p_fail_low"]) else "–",  # else it is that of the whole study
            f"{percent(config['p_fail_low'])} to {percent(config['p_fail_high'])}" if np.isfinite(config["p_fail_low"]) else "–",
            str(config["n_dead"]),
            *([_kept(found.feasibility, str(config["config_id"]))] if found.feasibility else []),
            settings[i],
        ]

    rows = [row(i) for i in range(len(shown))]
    if cut:
        rows.insert(_TOP, [])
    table = Table(
        name="Ranking of configs",
        columns=columns,
        rows=rows,
        numbers=[c for c in columns if c not in ("Config", "Constraints", "Settings")],
    )
    return table, also


def _kept(found: Feasibility, config: str) -> str:
    """Whether a config keeps to the constraints, with the probability where it is known."""
    kept, p = bool(found.configs.at[config, "feasible"]), float(str(found.configs.at[config, "p_feasible"]))
    return ("kept" if kept else "not kept") + (f" (P = {percent(p)})" if np.isfinite(p) else "")


def cards(found: Findings) -> Section | None:
    """What the first configs are, and how to run them again."""
    if found.ranking is None:
        return None
    ids = found.recommended[:_CARDS]
    if not ids:
        return None
    first = found.ranking.set_index("config_id", drop=False).loc[ids]
    configs = [str(config) for config in first["config_id"]]
    settings = {config: _settings(found.counted, config) for config in configs}
    varied = [
        name for name in dict.fromkeys([*found.leading, *found.table.nuisance]) if found.counted.settings[name].nunique(dropna=False) > 1
    ]
    different = [name for name in varied if len({value_text(of[name]) for of in settings.values()}) > 1]
    blocks: list[Block] = []
    if different and len(configs) > 1:
        rows = [
            [name, *([_default(found, name)] if found.defaults else []), *(_shown(settings[config][name]) for config in configs)]
            for name in different
        ]
        columns = ["Setting", *(["Default"] if found.defaults else []), *configs]
        blocks += [
            Heading(text="What the first configs differ in"),
            Table(name="Differences of the first configs", columns=columns, rows=rows),
        ]
    made = [_card(found, row, settings[str(row["config_id"])], varied) for _, row in first.iterrows()]
    return Section("Top configs", [*blocks, Cards(cards=made)])


def _settings(table: TrialTable, config: str) -> dict[str, object]:
    row = table.settings.iloc[int(np.flatnonzero(table.config_id == config)[0])]
    return {str(name): value for name, value in row.items()}


def _shown(value: object) -> str:
    return "–" if value is None or value != value else value_text(value)  # NaN differs from itself


def _default(found: Findings, name: str) -> str:
    return _shown(found.defaults.get(name))


def _card(found: Findings, row: pd.Series, settings: dict[str, object], varied: list[str]) -> Card:
    table, config = confirmed(found.counted), str(row["config_id"])
    mine = as_ranked(table.where(table.config_id == config), found.objectives)
    # the runs that the ranking takes the mean of; if there are none, the failed ones
    survived = ~mine.failed & ~mine.censored
    shown = mine.where(survived if survived.any() else mine.failed)
    trial = representative(shown, found.objective)
    low, high = (row[name] for name in ("place_low", "place_high"))
    facts = [
        f"Place {row['place']:.0f}" + (f" (95 % {low:.0f} to {high:.0f})" if np.isfinite(low) else "") + _best(row["p_best"]),
        f"{row['n_failed']} of {plural(int(row['n_seeds']), 'trial')} failed"
        + (f", {row['n_poor_fit']} had a poor fit" if row["n_poor_fit"] else "")
        + (
            f"; the risk of a new run is {percent(row['p_fail'])} (95 % {percent(row['p_fail_low'])} to {percent(row['p_fail_high'])})"
            if np.isfinite(row["p_fail_low"])
            else ""
        ),
    ]
    if len(found.objectives) > 1 and found.pareto is not None:
        p = float(found.pareto.set_index("config_id")["p_front"].loc[config])
        facts.insert(
            0, f"On the Pareto front of {listed(list(found.objectives))}" + (f" with probability {percent(p)}" if np.isfinite(p) else "")
        )
    changed = [f"{name} {_shown(settings[name])}" for name in varied if _shown(settings[name]) not in ("–", _default(found, name))]
    if found.defaults:
        facts.append(f"Differs from the defaults in {_some(changed)}" if changed else "All settings that vary have their defaults")
    elif changed:
        facts.append(_some(changed))
    metrics = list(dict.fromkeys([found.objective, *table.baselines]))
    known = [name for name in metrics if name in shown.final and np.isfinite(shown.at_end(name)).any()][:_METRICS]
    rows = [
        [name, aligned(_mean(shown, name, log=table.scale(name) == "log")), aligned(table.baselines.get(name, np.nan))] for name in known
    ]
    geometric = [name for name in known if table.scale(name) == "log"]
    mean = "Geometric mean" if geometric == known else "Mean" + (f", geometric for {listed(geometric)}" if geometric else "")
    columns = ["Metric", mean, "Real data"]
    name = f"{config}: mean of {plural(len(shown), 'trial')}" + ("" if survived.any() else " (all failed)")
    return Card(
        name=name,
        facts=facts,
        table=Table(name=f"Metrics of {config}", columns=columns, rows=rows, numbers=columns[1:]),
        picture=picture(found, trial) if trial in found.images else None,
        recipe=found.recipes.get(trial, ""),
    )


def _some(items: list[str]) -> str:
    more = len(items) - _CHANGES
    return listed(items if more <= 0 else [*items[:_CHANGES], f"{more} more"])


def _best(p: float) -> str:
    return f"; best with probability {percent(p)}" if np.isfinite(p) else ""


def _mean(table: TrialTable, metric: str, *, log: bool) -> float:
    values = table.at_end(metric)
    values = values[np.isfinite(values)]
    return float(np.exp(np.log(values).mean())) if log else float(values.mean())


def trade_off(found: Findings) -> Section:
    """The Pareto front of the objectives, or of the objective and a second metric."""
    title = "Pareto front" if len(found.objectives) > 1 else "Trade-off"
    if found.pareto is None:
        return Section(title, [Text(text=reason(found.why["pareto"]))])
    metrics = found.pareto.attrs["metrics"]
    frame = as_shown(found.pareto, [(name, found.table.scale(name), f"{name}_low", f"{name}_high") for name in metrics])
    x, y, *more = metrics
    on = frame[frame["on_front"]]
    columns = ["Config on the front", "P(on the front)", *(column for name in metrics for column in (name, f"95 % of {name}")), "P(fail)"]
    columns += ["Constraints"] if found.feasibility else []
    columns.append("Settings")
    first = on.head(_TOP)
    first.attrs = frame.attrs
    settings, also = settings_column(first, found.leading)

    def row(config: pd.Series, told: str) -> list[str]:
        values = [text for name in metrics for text in (aligned(config[name]), _range(config, name))]
        kept = [_kept(found.feasibility, str(config["config_id"]))] if found.feasibility else []
        risk = percent(config["p_fail"]) if np.isfinite(config["p_front"]) else "–"  # with one trial of each config it is that of the study
        return [str(config["config_id"]), percent(config["p_front"]), *values, risk, *kept, told]

    blocks: list[Block] = []
    if found.feasibility:
        blocks.append(Text(text=f"Constraints: {found.feasibility.sentence}."))
    chart = Chart(
        name="pareto",
        title=f"{x} and {y} of every config that did not always fail{_intervals(frame, [f'{x}_low', f'{y}_low'])}",
        alt=f"{x} against {y}; {plural(len(on), 'config')} of {len(frame)} on the Pareto front of {listed(metrics)} by the estimates.",
        figure=plots.pareto_front(frame, found.table),
    )
    rows = [row(config, told) for (_, config), told in zip(first.iterrows(), settings, strict=True)]
    note = "Sorted by P(on the front): the chance that no other config is at least as good in all" + (
        " and keeps to the constraints" if found.feasibility else ""
    )
    if more:
        note += f". The figure shows {x} and {y}; the front is that of {listed(metrics)}"
    if len(on) > _TOP:
        note += f". {len(on) - _TOP} more are on the front by the estimates"
    if untold := note_of(on):
        note += f". {untold}"
    if also:
        note += f". {also.rstrip('.')}"
    blocks += [
        Charts(charts=[chart]),
        Table(
            name="The Pareto front", columns=columns, rows=rows, numbers=[c for c in columns[1:] if c not in ("Constraints", "Settings")]
        ),
        Text(text=f"{note}.", note=True),
    ]
    return Section(title, blocks)


def _range(config: pd.Series, name: str) -> str:
    low, high = config[f"{name}_low"], config[f"{name}_high"]
    return f"{aligned(low)} to {aligned(high)}" if np.isfinite(low) else "–"


def _intervals(frame: pd.DataFrame, ends: list[str]) -> str:
    """What a title says of the intervals, if any are known."""
    return ", with 95 % intervals" if frame[ends].notna().any(axis=None) else ""
