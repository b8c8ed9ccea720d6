"""The `ganstudy` command, with one function per subcommand, hence long. Commands import what they need, so that `--help` is fast."""

import json
import logging
import math
import sys
import time
import traceback
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.text import Text

from ganstudy import UserError
from ganstudy.command import command, shell_command
from ganstudy.files import write_output
from study.console import outlive_readers, terminal
from study.simulate.shipped import shipped
from study.store.layout import Layout, default_folder, not_records
from study.store.local_copy import bring, created, folder_of
from study.store.lock import driver, stop_driver
from study.store.objects import is_url, not_url
from study.store.store import Store

if TYPE_CHECKING:
    from study.spec.study_spec import StudySpec
    from study.views import StudyView, TrialView

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = terminal()
errors = terminal(stderr=True)

File = Annotated[Path, typer.Argument(help="Study file (YAML).", metavar="STUDY.yaml")]
Folder = Annotated[str, typer.Argument(help="Folder of a study: runs/digits, or s3://bucket/runs/digits.", metavar="FOLDER")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Change a base setting (g.lr=1e-3) or a key of the study (n_configs=48). Repeatable."),
]
Where = Annotated[
    str | None,
    typer.Option(
        metavar="CONDITION",
        help='Only configs of which most trials meet it: "d.lr < 1e-3 and coverage > 0.8", "arch == \'mlp\' and not r1".',
    ),
]
Trust = Annotated[bool, typer.Option("--trust-plugins", help="Import the plugins of the study. They run their own code.")]
AllowChangedCode = Annotated[
    bool, typer.Option("--allow-changed-code", help="Go on with a study although ganstudy's own code has changed. The report says so.")
]
Address = Annotated[
    str | None,
    typer.Option(help="Ray cluster: HOST:PORT, or auto for the one of RAY_ADDRESS or of this machine. Default: start Ray on this machine."),
]


def _a_number(given: float | None) -> float | None:
    """Refuse NaN, which is neither below the least nor above the greatest value of an option."""
    if given is not None and math.isnan(given):
        raise typer.BadParameter("nan is not a number.")
    return given


def _print_versions(asked: bool) -> None:
    """Print the versions and exit, if asked."""
    if asked:
        from ganstudy.versions import versions

        console.print(
            "  ".join(f"{name} {version}" for name, version in versions().items() if name in ("ganstudy", "ray", "torch", "python"))
        )
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_versions, is_eager=True, help="Print the versions of ganstudy, Ray, PyTorch and Python."),
    ] = False,
) -> None:
    """Find out which settings keep GAN training stable, and how certain that is."""


@app.command()
def launch(
    file: File,
    folder: Annotated[str | None, typer.Option(help="Folder for the study: a path, or s3://bucket/runs/NAME. Default: runs/NAME.")] = None,
    changes: Set = None,
    address: Address = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the design, its cost and one full config; train nothing.")] = False,
    allow_changed_code: AllowChangedCode = False,
    extend: Annotated[
        bool,
        typer.Option(
            "--extend", help="Let a search that the folder has go on in a larger space: wider ranges, more choices, more settings."
        ),
    ] = False,
) -> None:
    """Run a study, then print its answer and ranking and write a report. Resumes if the folder already contains the study."""
    from study.spec.files import parse_changes
    from study.spec.study_spec import StudySpec

    spec = StudySpec.load(file, parse_changes(changes or []))
    if dry_run:
        from study.engine.dry_run import preview

        preview(
            spec,
            created(folder or default_folder(spec.name)),
            console,
            address=address,
            allow_changed_code=allow_changed_code,
            extend=extend,
        )
        return
    _run(spec, folder or str(default_folder(spec.name)), address, allow_changed_code=allow_changed_code, extend=extend)


