"""What the commands print: a study's view in words and tables."""

from collections import Counter
from datetime import timedelta
from io import StringIO
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from ruamel.yaml import YAML
from scipy.stats import kendalltau

import analysis
from ganstudy.units import to_kimg
from study.api import StudyView, TrialView
from study.evaluation.protocol import HEADLINE, EvaluationProtocol
from study.evaluation.reevaluate import Reevaluated  # torch comes along; every command that prints needs the terminal
from study.show.report import claims_of
from study.store.records import Ended

COLUMNS = 8  # of a table of curves


def print_answer(view: StudyView, console: Console) -> None:
    trials = view.trials()
    if len(broken := trials[trials["ended"] == Ended.ERROR]):
        last = broken.iloc[-1]["reason"].strip().splitlines()[-1:]
        console.print(
            f"{len(broken)} of {len(trials)} trials broke, and are no evidence; the last said: {escape(' '.join(last))}. "
            f"`ganstudy show {view.folder} {broken.index[-1]}` prints all of it",
            soft_wrap=True,
        )
    if not view.table().evidence.any():
        console.print("No answer yet: no trial has finished.")
        return
    console.print(escape(analysis.answer(view.table(), claims_of(view))), soft_wrap=True)
    print_ranking(view.table(), view.objective, console, n=8)


def print_claims(claims: list[analysis.Claim], console: Console) -> None:
    for claim in claims:
        console.print(f"{'*' if claim.clear else ' '} {escape(claim.sentence)}", soft_wrap=True)
    if claims:
        console.print("* the 95 % interval excludes zero effect")
    else:
        console.print("No results yet: no setting has finished trials at two levels.")


