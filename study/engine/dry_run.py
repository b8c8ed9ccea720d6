"""`--dry-run`: prints the design, its cost and the first trial in full. Starts no Ray and writes nothing."""

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from analysis.metrics import Baseline
from analysis.power import bought, planned_statement
from analysis.precision import race_statement
from analysis.words import plural
from ganstudy.command import command
from ganstudy.registry import first_line
from ganstudy.written import written
from study.console import print_table
from study.engine import cluster, sharing
from study.engine.adaptive import Adaptive
from study.engine.costs import Costs, configs_of
from study.engine.planning import more_trials, plans, variation
from study.engine.prepare import prepare
from study.engine.samplers import Designed
from study.engine.separation import unseparated
from study.evaluation.classifiers import stored
from study.spec.design import n_distinct
from study.spec.domains import as_given
from study.spec.phase_words import phase_words
from study.spec.study_spec import StudySpec
from study.store.layout import Layout, shown
from study.store.lock import refuse_unwritable
from trainables.config import TrialConfig
from trainables.data import DATA, OWN, Source, load, taken
from trainables.loop import Diverged


def preview(
    spec: StudySpec, folder: Path, console: Console, *, address: str | None, allow_changed_code: bool = False, extend: bool = False
) -> None:
    """Print the dry run of a study. Raises UserError for anything that `launch` would refuse, also on the cluster at `address`."""
    refuse_unwritable(folder)
    prepared = prepare(spec, folder, address=address, allow_changed_code=allow_changed_code, extend=extend)
    nodes = _nodes(address, allow_changed_code=allow_changed_code)
    slots = cluster.slots(spec, nodes)
    proposal = (Designed(spec) if spec.goal == "explain" else Adaptive(spec, earlier=prepared.study.earlier)).next(0)
    assert proposal
    first = TrialConfig.from_flat(proposal.flat)
    console.print(Text.assemble((spec.name, "bold"), f": {spec.question}"), soft_wrap=True)
    designed = spec.of_phase(spec.phase) if spec.goal == "explain" else None
    distinct = n_distinct(each.flat for each in designed.designed()) if designed else None
    phases = "; ".join(f"{phase}: {words}" for phase, words in phase_words(spec.as_dict(), distinct=distinct).items())
    console.print(
        f"{phases}; {'at most ' if spec.is_open_ended else ''}{plural(spec.n_trials, 'trial')} of {spec.budget_kimg:g} kimg", soft_wrap=True
    )
    source = prepared.source
    console.print(
        f"data {source.name}: {first_line(DATA[source.name])} {len(source.train):,} training and {len(source.heldout):,} held-out samples"
        + (f", {plural(len(source.classes), 'class', 'classes')}" if source.classes else ", no classes")
        + (f"; trials train on {size:,} of the training samples" if (size := spec.base.get("data.size")) else ""),
        soft_wrap=True,
    )
    if prepared.replaces:
        console.print(
            f"{folder} holds a study of which no trial was trained ({prepared.replaces}); the launch replaces it, and keeps its records.",
            soft_wrap=True,
        )
    for note in prepared.notes:
        console.print(note, soft_wrap=True)
    table = Table(box=None, pad_edge=False)
    for column in ("setting", "role", "values"):
        table.add_column(column)
    for part in ("scientific", "nuisance"):
        for name, domain in getattr(spec.space, part).items():
            table.add_row(name, part, written(spec.space.variants.get(name) or as_given(domain)))
    print_table(console, table)
    varies = variation(spec, folder) if designed else None
    if designed and varies:
        for sentence in (
            planned_statement(designed.n_trials, plans(designed), varies),
            *(each for each in unseparated(spec) if each not in prepared.notes),
        ):
            console.print(sentence, soft_wrap=True)
    confirm = spec.phases.confirm if spec.phases else None
    if (confirm or "optimise" in spec.phase_names) and len(spec.objectives) == 1:  # a front has no first place
        console.print(race_statement(spec.objective.metric, confirm.seeds if confirm else None), soft_wrap=True)
    console.print(
        "\nsettings of the first trial" + "".join(f", {name} {chosen}" for name, chosen in proposal.variants.items()) + ":", soft_wrap=True
    )
    foreign = {f"data.{name}" for name in OWN if name not in taken(first.data.name)}
    for name, value in first.flat().items():
        if name in foreign or (value is None and name not in proposal.flat):
            continue
        console.print(Text.assemble(f"  {name}: {written(value)}", ("" if name in proposal.flat else "  (default)", "dim")), soft_wrap=True)
    console.print(Text(f"  all others are null; {command('list', 'settings')} explains each", "dim"), soft_wrap=True)
    kimg = spec.n_trials * spec.budget_kimg
    images = f"{kimg:,.0f} kimg of real images" if kimg >= 10 else f"{kimg:g} kimg of real images"
    try:
        costs = Costs.measured(configs_of(spec, first), prepared)
    except Diverged as reason:
        console.print(f"\ncost: {images}; no time estimate, since the first trial diverged at once: {reason}", soft_wrap=True)
        return
    shared = ", one process per device" if cluster.lanes(spec, nodes) else ""
    if (most := sharing.most(spec, nodes)) > 1:
        shared = f", one on each GPU; the launch measures how many of up to {most} train fastest there"
    console.print(
        f"\ncost: {images}; {_about(spec.n_trials * costs.seconds / slots / 60, 'min', digits=1)} with {plural(slots, 'concurrent trial')}{shared} ({costs})",
        soft_wrap=True,
    )
    if designed and varies:
        extra = more_trials(designed.n_trials, slots=slots, seconds=costs.seconds, kind="GPU" if cluster.total(nodes)["GPU"] else "slot")
        console.print(bought(designed.n_trials, plans(designed), extra, varies), soft_wrap=True)
    console.print(f"disk: {_about(spec.n_trials * costs.checkpoint_mb, 'MB')} of checkpoints in {shown(folder)}", soft_wrap=True)
    console.print(
        "evaluation protocol: "
        + ", ".join(f"{key} {value}" for key, value in prepared.evaluator.protocol.as_dict().items() if value is not None),
        soft_wrap=True,
    )
    if prepared.evaluator.accuracy is not None:
        console.print(
            f"classifier: {prepared.evaluator.accuracy:.1%} accuracy on the held-out images; {_kept(source, folder)}", soft_wrap=True
        )
    console.print(
        "real-data baselines: "
        + "  ".join(f"{name} {_baseline_text(baseline)}" for name, baseline in prepared.evaluator.baselines.items()),
        soft_wrap=True,
    )