@app.command()
def submit(
    file: File,
    address: Annotated[str, typer.Option(help="Dashboard of a Ray cluster, such as http://head:8265.")],
    folder: Annotated[
        str, typer.Option(help="Folder for the study on the cluster: an absolute path on all its nodes, or s3://bucket/runs/NAME.")
    ],
    changes: Set = None,
    copy: Annotated[Path | None, typer.Option(help="Folder on this machine for a copy of the result. Default: runs/NAME.")] = None,
    allow_changed_code: AllowChangedCode = False,
) -> None:
    """Launch a study on a cluster as a Ray job, follow it, and copy its records and report to this machine.

    Ctrl-C leaves the job running. The same command resumes a study of that folder.
    """
    from study.engine import submit as jobs
    from study.spec.files import parse_changes
    from study.spec.study_spec import StudySpec
    from study.store import bundle

    spec = StudySpec.load(file, parse_changes(changes or []))
    if is_url(folder) and copy:
        raise UserError(f"--copy is for a study on a file system of the cluster; {folder} can be read from here. Leave it out")
    copy = not_url(copy, "--copy") if copy else default_folder(spec.name)
    if not is_url(folder):
        bundle.refuse_own(copy)
    client, place = jobs.connected(address), jobs.place(folder)
    job = jobs.submit(client, spec, place, allow_changed_code=allow_changed_code)
    console.print(f"Job {job} runs on {address}; {shell_command('ray', 'job', 'stop', '--address', address, job)} ends it.", soft_wrap=True)
    try:
        succeeded = jobs.follow(client, job, lambda text: print(text, end="", flush=True))
    except KeyboardInterrupt:
        follow = shell_command("ray", "job", "logs", "--follow", "--address", address, job)
        errors.print(f"The job runs on. Follow it with {follow}.", soft_wrap=True)
        raise typer.Exit(130) from None
    if not succeeded:
        raise UserError(
            f"the job {job} failed; its output says why. What it recorded is in {folder} on the cluster; the same command resumes it"
        )
    if is_url(folder):
        console.print(f"The study is in {place}; {command('report', place)} writes its report here.", soft_wrap=True)
        return
    bundle.unpack(jobs.fetch(client, job, place), copy, origin=f"{address} {folder}")
    console.print(f"Copied the records and the report to {copy}; checkpoints are in {folder} on the cluster.", soft_wrap=True)


@app.command()
def resume(
    folder: Folder,
    changes: Set = None,
    address: Address = None,
    trust_plugins: Trust = False,
    allow_changed_code: AllowChangedCode = False,
) -> None:
    """Resume a study that was stopped or killed, or extend it with --set n_configs=N or --set seeds=N."""
    from study.api import open_study
    from study.spec.files import parse_changes

    _run(
        open_study(folder, trust_plugins=trust_plugins).spec_with(parse_changes(changes or [])),
        folder,
        address,
        allow_changed_code=allow_changed_code,
    )


@app.command()
def confirm(
    folder: Folder,
    top: Annotated[int | None, typer.Option(min=1, help="Number of configs, from the most likely best one. Default: 10.")] = None,
    seeds: Annotated[int | None, typer.Option(min=2, help="Fresh seeds of each config, at most. Default: 5.")] = None,
    error: Annotated[
        float | None,
        typer.Option(
            min=0.001, max=0.5, callback=_a_number, help="Accepted probability that the best of them leaves the race. Default: 0.05."
        ),
    ] = None,
    address: Address = None,
    trust_plugins: Trust = False,
    allow_changed_code: AllowChangedCode = False,
) -> None:
    """Train the best configs of a study again, with fresh seeds: a first place in a ranking looks better than it is."""
    _add_phase("confirm", folder, address, {"top": top, "seeds": seeds, "error": error}, trust_plugins, allow_changed_code)


@app.command()
def ablate(
    folder: Folder,
    of: Annotated[int | None, typer.Option(min=1, help="Number of confirmed configs, from the best one. Default: 1.")] = None,
    address: Address = None,
    trust_plugins: Trust = False,
    allow_changed_code: AllowChangedCode = False,
) -> None:
    """Train confirmed configs with one setting at a time back at its default, to see what each setting is worth."""
    _add_phase("ablate", folder, address, {"of": of}, trust_plugins, allow_changed_code)


