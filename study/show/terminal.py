"""What the commands print: a study as text and tables."""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text
from scipy.stats import kendalltau

import analysis
from analysis import interval, words
from analysis.ablation import ablations
from analysis.confirmed import ABLATE, CONFIRM, has_confirmed
from analysis.interval import ranking_as_shown
from analysis.winner import winner
from analysis.words import listed, percent, plural
from ganstudy import UserError
from ganstudy.command import command
from study.console import print_table
from study.evaluation.protocol import HEADLINE, EvaluationProtocol
from study.evaluation.reevaluate import Reevaluated  # imports torch, as do the other modules that every command here needs
from study.show.failed import errors_of, none_finished
from study.show.front import front_of, on_front, print_front
from study.show.report import explanation_of, write_report
from study.show.settings import told_apart, value_columns
from study.show.status import n_to_run, not_needed
from study.store.layout import shown
from study.store.local_copy import publish
from study.store.settings import base_of
from study.views import StudyView, TrialView
from trainables.config import known_settings

if TYPE_CHECKING:
    from study.spec.study_spec import StudySpec


def print_result(view: StudyView, spec: "StudySpec", console: Console, *, seconds: float | None) -> bool:
    """Print how a launch ended: what is left to do, or else the answer and the path of the new report. Returns whether nothing is left.

    seconds: its wall time; None if no trial was left to train. Raises UserError if all trials ended in an error.
    """
    n_trials = len(view.recorded.trial_ids)
    done = n_trials - n_to_run(view, spec.max_failures)
    if done < max(view.study.planned, n_trials):
        console.print(
            f"Stopped with {done} of {plural(view.study.planned, 'trial')} done. Resume with {command('resume', shown(view.folder))}.",
            soft_wrap=True,
        )
        return False
    if failed := none_finished(view):
        raise UserError(failed)
    table = view.table()
    found = explanation_of(table, view.objective)
    try:
        report = write_report(view, view.layout.report, found)  # first, so that nothing that goes wrong in a terminal can prevent it
        publish(view.folder, report)
    finally:
        console.print(f"\n{spec.question}", style="bold", soft_wrap=True)
        print_answer(view, table, found, console)
    took = f", {seconds:.0f} s" if seconds is not None else "; nothing was left to train"
    console.print(f"\n{plural(n_trials, 'trial')}{took}{not_needed(view)}", soft_wrap=True)
    console.print(f"Report: {report.absolute()}", soft_wrap=True)
    return True


def print_answer(view: StudyView, table: analysis.TrialTable, found: analysis.Explanation, console: Console) -> None:
    """Print the answer in sentences and the top and bottom of the ranking, after the errors of crashed trials.

    table: that of the study, or of some of its trials. found: what is claimed about it (`explanation_of`).
    """
    if errors := errors_of(view):
        console.print("Ended in an error:", soft_wrap=True)
        for line in errors:
            console.print(f"  {line}", soft_wrap=True)
    if not table.evidence.any():
        console.print("No answer yet: no trial has finished.", soft_wrap=True)
        return
    if first := winner(table, list(view.study.objectives), limits=view.study.limits):
        console.print(first, soft_wrap=True)
    console.print(analysis.answer(found), soft_wrap=True)
    if len(view.study.objectives) > 1:
        print_front(view, table, console)
    elif view.study.limits:
        console.print(f"Constraints: {analysis.feasibility(table, view.study.limits, by=view.objective).sentence}.", soft_wrap=True)
    print_ranking(table, view.objective, console, n=8)
    if (table.phase[table.evidence] == ABLATE).any():
        console.print("\nOne setting at a time back at its default:", soft_wrap=True)
        for each in ablations(table, view.objective, defaults=base_of(view.study.spec, known_settings())):
            console.print(f"  {each.config_id}: {each.sentence}.", soft_wrap=True)


def print_missing(trials: analysis.TrialTable, console: Console) -> None:
    """Print which trials are missing, if any are, where no answer says it."""
    if trials.missing:
        console.print(trials.missing, soft_wrap=True)


