"""What the commands print: a study as text and tables."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from io import StringIO
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text
from ruamel.yaml import YAML
from scipy.stats import kendalltau

import analysis
from analysis.words import percent, plural, value_text, value_texts
from ganstudy.command import command
from ganstudy.units import to_kimg
from study.api import StudyView, TrialView
from study.evaluation.protocol import HEADLINE, EvaluationProtocol
from study.evaluation.reevaluate import Reevaluated  # imports torch, as do the other modules that every command here needs
from study.show.report import explanation_of, write_report
from study.store.records import Ended

if TYPE_CHECKING:
    from study.spec.study_spec import StudySpec

_FEW = 3  # switches that are named although they are off, if all are
COLUMNS = 8  # metrics per table of a trial's ticks


def print_result(view: StudyView, spec: "StudySpec", console: Console, *, seconds: float) -> None:
    """Print how a launch ended: what is left to do, or else the answer and the path of the new report. seconds: its wall time."""
    from study.engine.searcher import unfinished  # here: it imports Ray, which takes seconds; only a launch has done so already

    if unfinished(spec, view.store):
        done = sum(not record.needs_run(spec.max_failures) for record in view.store.trials.values())
        console.print(
            f"Stopped with {done} of {plural(spec.n_trials, 'trial')} done. Resume with {command('resume', view.folder)}.", soft_wrap=True
        )
        return
    console.print(f"\n{spec.question}", style="bold", soft_wrap=True)
    print_answer(view, console)
    console.print(f"\n{plural(spec.n_trials, 'trial')}, {seconds:.0f} s")
    console.print(f"Report: {write_report(view, view.store.layout.report).absolute()}", soft_wrap=True)


def print_answer(view: StudyView, console: Console) -> None:
    """Print the answer in sentences and the top and bottom of the ranking, after the error of crashed trials."""
    trials = view.trials()
    if len(broken := trials[trials["ended"] == Ended.ERROR]):
        last = broken.iloc[-1]["reason"].strip().splitlines()[-1:]
        console.print(
            f"Last error: {' '.join(last)}. {command('show', view.folder, broken.index[-1])} prints the traceback.",
            soft_wrap=True,
        )
    if not view.table().evidence.any():
        console.print("No answer yet: no trial has finished.")
        return
    console.print(analysis.answer(explanation_of(view)), soft_wrap=True)
    print_ranking(view.table(), view.objective, console, n=8)


def print_missing(trials: analysis.TrialTable, console: Console) -> None:
    """Print which trials are missing, if any are, where no answer says it."""
    if trials.missing:
        console.print(trials.missing, soft_wrap=True)


def print_ranking(trials: analysis.TrialTable, by: str, console: Console, *, n: int) -> None:
    """Print the ranking of configs by a metric; at most n rows, the first and the last. Raises UserError if nothing can be ranked yet."""
    ranked = analysis.rank(trials, by)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("place", "best", by, "95 %", "as measured", "fails", "95 %", "trials"):
        table.add_column(column, justify="right")
    for column in ("settings", "config"):
        table.add_column(column, overflow="fold")
    shown = ranked if len(ranked) <= n else pd.concat([ranked.head(n - n // 2), ranked.tail(n // 2)])
    settings = _told_apart(trials, shown["config_id"].tolist())
    for i, row in enumerate(shown.to_dict("records")):
        if len(ranked) > n and i == n - n // 2:
            table.add_row("…")
        table.add_row(_place(row), percent(row["p_best"]), _number(row["estimate"]), _range(_number(row["low"]), _number(row["high"])),
                      _number(row["mean"]), _risk(row), _range(percent(row["p_fail_low"]), percent(row["p_fail_high"])),
                      f"{row['n']} of {row['n_seeds']}", settings[i], row["config_id"])  # fmt: skip
    console.print(table)
    baseline = f" Real-data baseline of {by}: {_number(trials.baselines[by])}." if by in trials.baselines else ""
    console.print(
        f"best: chance that no other config is better; {by}: expected of a new run that does not fail; as measured: mean of the "
        f"trials that did not fail, counted under trials; fails: risk of a new run, or the trials that failed where it is unknown. {ranked.attrs['note']}.{baseline}",
        style="dim",
        soft_wrap=True,
    )


def print_evaluated(view: StudyView, evaluation: Reevaluated, console: Console, *, n: int) -> None:
    """Print the ranking by another evaluation protocol, and its agreement with the study's own ranking."""
    protocol, own, by = evaluation.protocol, EvaluationProtocol(**view.study.protocol), view.objective
    theirs = own.as_dict()
    others = ", ".join(f"{name} {theirs[name]}" for name, value in protocol.as_dict().items() if theirs[name] != value)
    console.print(
        f"evaluation protocol {protocol.hash}: features {protocol.features} (weights {protocol.weights}), {protocol.n_fake} samples of each generator "
        f"compared with {protocol.n_real} held-out samples of {protocol.data}; "
        + (f"the study's own is {own.hash}: {others}" if others else "the study's own"),
        soft_wrap=True,
    )
    of_study = evaluation.values.index.isin(list(view.store.trials))  # a file of results may hold others
    console.print(f"{of_study.sum()} of {plural(len(view.store.trials), 'trial')} evaluated, results in {evaluation.path}", soft_wrap=True)
    for reason, count in Counter(evaluation.left_out.values()).items():
        first = next(trial_id for trial_id, why in evaluation.left_out.items() if why == reason)
        console.print(f"left out: {first}" + (f" and {count - 1} more" if count > 1 else "") + f": {reason}", soft_wrap=True)
    table, before = evaluation.table(view.table()), view.table()
    there = np.isfinite(table.at_end(by))
    if not there.any():
        console.print(
            "No ranking: " + ("no generator at the end of a trial's budget was evaluated." if of_study.any() else "nothing was evaluated.")
        )
        return
    print_ranking(table, by, console, n=n)
    places = (
        pd.concat([analysis.rank(each.where(there), by).set_index("config_id")["place"] for each in (table, before)], axis=1)
        .dropna()
        .to_numpy()
    )
    tau = kendalltau(*places.T).statistic if len(places) > 1 else float("nan")
    console.print(
        f"Agreement of the rankings by {protocol.axis(by)} and {own.axis(by)} (the study's own): Kendall's τ {_number(tau)} "
        f"(1: same order, 0: unrelated, −1: reversed), n = {plural(len(places), 'config')}. Failures are those that the study recorded.",
        soft_wrap=True,
    )