def _add_phase(
    phase: str, folder: str, address: str | None, keys: dict[str, int | float | None], trust_plugins: bool, allow_changed_code: bool
) -> None:
    """Run a study with another phase, after the phases that it has."""
    from study.api import open_study

    given = {key: value for key, value in keys.items() if value is not None}
    spec = open_study(folder, trust_plugins=trust_plugins).spec.with_phase(phase, **given)
    _run(spec, folder, address, allow_changed_code=allow_changed_code)


def _run(spec: "StudySpec", folder: str, address: str | None, *, allow_changed_code: bool, extend: bool = False) -> None:
    """Launch a study and print its result. Exits with 130 if Ctrl-C or SIGTERM has stopped it."""
    from study.api import open_study
    from study.engine.launch import launch
    from study.show.terminal import print_result
    from study.show.wandb import send_report

    began, trackers = time.monotonic(), list[str]()
    try:
        store = launch(spec, folder, address=address, allow_changed_code=allow_changed_code, extend=extend, say_last=trackers.append)
        view = open_study(store.folder, trust_plugins=True)
        whole = print_result(view, spec, console, seconds=time.monotonic() - began if store.had_work else None)
        if spec.tracking.wandb:
            send_report(view.folder, spec.tracking.wandb, console)
        if store.interrupted and not whole:
            raise typer.Exit(130)
    except KeyboardInterrupt:  # before or after the trials; Ray Tune handles the first one in between, and the second one ends it
        advice = f"Resume with {command('resume', folder)}" if Store(folder_of(folder)).study else "Nothing was written yet"
        errors.print(f"Stopped. {advice}.", soft_wrap=True)
        raise typer.Exit(130) from None
    finally:
        for each in trackers:  # last, below the answer, where they are seen
            console.print(each, soft_wrap=True)


@app.command()
def status(folder: Folder) -> None:
    """Show the progress and outcomes of a study, and the process that runs it."""
    from study.api import open_study
    from study.show.status import print_status

    view = open_study(folder)
    print_status(view, driver(view.folder), console)


@app.command()
def stop(
    folder: Folder,
    wait_s: Annotated[float, typer.Option(min=0.0, callback=_a_number, help="Seconds to wait for the process to end.")] = 60.0,
) -> None:
    """Stop a running study from another terminal. `ganstudy resume` continues it without loss."""
    from study.api import open_study

    who = stop_driver(open_study(folder).folder, wait_s=wait_s)
    text = f"Stopped {who}. Resume with {command('resume', folder)}." if who else f"{folder} has no active process; nothing to stop."
    console.print(text, soft_wrap=True)


@app.command()
def sync(folder: Folder, trust_plugins: Trust = False) -> None:
    """Send everything to W&B that is not there yet: runs that were written offline, and the leaderboard and report of the study. Exits with 1 if something is left."""
    from study.store.local_copy import opened
    from study.tracking.sync import sync as send

    with console.status(Text("sending to W&B")):  # visible in a terminal only
        say = partial(errors.print, soft_wrap=True)  # progress, which is not the result
        sentence, whole = send(opened(folder), trust_plugins=trust_plugins, say=say)
    console.print(sentence, soft_wrap=True)
    if not whole:
        raise typer.Exit(1)


@app.command()
def doctor(
    folder: Annotated[str, typer.Argument(help="Folder of a study, or of ganstudy train.", metavar="FOLDER")],
    repair: Annotated[bool, typer.Option("--repair", help="Repair what can be, and keep a copy of the records before.")] = False,
) -> None:
    """Check a folder for damage: records, checkpoints, generators, local mirrors. Exits with 1 if something is wrong and stays so."""
    from study.show.doctor import doctor as check

    if not check(folder, console, mend=repair):
        raise typer.Exit(1)


