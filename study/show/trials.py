"""What `ganstudy show` prints: the design of a study with a table of its trials, or one trial."""

from collections.abc import Iterable
from io import StringIO
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text
from ruamel.yaml import YAML

from analysis.words import listed, plural
from ganstudy.command import command
from ganstudy.forms import are_variants
from ganstudy.units import to_kimg
from ganstudy.written import written
from study.console import print_table
from study.show.launches import changes_of, smaller_space
from study.show.settings import settings_of
from study.show.status import words_of
from study.show.terminal import number
from study.store.layout import shown
from study.store.raised import raised, without_escapes
from study.store.records import Ended
from study.views import StudyView, TrialView

COLUMNS = 8  # metrics per table of a trial's ticks


def print_study(view: StudyView, console: Console) -> None:
    """Print the design of a study and a table of its trials."""
    spec = view.study.spec
    console.print(Text.assemble((spec["name"], "bold"), f": {spec['question']}"), soft_wrap=True)
    console.print(
        "; ".join(f"{phase}: {words}" for phase, words in words_of(view).items())
        + "; "
        + ("objectives: " if len(view.study.objectives) > 1 else "objective: ")
        + ", ".join(f"{name} ({direction.phrase})" for name, direction in view.study.objectives.items())
        + (f", constraints: {listed([str(limit) for limit in view.study.limits])}" if view.study.limits else "")
        + (f", failure: {spec['failure']}" if spec.get("failure") else ""),
        soft_wrap=True,
    )
    for part, flow in (("base", False), ("space", None)):  # as in a study file; None: innermost mappings on one line
        yaml, text = YAML(typ="safe", pure=True), StringIO()
        yaml.default_flow_style, yaml.width = flow, 150
        yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # ruamel annotates it as None
        yaml.dump({part: spec[part]}, text)
        console.print(text.getvalue(), end="", soft_wrap=True)
    for line in changes_of(view.recorded.studies):
        console.print(line, soft_wrap=True)
    trials = view.trials()
    console.print(f"{plural(len(trials), 'trial')}{':' if len(trials) else ' so far'}", soft_wrap=True)
    if len(trials):
        heading, *rows = _rows(trials, view)
        console.print(Text(heading, style="bold"), soft_wrap=True)
        console.print("\n".join(rows), soft_wrap=True)


def _rows(trials: pd.DataFrame, view: StudyView) -> list[str]:
    """Return a line of headings and one per trial: how it ended, its outcome, how far it got, the objective and the settings that vary.

    Not a rich Table, which takes a millisecond per row: studies of 100,000 trials are shown too.
    """
    space, columns_of = view.study.spec["space"], trials.attrs["settings"]
    varied = {columns_of[name]: name for name in (*space["scientific"], *space["nuisance"]) if name in columns_of}
    settings = settings_of(trials[list(varied)].rename(columns=varied), list(varied.values()))
    objective = trials.get(view.objective, pd.Series(float("nan"), trials.index))
    columns = {
        "trial": [str(trial_id) for trial_id in trials.index],
        "ended": [ended or "unfinished" for ended in trials["ended"]],
        "outcome": [outcome or "–" for outcome in trials["outcome"]],
        "kimg": [f"{to_kimg(images):g}" for images in trials["images"]],
        view.objective: [number(value) for value in objective],
        "settings": settings,
    }
    aligned = []
    for name, cells in columns.items():
        width = max(map(len, (name, *cells)))
        aligned.append([cell.rjust(width) if name in ("kimg", view.objective) else cell.ljust(width) for cell in (name, *cells)])
    return ["  ".join(row).rstrip() for row in zip(*aligned, strict=True)]


def print_trial(trial: TrialView, console: Console) -> None:
    """Print one trial: outcome, diagnosis, error, settings and metrics per tick. Settings that differ between the trials are first."""
    record = trial.record
    ended = record.closed.ended.value if record.closed else "unfinished"
    crashed = record.closed is not None and record.closed.ended is Ended.ERROR
    console.print(
        Text.assemble(
            (trial.trial_id, "bold"),
            f"  trial {record.number}"
            + (f", phase: {record.phase}" if "phases" in trial.study.study.spec else "")
            + f"; ended: {ended}; outcome: {trial.outcome or ('crashed' if crashed else 'none yet')}",
        ),
        soft_wrap=True,
    )
    if not crashed:
        console.print(
            f"{'diagnosis' if record.closed else 'diagnosis so far'}: {trial.diagnosis.outcome or 'none'}, {trial.diagnosis.evidence}",
            soft_wrap=True,
        )
    if smaller := smaller_space(trial.study.recorded.studies, record.launch):
        console.print(f"proposed in a smaller space: {smaller}", soft_wrap=True)
    if record.eager:
        console.print(f"Not replayed on the GPU: {record.eager}", soft_wrap=True)
    if record.closed and crashed:
        _print_error(record.closed.reason, trial, console)
    elif record.closed and record.closed.reason:
        console.print(record.closed.reason.rstrip(), soft_wrap=True)
    varied = _varied(trial.study.study.spec["space"])
    settings = trial.settings
    differing = [name for name in settings if name in varied]
    given = [name for name in settings if name in record.settings and name not in varied]
    for heading, names, style in (
        ("settings that differ between the trials", differing, ""),
        ("settings of the study's base", given, ""),
        ("defaults", [name for name in settings if name not in {*differing, *given}], "dim"),
    ):
        if names:
            console.print(f"{heading}:", soft_wrap=True)
        for name in names:
            value = settings[name]
            console.print(Text(f"  {name}: {value if isinstance(value, str) else written(value)}", style=style), soft_wrap=True)
    metrics = [name for name in trial.study.study.baselines if record.last and name in record.last.values]
    signals = [name for name in (record.last.values if record.last else {}) if name not in metrics]
    for columns in (names[i : i + COLUMNS] for names in (metrics, signals) for i in range(0, len(names), COLUMNS)):
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in ("kimg", *columns):
            table.add_column(column, justify="right", no_wrap=True)
        for m in record.measurements:
            table.add_row(f"{to_kimg(m.images):g}", *(number(m.values.get(name, float("nan"))) for name in columns))
        if columns[0] in metrics:
            table.add_row("real", *(number(trial.study.study.baselines.get(name, float("nan"))) for name in columns), style="dim")
        print_table(console, table)


def _print_error(reason: str, trial: TrialView, console: Console) -> None:
    """Print the error of a trial in a line, whether the trial is tried again, the lines of code that led there, and then all of the text."""
    error = raised(reason, trial.study.plugins, trial.study.study.plugin_folders)
    again = trial.record.needs_run(trial.study.study.spec["max_failures"])
    console.print(f"error: {error.told}", soft_wrap=True)
    console.print(
        f"It is {'tried again by ' + command('resume', shown(trial.study.folder)) if again else 'not tried again'}.", soft_wrap=True
    )
    if error.led:
        console.print(f"The lines that led there, without those of libraries:\n{error.led.rstrip()}", soft_wrap=True)
    if (text := without_escapes(reason).strip()) != error.line:
        console.print(f"All of the error:\n{text}", soft_wrap=True)


def _varied(space: dict[str, dict[str, Any]]) -> set[str]:
    """Return the settings that a study varies, its seed, and those within its variants."""
    found = {"seed"}
    for name, form in (item for part in ("scientific", "nuisance") for item in space[part].items()):
        variants: Iterable[Any] = form.values() if are_variants(form) else ()
        found |= {name, *(inner for variant in variants for inner in variant)}
    return found