def _place(row: dict[Any, Any]) -> str:
    """Return the place with its interval, as "3 (1–11)"; "–" for a config that is not ranked."""
    if row["place"] != row["place"]:
        return "–"
    return (
        f"{row['place']:.0f} ({row['place_low']:.0f}–{row['place_high']:.0f})"
        if row["place_low"] == row["place_low"]
        else f"{row['place']:.0f}"
    )


def _range(low: str, high: str) -> str:
    """Return an interval as "1–3"; "–" if it is unknown."""
    return "–" if low == high == "–" else f"{low}–{high}"


def _told_apart(trials: analysis.TrialTable, config_ids: list[str]) -> list[str]:
    """Return the scientific settings of each config in a line, with the nuisance settings where some configs differ in these only."""
    configs = trials.settings.groupby(trials.config_id, sort=False).first().loc[config_ids]
    lines = settings_of(configs, trials.scientific)
    return lines if len(set(lines)) == len(lines) else settings_of(configs, (*trials.scientific, *trials.nuisance))


def settings_of(configs: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Return some settings of each config in a line, as "g.lr 0.001, r1": a switch that is on by its name.

    What is off or does not apply is left out, unless nothing else is left. "–" without settings.
    """
    texts = {}
    for name in names:
        found = configs[name].dropna().unique().tolist()
        texts[name] = dict(zip(found, value_texts(found), strict=True))
    lines = []
    for row in configs.to_dict("records"):
        values = {name: row[name] for name in names}
        there = {name: value for name, value in values.items() if value is not None and value == value}
        on = [name if value is True else f"{name} {texts[name][value]}" for name, value in there.items() if value is not False]
        off = [f"{name} –" for name in values if name not in there] or [f"{name} off" for name in values]
        lines.append(", ".join(on or (off if len(off) <= _FEW or len(there) < len(values) else ["all off"])) or "–")
    return lines


def _number(value: float) -> str:
    """Return four significant digits, or "–" for NaN."""
    return "–" if value != value else f"{value:.4g}"


def print_best(view: StudyView, found: list[TrialView], by: str, console: Console) -> None:
    """Print the best configs: what a new run of each would do, then metrics and varied settings of the median trial."""
    print_missing(view.table(), console)
    ranked = {row["config_id"]: row for row in analysis.rank(view.table(), by).to_dict("records")}
    config_of = dict(zip(view.table().trial_id, view.table().config_id, strict=True))
    for i, trial in enumerate(found, 1):
        row = ranked[config_of[trial.trial_id]]
        console.print(Text.assemble(f"{i}. ", (trial.trial_id, "bold"), f"  place {_place(row)}; {_new_run(row, by)}"), soft_wrap=True)
        names = dict.fromkeys((by, view.objective, *HEADLINE))
        values = "  ".join(f"{name} {_number(trial.values[name])}" for name in names if name in trial.values)
        console.print(f"   this trial: {trial.outcome}  {values}", soft_wrap=True)
        asked = {
            name: value
            for name, value in trial.record.settings.items()
            if name in view.study.spec["space"]["scientific"] or name in view.study.spec["space"]["nuisance"]
        }
        console.print("   " + ", ".join(f"{name} {value_text(value)}" for name, value in asked.items()), soft_wrap=True)


def _new_run(row: dict[Any, Any], by: str) -> str:
    """Return what a new run of a config would do; where that is unknown, what its trials did."""
    value = f"{by} {_number(row['estimate'])}"
    if row["p_fail_low"] != row["p_fail_low"]:
        return f"{row['n_failed']} of {plural(row['n_seeds'], 'trial')} failed" + (f"; {value} as measured" if row["n"] else "")
    risk = f"a new run fails with probability {_risk(row)} ({_range(percent(row['p_fail_low']), percent(row['p_fail_high']))})"
    if row["low"] == row["low"]:
        return f"{risk}, else it has {value} ({_range(_number(row['low']), _number(row['high']))})"
    return risk + (f"; {value} as measured" if row["n"] else "")


def _risk(row: dict[Any, Any]) -> str:
    """Return the risk of a config; where it is unknown, since no config has two trials that tell it, how many of its trials failed."""
    return percent(row["p_fail"]) if row["p_fail_low"] == row["p_fail_low"] else f"{row['n_failed']} of {row['n_seeds']}"


def print_status(view: StudyView, who: str | None, console: Console) -> None:
    """Print progress and outcomes. who: the active process, if there is one."""
    trials = view.trials()
    spec = view.study.spec
    total = spec["n_configs"] * spec["seeds"]
    console.print(
        Text.assemble(
            (spec["name"], "bold"),
            f"  {view.folder}: {len(trials)} of {plural(total, 'trial')} started; " + (f"active: {who}" if who else "no active process"),
        ),
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
        console.print(
            f"time, summed over trials: {timedelta(seconds=round(training))} training, {timedelta(seconds=round(evaluating))} evaluation"
        )
    if who or not len(trials):
        return
    allowed = spec["max_failures"]
    if len(trials) < total or any(record.needs_run(allowed) for record in view.store.trials.values()):
        console.print(f"Resume with {command('resume', view.folder)}.", soft_wrap=True)
    elif given_up := (trials["ended"] == Ended.ERROR.value).sum():
        console.print(
            f"{plural(given_up, 'trial')} ended in an error {plural(allowed + 1, 'time')} and will not be tried again; {command('show', view.folder)} TRIAL shows it. "
            f"When the reason is mended, {command('resume', view.folder, '--set', f'max_failures={2 * allowed + 1}')} does.",
            soft_wrap=True,
        )


def print_study(view: StudyView, console: Console) -> None:
    """Print the design of a study and the ids of its trials."""
    spec = view.study.spec
    console.print(Text.assemble((spec["name"], "bold"), f": {spec['question']}"), soft_wrap=True)
    console.print(
        f"goal: {spec['goal']}, sampler: {spec['sampler']}, {plural(spec['n_configs'], 'config')} × {plural(spec['seeds'], 'seed')}, "
        f"objective: {view.objective} ({view.direction.phrase})" + (f", failure: {spec['failure']}" if spec.get("failure") else "")
    )
    for part, flow in (("base", False), ("space", None)):  # as in a study file; None: innermost mappings on one line
        yaml, text = YAML(typ="safe", pure=True), StringIO()
        yaml.default_flow_style, yaml.width = flow, 150
        yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # ruamel annotates it as None
        yaml.dump({part: spec[part]}, text)
        console.print(text.getvalue(), end="", soft_wrap=True)
    console.print(f"{plural(len(view.store.trials), 'trial')}: " + " ".join(view.store.trials), soft_wrap=True)


def print_trial(trial: TrialView, console: Console) -> None:
    """Print one trial: outcome, diagnosis, error, settings and metrics per tick."""
    record = trial.record
    ended = record.closed.ended.value if record.closed else "unfinished"
    console.print(
        Text.assemble(
            (trial.trial_id, "bold"),
            f"  trial {record.number}, phase: {record.phase}; ended: {ended}; outcome: {trial.outcome or 'none yet'}",
        ),
        soft_wrap=True,
    )
    console.print(
        f"{'diagnosis' if record.closed else 'diagnosis so far'}: {trial.diagnosis.outcome or 'none'}, {trial.diagnosis.evidence}",
        soft_wrap=True,
    )
    if record.eager:
        console.print(f"Not replayed on the GPU: {record.eager}", soft_wrap=True)
    if record.closed and record.closed.reason:
        console.print(record.closed.reason.rstrip(), soft_wrap=True)
    asked = record.settings
    for name, value in trial.settings.items():
        console.print(Text.assemble(f"  {name}: {value}", ("" if name in asked else "  (default)", "dim")), soft_wrap=True)
    metrics = [name for name in trial.study.study.baselines if record.last and name in record.last.values]
    signals = [name for name in (record.last.values if record.last else {}) if name not in metrics]
    for columns in (names[i : i + COLUMNS] for names in (metrics, signals) for i in range(0, len(names), COLUMNS)):
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in ("kimg", *columns):
            table.add_column(column, justify="right", overflow="fold")
        for m in record.measurements:
            table.add_row(f"{to_kimg(m.images):g}", *(_number(m.values.get(name, float("nan"))) for name in columns))
        if columns[0] in metrics:
            table.add_row("real", *(_number(trial.study.study.baselines.get(name, float("nan"))) for name in columns), style="dim")
        console.print(table)