@app.command()
def show(
    folder: Folder,
    trial: Annotated[
        str | None,
        typer.Argument(metavar="TRIAL", help="Trial id, or a unique prefix of it. Default: show the design and a table of the trials."),
    ] = None,
    trust_plugins: Trust = False,
) -> None:
    """Show the design of a study and its trials, or one trial: outcome, error, settings and metrics per tick."""
    from study.api import open_study
    from study.show.trials import print_study, print_trial

    view = open_study(folder, trust_plugins=trust_plugins)
    if trial:
        print_trial(view.trial(trial), console)
    else:
        print_study(view, console)


@app.command()
def best(
    folder: Folder,
    n: Annotated[
        int | None, typer.Option("-n", min=1, help="Number of configs. Default: 5, or with several objectives the whole Pareto front.")
    ] = None,
    by: Annotated[str | None, typer.Option(help="Metric. Default: the objective of the study, or the front of several.")] = None,
    where: Where = None,
    min_seeds: Annotated[
        int | None, typer.Option(min=1, help="Trials that a config needs to be ranked. Default: the seeds of the study, at most 3.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the best configs, ranked by what a new run of each would do rather than by one lucky seed; of several objectives, the Pareto front."""
    from study.api import open_study

    view = open_study(folder)
    found = view.best(n or (5 if by is not None or len(view.study.objectives) == 1 else None), by=by, where=where, min_seeds=min_seeds)
    if as_json:
        sys.stdout.write(json.dumps([trial.as_dict() for trial in found], indent=2) + "\n")
        return
    from study.show.terminal import print_best

    print_best(view, found, by, console)


@app.command()
def rank(
    folder: Folder,
    by: Annotated[str | None, typer.Option(help="Metric. Default: the objective of the study.")] = None,
    n: Annotated[int, typer.Option("-n", min=1, help="Maximum number of rows: the first and the last are shown.")] = 20,
    where: Where = None,
) -> None:
    """Rank all configs by what a new run of each would do: its risk of failing and its metric if it does not, with 95 % intervals."""
    from study.api import open_study
    from study.show.terminal import print_missing, print_ranking
    from study.store.best import configs_where

    view = open_study(folder)
    table = view.table()
    configs = None if where is None else configs_where(table, view.trials(), where)
    print_missing(table, console)
    print_ranking(table, view.objective if by is None else by, console, n=n, configs=configs)


@app.command()
def simulate(
    table: Annotated[
        str,
        typer.Argument(
            help=f"A table of recorded runs ({', '.join(shipped())}), the file of one, or the folder of a study with 2 seeds or more.",
            metavar="TABLE",
        ),
    ] = "ring",
    policies: Annotated[
        str,
        typer.Option(
            metavar="NAME,…", help="What to compare: random, tpe, asha, hyperband, median, ray, gan, ours. Ratios are to the first one."
        ),
    ] = "random,tpe,asha,median,ray,gan,ours",
    budgets: Annotated[
        str | None, typer.Option(metavar="N,…", help="Budgets, as numbers of whole runs. Default: five shares of the table's configs.")
    ] = None,
    repetitions: Annotated[int, typer.Option("-n", min=1, max=100_000, help="How often each policy is replayed.")] = 100,
    slots: Annotated[int, typer.Option(min=1, max=10_000, help="Trials at a time.")] = 4,
    within: Annotated[
        float, typer.Option(min=0.0, max=10.0, callback=_a_number, help="How much worse than the best config still counts as found.")
    ] = 0.05,
    trust_plugins: Trust = False,
) -> None:
    """Replay search policies on recorded runs: how many images each needs to find a config near the best, and how honest its answer is."""
    runs = _increasing(budgets, "--budgets")  # before the imports, which take seconds
    from study.show.simulate import simulate as replay
    from study.simulate.read import of_file, of_study

    if is_url(table) or Layout(Path(table)).records.exists():
        from study.api import open_study

        recorded = of_study(open_study(table, trust_plugins=trust_plugins))
    else:
        recorded = of_file(table)
    replay(
        recorded,
        table,
        console,
        policies=[policy.strip() for policy in policies.split(",")],
        runs=runs,
        repetitions=repetitions,
        slots=slots,
        tolerance=within,
    )


def _increasing(text: str | None, option: str) -> list[int]:
    """Read "10,20,40". Raises UserError for other text, and for numbers that do not increase from 1."""
    if text is None:
        return []
    if not all(part.strip().isascii() and part.strip().isdecimal() for part in text.split(",")):
        raise UserError(f"{option} must be whole numbers separated by commas, such as 10,20,40; given {text}")
    found = [int(part) for part in text.split(",")]
    if any(later <= earlier for earlier, later in zip([0, *found], found, strict=False)):
        raise UserError(f"{option} must be whole numbers of runs, from the smallest to the largest and all above 0; given {text}")
    return found


@app.command()
def evaluate(
    folder: Folder,
    features: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Features that distances are measured in; see `ganstudy list features`. Default: those of the study."
        ),
    ] = None,
    weights: Annotated[str | None, typer.Option(metavar="FILE", help="File with the weights of pretrained features.")] = None,
    samples: Annotated[int | None, typer.Option(metavar="N", help="Samples per generator. Default: as in the study.")] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="data.root=PATH", help="Where the data are, if they have moved. Changes nothing of the study."),
    ] = None,
    trust_plugins: Trust = False,
) -> None:
    """Evaluate the stored generators with another evaluation protocol, and rank them. Nothing is trained; earlier results are reused."""
    from study.api import open_study
    from study.show.terminal import print_evaluated
    from study.spec.files import parse_changes

    view = open_study(folder, trust_plugins=trust_plugins)
    with console.status(Text("preparing the evaluation")) as status:  # visible in a terminal only
        found = view.evaluate(
            features=features,
            weights=weights,
            samples=samples,
            changes=parse_changes(changes or []),
            progress=lambda trial, i, n: status.update(Text(f"evaluating {trial}, {i} of {n}")),
        )
    print_evaluated(view, found, console, n=20)


