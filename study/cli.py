"""The `ganstudy` command. Long, since all commands are here; each imports what it needs, so that `--help` costs no second."""

import json
import logging
import sys
import time
import traceback
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from ganstudy import UserError
from ganstudy.files import write_output
from study.console import terminal
from study.store.layout import Layout, default_folder
from study.store.lock import driver, stop_driver

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = terminal()
errors = terminal(stderr=True)

File = Annotated[Path, typer.Argument(help="A study file (YAML).", metavar="STUDY.yaml")]
Folder = Annotated[Path, typer.Argument(help="A study's folder, such as runs/digits.", metavar="RUN")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Change a setting of the base, or a key of the study (n_configs, resources.gpu, …)."),
]
Trust = Annotated[bool, typer.Option("--trust-plugins", help="Import the study's plugins; they are code.")]
Address = Annotated[str | None, typer.Option(help="A Ray cluster: auto, or its address. Without one, Ray is started here.")]


def print_versions(asked: bool) -> None:
    if asked:
        from study.engine.provenance import versions

        console.print(
            "  ".join(f"{name} {version}" for name, version in versions().items() if name in ("ganstudy", "ray", "torch", "python"))
        )
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=print_versions, is_eager=True, help="Print the versions of ganstudy, Ray, PyTorch and Python."),
    ] = False,
) -> None:
    """Which settings keep a GAN's training stable, and how sure are we?"""


@app.command()
def launch(
    file: File,
    folder: Annotated[Path | None, typer.Option(help="Where it is kept; runs/NAME unless given.")] = None,
    changes: Set = None,
    address: Address = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the design, its cost and one trial in full; run nothing.")] = False,
) -> None:
    """Run a study; on a folder that holds it already, go on. Ends with its answer, its ranking and a report."""
    from study.spec.files import parse_changes
    from study.spec.study_spec import StudySpec

    spec = StudySpec.load(file, parse_changes(changes or []))
    if dry_run:
        from study.engine.dry_run import preview

        preview(spec, folder or default_folder(spec.name), console, address=address)
        return
    _run(spec, folder or default_folder(spec.name), address)


@app.command()
def resume(run: Folder, changes: Set = None, address: Address = None, trust_plugins: Trust = False) -> None:
    """Go on with a study that was stopped, killed, or is to be extended (--set n_configs=…, --set seeds=…)."""
    from study.api import open_study
    from study.spec.files import parse_changes
    from study.spec.study_spec import StudySpec, changed

    given: dict[str, Any] = dict(open_study(run, trust_plugins=trust_plugins).spec.as_dict())
    for name, value in parse_changes(changes or []).items():
        given = changed(given, name, value)
    _run(StudySpec.from_dict(given), run, address)


def _run(spec: Any, folder: Path, address: str | None) -> None:
    from study.api import launch
    from study.engine.launch import unfinished

    began = time.monotonic()
    try:
        view = launch(spec, folder, address=address)
    except KeyboardInterrupt:  # before or after the trials; Tune hears it in between
        errors.print(f"Stopped. `ganstudy resume {folder}` goes on.", soft_wrap=True)
        raise typer.Exit(130) from None
    if unfinished(spec, view.store):
        done = sum(not record.needs_run(spec.max_failures) for record in view.store.trials.values())
        console.print(f"Stopped with {done} of {spec.n_trials} trials done. `ganstudy resume {folder}` goes on.", soft_wrap=True)
        return
    from study.show.report import write_report
    from study.show.terminal import print_answer

    console.print(f"\n[bold]{escape(spec.question)}[/bold]", soft_wrap=True)
    print_answer(view, console)
    console.print(f"\n{spec.n_trials} trials, {time.monotonic() - began:.0f} s")
    console.print(f"Report: {write_report(view, Layout(folder).report).absolute()}", soft_wrap=True)


@app.command()
def status(run: Folder) -> None:
    """How far a study is, and who drives it."""
    from study.api import open_study
    from study.show.terminal import print_status

    print_status(open_study(run), driver(run), console)


@app.command()
def stop(run: Folder, wait_s: Annotated[float, typer.Option(help="Seconds to wait for its driver to end.")] = 60.0) -> None:
    """Ask the driver of a study to stop. Nothing is lost: resume goes on."""
    who = stop_driver(run, wait_s=wait_s)
    console.print(f"Stopped: {who}. `ganstudy resume {run}` goes on." if who else f"Nobody drives {run}.")


@app.command()
def show(
    run: Folder,
    trial: Annotated[str | None, typer.Argument(help="A trial's id, or the beginning of it.")] = None,
    trust_plugins: Trust = False,
) -> None:
    """A study's design, or one trial: its config, curve, outcome and error."""
    from study.api import open_study
    from study.show.terminal import print_study, print_trial

    view = open_study(run, trust_plugins=trust_plugins)
    if trial:
        print_trial(view.trial(trial), console)
    else:
        print_study(view, console)