def print_ranking(trials: analysis.TrialTable, by: str, console: Console, *, n: int) -> None:
    """Raises UserError where nothing can be ranked yet."""
    ranked = analysis.rank(trials, by)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("place", by, "95 %", "runs", "failed"):
        table.add_column(column, justify="right")
    for column in ("settings", "config"):
        table.add_column(column, overflow="fold")
    shown = ranked if len(ranked) <= n else pd.concat([ranked.head(n - n // 2), ranked.tail(n // 2)])
    for i, row in enumerate(shown.to_dict("records")):
        if len(ranked) > n and i == n - n // 2:
            table.add_row("…")
        settings = ", ".join(
            short(name, value) for name in trials.scientific if (value := row[name]) is not False and value is not None and value == value
        )
        table.add_row(place(row), number(row["mean"]), f"{number(row['low'])}–{number(row['high'])}" if row["low"] == row["low"] else "–",
                      str(row["n_seeds"]), f"{row['fail_rate']:.0%}", settings or "none of them", row["config_id"])  # fmt: skip
    console.print(table)
    console.print(
        f"[dim]{escape(str(ranked.attrs['note']))}; real data score {number(trials.baselines.get(by, float('nan')))}[/dim]", soft_wrap=True
    )


def print_evaluated(view: StudyView, evaluation: Reevaluated, console: Console, *, n: int) -> None:
    """The ranking by another evaluation protocol, and how far it agrees with the study's own."""
    protocol, own, by = evaluation.protocol, EvaluationProtocol(**view.study.protocol), view.objective
    theirs = own.as_dict()
    others = ", ".join(f"{name} {theirs[name]}" for name, value in protocol.as_dict().items() if theirs[name] != value)
    console.print(
        f"evaluation protocol {protocol.hash}: features {protocol.features} (weights {protocol.weights}), {protocol.n_fake} samples of each generator beside "
        f"{protocol.n_real} held-out data of {protocol.data}; "
        + (f"the study's own is {own.hash}: {others}" if others else "the study's own"),
        soft_wrap=True,
    )
    trials = len(view.store.trials)
    console.print(f"{len(evaluation.values)} of {trials} trials judged, in {evaluation.path}", soft_wrap=True)
    for reason, count in Counter(evaluation.left_out.values()).items():
        first = next(trial_id for trial_id, why in evaluation.left_out.items() if why == reason)
        console.print(f"left out: {first}" + (f" and {count - 1} more" if count > 1 else "") + f": {escape(reason)}", soft_wrap=True)
    table, before = evaluation.table(view.table()), view.table()
    there = np.isfinite(table.at_end(by))
    if not there.any():
        console.print("None of them has come to the end of its budget; there is no ranking yet.")
        return
    print_ranking(table, by, console, n=n)
    means = pd.concat([analysis.rank(each.where(there), by).set_index("config_id")["mean"] for each in (table, before)], axis=1).to_numpy()
    tau = kendalltau(*means.T).statistic if len(means) > 1 else float("nan")
    console.print(
        f"How far the order by {protocol.axis(by)} agrees with the study's own by {own.axis(by)}: Kendall's τ {number(tau)} "
        f"(1: the same order, 0: unrelated, −1: reversed), n = {len(means)} configurations. Which runs failed is as the study found it.",
        soft_wrap=True,
    )


def place(row: dict[Any, Any]) -> str:
    if row["place"] != row["place"]:
        return "–"
    return (
        f"{row['place']:.0f} ({row['place_low']:.0f}–{row['place_high']:.0f})"
        if row["place_low"] == row["place_low"]
        else f"{row['place']:.0f}"
    )


def short(name: str, value: Any) -> str:
    return name if value is True else f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"


def number(value: float) -> str:
    return "–" if value != value else f"{value:.4g}"


def print_best(view: StudyView, found: list[TrialView], by: str, console: Console) -> None:
    for i, trial in enumerate(found, 1):
        names = dict.fromkeys((by, view.objective, *HEADLINE))
        values = "  ".join(f"{name} {number(trial.values[name])}" for name in names if name in trial.values)
        console.print(f"{i}. [bold]{trial.trial_id}[/bold]  {trial.outcome}  {values}", soft_wrap=True)
        asked = {
            name: value
            for name, value in trial.record.settings.items()
            if name in view.study.spec["space"]["scientific"] or name in view.study.spec["space"]["nuisance"]
        }
        console.print(
            "   " + ", ".join(f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in asked.items()),
            soft_wrap=True,
        )


def print_status(view: StudyView, who: str | None, console: Console) -> None:
    trials = view.trials()
    spec = view.study.spec
    total = spec["n_configs"] * spec["seeds"]
    console.print(
        f"[bold]{spec['name']}[/bold]  {view.folder}: {len(trials)} of {total} trials opened; "
        + (f"driven by {who}" if who else "nobody drives it"),
        soft_wrap=True,
    )
    if len(trials):
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in ("ended", "outcome", "trials"):
            table.add_column(column, justify="right" if column == "trials" else "left")
        for (ended, outcome), count in Counter(zip(trials["ended"], trials["outcome"], strict=True)).most_common():
            table.add_row(ended or "unfinished", outcome or "–", str(count))
        console.print(table)
        training, evaluating = trials["seconds"].sum(), trials["evaluation_seconds"].sum()
        console.print(f"trained {timedelta(seconds=round(training))} in all, judged {timedelta(seconds=round(evaluating))}")
    if not who and len(trials) and (trials["ended"].isin(["", Ended.ERROR.value]).any() or len(trials) < total):
        console.print(f"`ganstudy resume {view.folder}` goes on")


def print_study(view: StudyView, console: Console) -> None:
    spec = view.study.spec
    console.print(f"[bold]{spec['name']}[/bold]: {escape(spec['question'])}", soft_wrap=True)
    console.print(
        f"goal {spec['goal']}, sampler {spec['sampler']}, {spec['n_configs']} configurations × {spec['seeds']}, score {spec['objective']['metric']}"
    )
    for part, flow in (("base", False), ("space", None)):  # as a study file has them; None: the innermost in a line
        yaml, text = YAML(typ="safe", pure=True), StringIO()
        yaml.default_flow_style, yaml.width = flow, 150
        yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # its hint knows None only
        yaml.dump({part: spec[part]}, text)
        console.print(escape(text.getvalue()), end="", soft_wrap=True)
    console.print("trials: " + " ".join(view.store.trials), soft_wrap=True)


def print_trial(trial: TrialView, console: Console) -> None:
    record = trial.record
    ended = record.closed.ended.value if record.closed else "unfinished"
    console.print(
        f"[bold]{trial.trial_id}[/bold]  trial {record.number}, {record.phase}; ended: {ended}; outcome: {trial.outcome or 'unknown yet'}",
        soft_wrap=True,
    )
    console.print(
        f"{'diagnosis' if record.closed else 'so far'}: {trial.diagnosis.outcome} {escape(trial.diagnosis.evidence)}", soft_wrap=True
    )
    if record.closed and record.closed.reason:
        console.print(escape(record.closed.reason.rstrip()), soft_wrap=True)
    asked = record.settings
    for name, value in trial.study.settings(record).items():
        console.print(f"  {name}: {value}" + ("" if name in asked else "  [dim](default)[/dim]"), soft_wrap=True)
    metrics = [name for name in trial.study.study.baselines if record.last and name in record.last.values]
    signals = [name for name in (record.last.values if record.last else {}) if name not in metrics]
    for columns in (names[i : i + COLUMNS] for names in (metrics, signals) for i in range(0, len(names), COLUMNS)):
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in ("kimg", *columns):
            table.add_column(column, justify="right", overflow="fold")
        for m in record.measurements:
            table.add_row(f"{to_kimg(m.images):g}", *(number(m.values.get(name, float("nan"))) for name in columns))
        if columns[0] in metrics:
            table.add_row("real", *(number(trial.study.study.baselines.get(name, float("nan"))) for name in columns), style="dim")
        console.print(table)