Of = "Runs of other programs"  # a heading of `ganstudy explain --help`


@app.command()
def explain(
    source: Annotated[
        str,
        typer.Argument(
            help="Folder of a study; or runs of another program: a CSV file, an Optuna storage, or the folder of a Ray Tune experiment.",
            metavar="FOLDER|RUNS",
        ),
    ],
    outcome: Annotated[
        str | None,
        typer.Option(
            help="failed, one failure such as mode_collapse, a metric, or seconds (training time). Default: failed, the objective and, if there are two kinds of failure, each of them, together."
        ),
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(
            metavar="CONDITION", help="Of a study, only trials whose settings or seed meet it: \"arch == 'mlp' and d.lr < 1e-3\"."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    config: Annotated[
        str | None, typer.Option(metavar="A,B", help="Columns of the settings. Default for Optuna and Ray: all.", rich_help_panel=Of)
    ] = None,
    objective: Annotated[str | None, typer.Option(metavar="A,B", help="Columns of the results.", rich_help_panel=Of)] = None,
    direction: Annotated[str | None, typer.Option(metavar="WAY", help="minimize or maximize.", rich_help_panel=Of)] = None,
    seed: Annotated[str | None, typer.Option(metavar="COLUMN", help="Column of the seeds.", rich_help_panel=Of)] = None,
    failed: Annotated[
        str | None,
        typer.Option(
            metavar="CONDITION", help="Which runs failed: 'fid > 250 or fid is missing', or a boolean column.", rich_help_panel=Of
        ),
    ] = None,
    evidence: Annotated[
        str | None,
        typer.Option(metavar="KIND", help="designed, if settings were drawn at random or as a grid; else observed.", rich_help_panel=Of),
    ] = None,
    nuisance: Annotated[
        str | None, typer.Option(metavar="A,B", help="Settings that varied but are not asked about.", rich_help_panel=Of)
    ] = None,
    state: Annotated[str | None, typer.Option(metavar="COLUMN", help="Column that says how a run ended.", rich_help_panel=Of)] = None,
    steps: Annotated[str | None, typer.Option(metavar="COLUMN", help="Column that says how far a run got.", rich_help_panel=Of)] = None,
    study_name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which study of an Optuna storage, if it holds several.", rich_help_panel=Of)
    ] = None,
) -> None:
    """Show what each setting does to the risk of failure and to the objective, with 95 % intervals and n."""

    import analysis
    from analysis.plain import plain
    from study.api import open_study
    from study.show.claims import print_claims
    from study.show.foreign import kind, options_given, print_explanation, read, refuse_options
    from study.show.report import explanation_of
    from study.show.terminal import print_answer

    given = options_given(
        {
            "config": config,
            "objective": objective,
            "direction": direction,
            "seed": seed,
            "failed": failed,
            "evidence": evidence,
            "nuisance": nuisance,
            "state": state,
            "steps": steps,
            "study_name": study_name,
        }
    )
    if kind(source) != "study":
        if where is not None:
            raise UserError(
                f"--where needs the folder of a study; {source} holds runs of another program. Leave out rows of the table instead"
            )
        print_explanation(read(source, given), console, outcome=outcome, failed=failed is not None, as_json=as_json)
        return
    if is_url(source) or Layout(Path(source)).records.exists():
        refuse_options(given, source)
    view = open_study(source)
    table = view.table(where=where)
    claims = explanation_of(table, view.objective) if outcome is None else analysis.explain(table, outcome)
    if as_json:
        sys.stdout.write(json.dumps(plain(list(claims)), indent=2, ensure_ascii=False, allow_nan=False) + "\n")
        return
    if outcome is None:
        print_answer(view, table, claims, console)
    elif not len(claims):
        console.print(analysis.answer(claims), soft_wrap=True)
    print_claims(claims, console)


@app.command()
def wandb_import(
    source: Annotated[
        str, typer.Argument(help="Project of W&B, as entity/project; or a folder with run files, such as wandb.", metavar="PROJECT|FOLDER")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="CSV file.")] = Path("runs.csv"),
) -> None:
    """Write the runs of a W&B project as a CSV file, a row for each with its settings and results, for explain."""
    from study.show.wandb_import import import_wandb

    import_wandb(source, out, console)