@app.command()
def best(
    run: Folder,
    n: Annotated[int, typer.Option("-n", help="How many configurations.")] = 5,
    by: Annotated[str | None, typer.Option(help="The metric; the study's score unless given.")] = None,
    where: Annotated[str | None, typer.Option(help="A condition on trials, such as 'coverage > 0.8'.")] = None,
    min_seeds: Annotated[int, typer.Option(help="Runs that a configuration needs to be ranked.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON list, for programs.")] = False,
) -> None:
    """The best configurations, ranked on a bound, not on a lucky seed."""
    from study.api import open_study

    view = open_study(run)
    found = view.best(n, by=by, where=where, min_seeds=min_seeds)
    if as_json:
        rows = [{"trial_id": t.trial_id, "outcome": t.outcome, "config": dict(t.record.flat), "values": dict(t.values)} for t in found]
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return
    from study.show.terminal import print_best

    print_best(view, found, by or view.objective, console)


@app.command()
def rank(
    run: Folder,
    by: Annotated[str | None, typer.Option(help="The metric; the study's score unless given.")] = None,
    n: Annotated[int, typer.Option("-n", help="Rows.")] = 20,
) -> None:
    """All configurations in order, with intervals."""
    from study.api import open_study
    from study.show.terminal import print_ranking

    view = open_study(run)
    print_ranking(view.table(), by or view.objective, console, n=n)


@app.command()
def evaluate(
    run: Folder,
    features: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="What distances are measured in (`ganstudy list features`); the study's unless given."),
    ] = None,
    weights: Annotated[str | None, typer.Option(metavar="FILE", help="Weights of pretrained features.")] = None,
    samples: Annotated[int | None, typer.Option(metavar="N", help="Of each generator; as many as the study's unless given.")] = None,
    trust_plugins: Trust = False,
) -> None:
    """Judge the stored generators by another evaluation protocol, without training: numbers in RUN/judged, and a ranking. Called again, it goes on."""
    from study.api import open_study
    from study.evaluation.reevaluate import reevaluate
    from study.show.terminal import print_evaluated
    from study.spec.sections import evaluation_as

    view = open_study(run, trust_plugins=trust_plugins)
    spec = view.spec
    evaluation = evaluation_as(spec.as_dict()["evaluation"], features=features, weights=weights, samples=samples)
    with console.status("preparing the evaluation protocol") as status:  # which a pipe does not see
        found = reevaluate(view.store, spec, evaluation, said=lambda trial, i, n: status.update(f"judging {trial}, {i} of {n}"))
    print_evaluated(view, found, console, n=20)