def _about(amount: float, unit: str, *, digits: int = 0) -> str:
    """ "about 12 MB"; "less than 1 MB" for what would be rounded to 0."""
    text = f"{amount:,.{digits}f}"
    return f"about {text} {unit}" if float(text.replace(",", "")) else f"less than {10**-digits:g} {unit}"


def _nodes(address: str | None, *, allow_changed_code: bool) -> list[Mapping[str, float]]:
    """Return the resources of the nodes that would run trials. Connects to the cluster at `address`, and checks its versions."""
    if not address:
        return cluster.nodes(None)
    with cluster.connected(address):
        cluster.check_versions(allow_changed_code=allow_changed_code)
        return cluster.nodes(address)


def _baseline_text(baseline: Baseline) -> str:
    """The baseline's value; its range over draws too, if no formula gives the value."""
    return f"{baseline.value:.4g}" + (f" ({baseline.low:.4g} to {baseline.high:.4g}, {baseline.draws} draws)" if baseline.draws else "")


def _kept(source: Source, folder: Path) -> str:
    """Where the classifier is stored, so that a launch does not train it again."""
    of = source if source.whole is None else load(source.whole)
    found = stored(of, kept=Layout(folder).classifier)
    if found is None:  # the cache could not be written
        return "it could not be cached, so each launch trains it again, for about a minute"
    return f"the launch reads it from {found[0]}"