@app.command()
def compare(
    first: Folder,
    second: Annotated[str, typer.Argument(help="Folder of another study.", metavar="OTHER")],
    outcome: Annotated[str | None, typer.Option(help="What to compare: as in explain.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare two studies: what differs in design, the effects that both measured, with their difference, and one ranking of all configs."""
    from study.api import open_study
    from study.show.compare import Compared

    compared = Compared(open_study(first), open_study(second), outcome)
    if as_json:
        sys.stdout.write(json.dumps(compared.as_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n")
        return
    compared.print(console)


@app.command()
def report(
    folder: Folder,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="File that ends in .html, .md or .json. Default: FOLDER/report.html.")
    ] = None,
) -> None:
    """Write a report: a self-contained HTML page with figures and samples, or the answer and all numbers as Markdown or JSON."""
    from study.api import open_study
    from study.show.report import write_report

    view = open_study(folder)
    console.print(f"Report: {write_report(view, out or view.layout.report).absolute()}", soft_wrap=True)


Trial = Annotated[str | None, typer.Option("--trial", help="Trial id, or a unique prefix of it. Default: the best trial.")]
BestTick = Annotated[bool, typer.Option("--best-tick", help="Use the stored checkpoint with the best objective instead of the last one.")]
Best = Annotated[bool, typer.Option("--best", help="Use the best trial (the default).")]


@app.command()
def sample(
    folder: Folder,
    out: Annotated[Path, typer.Option("-o", "--out", help="PNG file.")] = Path("samples.png"),
    trial: Trial = None,
    best: Best = False,
    seed: Annotated[int, typer.Option(help="Seed of the latents.")] = 0,
    class_: Annotated[str | None, typer.Option("--class", metavar="CLASS", help="Only this class: its name, or its number from 0.")] = None,
    best_tick: BestTick = False,
    trust_plugins: Trust = False,
) -> None:
    """Write a grid of new samples of one trial. A conditional generator gets one row per class, unless --class is given."""
    from study.api import open_study

    view = _chosen(open_study(folder, trust_plugins=trust_plugins), trial, best=best)
    if not_records(out).suffix.lower() not in (".png", ""):
        raise UserError(f"--out must be a file that ends in .png; given {out}. The samples are a PNG")
    write_output(out, view.grid_png(seed=seed, label=class_, best_tick=best_tick))
    of_class = "" if class_ is None else f" of class {class_}"
    console.print(f"{out}: samples{of_class} of {_named(view)}", soft_wrap=True)


@app.command()
def export(
    folder: Folder,
    out: Annotated[Path, typer.Option("-o", "--out", help="Safetensors file.")] = Path("g.safetensors"),
    trial: Trial = None,
    best: Best = False,
    best_tick: BestTick = False,
) -> None:
    """Write the generator of one trial to a safetensors file, with its config in the header."""
    from study.api import open_study

    view = _chosen(open_study(folder), trial, best=best)
    view.export(out, best_tick=best_tick)
    console.print(
        f"{out}: generator of {_named(view)}. Load it in Python with trainables.generators.load_generator({str(out)!r})",
        soft_wrap=True,
    )


def _chosen(view: "StudyView", trial: str | None, *, best: bool) -> "TrialView":
    """Return the trial that the options --trial and --best choose."""
    if trial and best:
        raise UserError("--trial and --best exclude each other; give one of them")
    return view.trial(trial) if trial else view.best(1)[0]


def _named(view: "TrialView") -> str:
    """Return the id of a trial, and what speaks against its generator."""
    from analysis.outcomes import OUTCOMES

    if view.failed:
        return f"{view.trial_id}, which failed ({OUTCOMES[view.outcome].label})"
    return view.trial_id if view.outcome else f"{view.trial_id}, which has not finished"


@app.command()
def train(
    recipe: Annotated[
        Path | None, typer.Argument(help="YAML file of settings, such as recipes/dcgan_mnist.yaml.", metavar="RECIPE.yaml")
    ] = None,
    origin: Annotated[str | None, typer.Option("--from", help="Folder of a study: train the config of one of its trials.")] = None,
    trial: Trial = None,
    best: Best = False,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Change a setting of the recipe or trial. Repeatable.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Folder to store the run in. Default: runs/RECIPE, or runs/STUDY-TRIAL with --from.")
    ] = None,
    features: Annotated[
        str | None, typer.Option(metavar="NAME", help="Features that distances are measured in; see `ganstudy list features`.")
    ] = None,
    weights: Annotated[str | None, typer.Option(metavar="FILE", help="File with the weights of pretrained features.")] = None,
    samples: Annotated[
        int | None, typer.Option(metavar="N", help="Samples evaluated at each tick. Default: depends on the data set.")
    ] = None,
    trust_plugins: Trust = False,
) -> None:
    """Train one trial without Ray, of a recipe or of a study. Leaves samples, curves, metrics, a diagnosis and the generator in a folder.

    The same command on the same folder resumes a run that was stopped or killed, from its last tick. A finished run is not trained again.
    """
    from study.api import open_study
    from study.engine.train import train as train_one
    from study.show.run_page import conclude
    from study.spec.files import parse_changes
    from study.spec.recipes import changed_config, load_config, plugins_in
    from study.spec.sections import Resources, evaluation_as

    if recipe and (trial or best):
        raise UserError("--trial and --best choose from a study: give --from FOLDER, not a recipe")
    if (recipe is None) == (origin is None):
        raise UserError(f"train takes a RECIPE.yaml or --from FOLDER, one of them; given {'neither' if recipe is None else 'both'}")
    new = parse_changes(changes or [])
    evaluation: dict[str, Any] = {}
    resources, plugins = Resources(), tuple[str, ...]()
    kept: Path | None = None
    if recipe:
        config, plugins, name = load_config(recipe, new), plugins_in(recipe), recipe.stem
    else:
        assert origin
        view = open_study(origin, trust_plugins=trust_plugins)
        config = changed_config(_chosen(view, trial, best=best).config.flat(), new)
        resources, plugins = view.spec.resources, view.plugins
        evaluation, kept, name = (
            dict(view.study.spec["evaluation"]),
            view.layout.classifier,
            f"{view.study.spec['name']}-{config.trial_id}",
        )
        bring(view.folder, kept)
    evaluation_config = evaluation_as(evaluation, features=features, weights=weights, samples=samples)
    folder = not_url(folder, "--folder") if folder else default_folder(name)
    try:
        found = train_one(config, folder, console, evaluation=evaluation_config, resources=resources, plugins=plugins, kept=kept)
        conclude(found, folder, console)
    except KeyboardInterrupt:  # before the training, or once more while the run is concluded
        errors.print("Stopped. `ganstudy train` with the same arguments resumes it.", soft_wrap=True)
        raise typer.Exit(130) from None
    if found.ended is None:
        raise typer.Exit(130)


@app.command(name="list")
def list_(
    kind: Annotated[
        str | None,
        typer.Argument(
            metavar="LIST",
            help="data, architectures, conditions, losses, tricks, updates, optimisers, loops, samplers, schedulers, trackers, metrics, signals, "
            "features, ranges, spaces or settings. "
            "Default: all of them.",
        ),
    ] = None,
) -> None:
    """List the names that a study file can use, with defaults and sources."""
    from study.show.catalogue import print_catalogue

    print_catalogue(kind, console)


@app.command()
def schema(
    kind: Annotated[Literal["study", "recipe"], typer.Argument(help="study: of study files; recipe: of recipes.")] = "study",
    plugin: Annotated[
        list[str] | None,
        typer.Option(metavar="MODULE", help="A plugin whose entries the schema has too: my_plugin for ./my_plugin.py. Repeatable."),
    ] = None,
) -> None:
    """Print the JSON Schema of study files or recipes, with which editors complete and check keys."""
    from study.spec.plugins import import_plugins
    from study.spec.schema import schema_text

    import_plugins(plugin or [])
    sys.stdout.write(schema_text(kind))


def main() -> None:
    """Entry point. A UserError prints one message and exits with 2; any other exception exits with 1: of a plugin with its own lines, else with a traceback."""
    outlive_readers()
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    try:
        if "" in sys.argv[1:]:  # such as --folder "$FOLDER": an empty path would be the current folder
            raise UserError(f"no argument may be empty; one is in {command(*sys.argv[1:])}. Leave it out")
        app()
    except SystemExit as end:
        if Path(traceback.extract_tb(end.__traceback__)[-1].filename).parent.name in ("click", "typer", "rich"):
            raise  # the regular end of a command
        traceback.print_exc()
        errors.print("A plugin has ended the program by sys.exit; it must raise another exception instead.", soft_wrap=True)
        sys.exit(1)
    except UserError as error:
        errors.print(Text.assemble(("error", "bold red"), f": {error}"), soft_wrap=True)
        sys.exit(2)
    except Exception:
        from study.spec.plugins import imported, plugin_folders
        from study.store.raised import raised

        told = raised(traceback.format_exc(), imported(), plugin_folders(imported()))
        if told.plugin:
            errors.print(
                Text.assemble(("error", "bold red"), f": {told.told}. Its lines that led there:\n{told.frames.rstrip()}"), soft_wrap=True
            )
            sys.exit(1)
        traceback.print_exc()
        errors.print(
            "This is a bug in ganstudy. Please report it in the project's issue tracker, with this traceback, the command and the output of `ganstudy --version`.",
            soft_wrap=True,
        )
        sys.exit(1)


if __name__ == "__main__":
    main()