@app.command()
def explain(
    run: Folder,
    outcome: Annotated[str, typer.Option(help="failed, a failure such as mode_collapse, a metric, or seconds (of training).")] = "failed",
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """What each setting does to the risk of failing (or to a metric), with interval, n and kind of evidence."""
    from dataclasses import asdict

    import analysis
    from study.api import open_study
    from study.show.terminal import print_answer, print_claims

    view = open_study(run)
    claims = analysis.explain(view.table(), outcome)
    if as_json:
        sys.stdout.write(json.dumps([asdict(claim) for claim in claims], indent=2, default=str) + "\n")
        return
    if outcome == "failed":
        print_answer(view, console)
    print_claims(claims, console)


@app.command()
def report(
    run: Folder, out: Annotated[Path | None, typer.Option("-o", "--out", help="The page; RUN/report.html unless given.")] = None
) -> None:
    """One self-contained HTML page: question, answer, evidence, ranking, samples, curves, caveats, provenance."""
    from study.api import open_study
    from study.show.report import write_report

    console.print(f"Report: {write_report(open_study(run), out or Layout(run).report).absolute()}", soft_wrap=True)


Trial = Annotated[str | None, typer.Option("--trial", help="A trial's id; the best unless given.")]
BestTick = Annotated[bool, typer.Option("--best-tick", help="As it was when its score was best, not at the end.")]
Best = Annotated[bool, typer.Option("--best", help="The best trial (the default).")]


@app.command()
def sample(
    run: Folder,
    out: Annotated[Path, typer.Option("-o", "--out", help="A PNG.")] = Path("samples.png"),
    trial: Trial = None,
    best: Best = False,
    seed: Annotated[int, typer.Option(help="Of the latents.")] = 0,
    class_: Annotated[
        str | None, typer.Option("--class", metavar="CLASS", help="All of this class (its name, or its number from 0).")
    ] = None,
    best_tick: BestTick = False,
    trust_plugins: Trust = False,
) -> None:
    """A grid of fresh samples of one trial's generator; of a conditional one, a row for each class unless --class names one."""
    from study.api import open_study

    view = _chosen(open_study(run, trust_plugins=trust_plugins), trial, best=best)
    write_output(out, view.grid_png(seed=seed, label=class_, best_tick=best_tick))
    of_class = "" if class_ is None else f" of class {class_}"
    console.print(f"{out}: samples{of_class} of {view.trial_id}", soft_wrap=True)


@app.command()
def export(
    run: Folder,
    out: Annotated[Path, typer.Option("-o", "--out", help="A safetensors file.")] = Path("g.safetensors"),
    trial: Trial = None,
    best: Best = False,
    best_tick: BestTick = False,
) -> None:
    """One trial's generator as a file: safetensors with its config in the header."""
    from study.api import open_study

    view = _chosen(open_study(run), trial, best=best)
    view.export(out, best_tick=best_tick)
    console.print(
        f"{out}: the generator of {view.trial_id}. trainables.generators.load_generator({str(out)!r}) makes it a network again",
        soft_wrap=True,
    )


def _chosen(view: Any, trial: str | None, *, best: bool) -> Any:
    if trial and best:
        raise UserError("--trial and --best are two choices; give one of them")
    return view.trial(trial) if trial else view.best(1)[0]


@app.command()
def train(
    recipe: Annotated[
        Path | None, typer.Argument(help="A YAML file of settings, such as recipes/dcgan_mnist.yaml.", metavar="RECIPE.yaml")
    ] = None,
    origin: Annotated[Path | None, typer.Option("--from", help="A study's folder: train the settings of one of its trials.")] = None,
    trial: Trial = None,
    best: Best = False,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Change a setting of the recipe, or of the study's trial.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="A folder for all it writes; runs/RECIPE unless given (runs/STUDY-TRIAL with --from)."),
    ] = None,
    features: Annotated[str | None, typer.Option(metavar="NAME", help="What distances are measured in (`ganstudy list features`).")] = None,
    weights: Annotated[str | None, typer.Option(metavar="FILE", help="Weights of pretrained features.")] = None,
    samples: Annotated[int | None, typer.Option(metavar="N", help="Samples evaluated at each tick; by data set unless given.")] = None,
    trust_plugins: Trust = False,
) -> None:
    """Train one trial without Ray, of a recipe or of a study. Leaves samples, curves, metrics, a diagnosis and the generator in a folder.

    The same command on the same folder resumes a run that was stopped or killed, from its last tick. A finished run is not trained again.
    """
    from study.api import open_study
    from study.engine.train import train as train_one
    from study.show.run_page import conclude
    from study.spec.files import parse_changes
    from study.spec.recipes import changed_config, load_config
    from study.spec.sections import evaluation_as

    if recipe and (trial or best):
        raise UserError("--trial and --best choose from a study: give --from RUN, not a recipe")
    if (recipe is None) == (origin is None):
        raise UserError(f"train takes a RECIPE.yaml or --from RUN, one of them; given {'neither' if recipe is None else 'both'}")
    new = parse_changes(changes or [])
    evaluation: dict[str, Any] = {}
    kept: Path | None = None
    if recipe:
        config, name = load_config(recipe, new), recipe.stem
    else:
        assert origin
        view = open_study(origin, trust_plugins=trust_plugins)
        config = changed_config(_chosen(view, trial, best=best).config.flat(), new)
        evaluation, kept, name = (
            dict(view.study.spec["evaluation"]),
            Layout(origin).classifier,
            f"{view.study.spec['name']}-{config.trial_id}",
        )
    evaluation_config = evaluation_as(evaluation, features=features, weights=weights, samples=samples)
    folder = out or default_folder(name)
    try:
        found = train_one(config, folder, console, evaluation=evaluation_config, kept=kept)
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
            help="data, architectures, conditions, losses, tricks, updates, optimisers, loops, metrics, features, ranges, spaces or settings; all unless given."
        ),
    ] = None,
) -> None:
    """Every name there is, a line each, with its source: data sets, architectures, conditions, losses, tricks with their settings, update rules, …, and all settings."""
    from study.show.catalogue import catalogue

    tables = catalogue()
    if kind is not None and kind not in tables:
        raise UserError(f"there is no list of {kind!r}; there are {list(tables)}")
    for name, rows in tables.items():
        if kind in (None, name):
            table = Table(title=name, title_justify="left", title_style="bold", box=None, show_header=False, pad_edge=False)
            table.add_column(no_wrap=True, style="cyan")
            table.add_column()
            for row in rows:
                table.add_row(*map(escape, row))
            console.print(table)
            console.print()


def main() -> None:
    """The entry point: what a person can mend is one message without a traceback; anything else is a bug, and says so."""
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    try:
        app()
    except UserError as error:
        errors.print("[bold red]error[/bold red]:", escape(str(error)), soft_wrap=True)
        sys.exit(2)
    except Exception:
        traceback.print_exc()
        errors.print(
            "This is a bug of ganstudy: please report it to the project's issue tracker with this traceback, the command and the output of `ganstudy --version`",
            soft_wrap=True,
        )
        sys.exit(1)


if __name__ == "__main__":
    main()