def print_ranking(
    trials: analysis.TrialTable,
    by: str,
    console: Console,
    *,
    n: int,
    configs: Collection[str] | None = None,
    studies: Mapping[str, analysis.TrialTable] = {},
) -> None:
    """Print the ranking of configs by a metric; at most n rows, the first and the last. Raises UserError if nothing can be ranked yet.

    configs: which of the ranked ones are shown. Default: all. studies: the tables by study, where the trials are of several.
    """
    ranked = ranking_as_shown(analysis.rank(trials, by))
    if left_out := _left_out(studies or {"": trials}, set(ranked["config_id"])):
        console.print(left_out, soft_wrap=True)
    if configs is not None:
        places_among = plural(len(ranked), "ranked config")
        ranked = ranked[ranked["config_id"].isin(configs)]
        if not len(ranked):
            raise UserError(
                f"a ranking needs finished trials; none of the {plural(len(configs), 'config')} that meet the condition has one"
            )
        console.print(f"{len(ranked)} of {places_among}, with their places among all", soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("place", "best", by, "95 %", "as measured", "fails", "95 %", "trials"):
        table.add_column(column, justify="right", no_wrap=True)
    for column in ("settings", "config"):
        table.add_column(column, overflow="fold")
    shown = ranked if len(ranked) <= n else pd.concat([ranked.head(n - n // 2), ranked.tail(n // 2)])
    settings = told_apart(trials, shown["config_id"].tolist())
    for i, row in enumerate(shown.to_dict("records")):
        if len(ranked) > n and i == n - n // 2:
            table.add_row("…")
        table.add_row(_place(row), percent(row["p_best"]), number(row["estimate"]), _range(number(row["low"]), number(row["high"])),
                      number(row["mean"]), _risk(row), _range(percent(row["p_fail_low"]), percent(row["p_fail_high"])),
                      f"{row['n']} of {row['n_seeds']}", settings[i], row["config_id"])  # fmt: skip
    print_table(console, table)
    untold = f" {note}." if (note := interval.note(shown)) else ""
    baseline = f" Real-data baseline of {by}: {number(trials.baselines[by])}." if by in trials.baselines else ""
    console.print(
        f"best: chance that no other config is better; {by}: expected of a new run that does not fail; as measured: {words.mean_on(ranked.attrs['scale'])} of the "
        f"trials that did not fail, counted under trials; fails: risk of a new run, or the trials that failed where it is unknown. {ranked.attrs['note']}.{untold}{baseline}",
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
    of_study = evaluation.values.index.isin(list(view.recorded.trial_ids))  # a file of results may hold others
    console.print(
        f"{of_study.sum()} of {plural(len(view.recorded.trial_ids), 'trial')} evaluated, results in {evaluation.path}", soft_wrap=True
    )
    for reason, count in Counter(evaluation.left_out.values()).items():
        first = next(trial_id for trial_id, why in evaluation.left_out.items() if why == reason)
        console.print(f"left out: {first}" + (f" and {count - 1} more" if count > 1 else "") + f": {reason}", soft_wrap=True)
    table, before = evaluation.table(view.table()), view.table()
    there = np.isfinite(table.at_end(by))
    if not there.any():
        console.print(
            "No ranking: " + ("no generator at the end of a trial's budget was evaluated." if of_study.any() else "nothing was evaluated."),
            soft_wrap=True,
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
        f"Agreement of the rankings by {protocol.axis(by)} and {own.axis(by)} (the study's own): Kendall's τ {number(tau)} "
        f"(1: same order, 0: unrelated, −1: reversed), n = {plural(len(places), 'config')}. Failures are those that the study recorded.",
        soft_wrap=True,
    )


def _left_out(studies: Mapping[str, analysis.TrialTable], ranked: Collection[str]) -> str:
    """Return how many configs with finished trials a ranking leaves out, and why; "" if none."""
    counts: dict[str, list[str]] = {}
    for name, table in studies.items():
        there = set(table.config_id[table.evidence])
        if missing := len(there - set(ranked)):
            why = "they have no finished trial of phase confirm" if has_confirmed(table) else "only phase ablate trained them"
            counts.setdefault(why, []).append(f"{missing} of {plural(len(there), 'config')}" + (f" of {name}" if name else ""))
    return " ".join(f"Left out, since {why}: {listed(each)}." for why, each in counts.items())


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
    """Return an interval as "1–3", or as "−3 to −1"; "–" if it is unknown."""
    return "–" if low == high == "–" else f"{low} to {high}" if low.startswith("−") else f"{low}–{high}"


def number(value: float) -> str:
    """Return four significant digits, one more than in sentences, since neighbours in a ranking are close; "–" for NaN."""
    return words.number(value, 4)


def print_best(view: StudyView, found: list[TrialView], by: str | None, console: Console) -> None:
    """Print the best configs: what a new run of each would do, then metrics and varied settings of the median trial. by: as in StudyView.best."""
    table = view.table()
    print_missing(table, console)
    names = list(view.study.objectives) if by is None else [by]
    several = len(names) > 1
    rows = front_of(view, table) if several else ranking_as_shown(analysis.rank(table, names[0]))
    of_config = {row["config_id"]: row for row in rows.to_dict("records")}
    config_of = dict(zip(table.trial_id, table.config_id, strict=True))
    if several:
        console.print(f"Pareto front of {listed(names)}, by the probability of being on it", soft_wrap=True)
    if any(trial.record.phase == CONFIRM for trial in found):
        console.print("Confirmed: only trials with fresh seeds count, which had no part in the choice of these configs.", soft_wrap=True)
    space = view.study.spec["space"]
    varied = pd.DataFrame([trial.settings for trial in found], dtype=object).filter([*space["scientific"], *space["nuisance"]])
    texts = value_columns(varied, [str(name) for name in varied])
    for i, trial in enumerate(found, 1):
        row = of_config[config_of[trial.trial_id]]
        said = on_front(row, names) if several else f"place {_place(row)}; {_new_run(row, names[0])}"
        console.print(Text.assemble(f"{i}. ", (trial.trial_id, "bold"), f"  {said}"), soft_wrap=True)
        shown_names = dict.fromkeys((*names, view.objective, *HEADLINE))
        values = "  ".join(f"{name} {number(trial.values[name])}" for name in shown_names if name in trial.values)
        console.print(f"   this trial: {trial.outcome}  {values}", soft_wrap=True)
        asked = {name: trial.settings[name] for name in texts if trial.settings.get(name) is not None}
        console.print("   " + ", ".join(f"{name} {texts[name][value]}" for name, value in asked.items()), soft_wrap=True)


def _new_run(row: dict[Any, Any], by: str) -> str:
    """Return what a new run of a config would do; where that is unknown, what its trials did."""
    value = f"{by} {number(row['estimate'])}"
    if row["p_fail_low"] != row["p_fail_low"]:
        poor = f", {row['n_poor_fit']} had a poor fit" if row["n_poor_fit"] else ""
        return f"{row['n_failed']} of {plural(row['n_seeds'], 'trial')} failed{poor}" + (
            f"; {value} as measured ({interval.lacking(row)})" if row["n"] else ""
        )
    risk = f"a new run fails with probability {_risk(row)} ({_range(percent(row['p_fail_low']), percent(row['p_fail_high']))})"
    lacking = interval.lacking(row)
    if row["untold"] or not lacking:
        return f"{risk}, else it has {value} ({lacking or _range(number(row['low']), number(row['high']))})"
    return risk + (f"; {value} as measured ({lacking})" if row["n"] else "")


def _risk(row: dict[Any, Any]) -> str:
    """Return the risk of a config; where it is unknown, since no config has two trials that tell it, how many of its trials failed."""
    return percent(row["p_fail"]) if row["p_fail_low"] == row["p_fail_low"] else f"{row['n_failed']} of {row['n_seeds']}"
