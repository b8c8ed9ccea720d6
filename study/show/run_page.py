"""How a run of `ganstudy train` ends: its diagnosis in words, its numbers, and curves.html, a page that fetches nothing: what it came to, its
samples over time, and its curves beside real data."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich import markup
from rich.console import Console

from analysis import Diagnosis, TrialTable, plots
from analysis.diagnose import diagnose
from analysis.metrics import METRICS
from analysis.outcomes import OUTCOMES
from analysis.report import page
from analysis.words import aligned
from ganstudy.files import write_whole
from ganstudy.units import to_kimg
from study.engine.train import Trained, headline
from study.evaluation.evaluator import Evaluator
from study.evaluation.protocol import HEADLINE
from study.store.diagnosis import curves_of
from study.store.layout import RunLayout
from trainables.generators import Generator, load_generator

SIGNALS = ("d/adv", "g/adv", "d/real_logit", "d/fake_logit", "d/real_accuracy", "d/fake_accuracy", "d/grad_norm", "g/grad_norm")
GRIDS = 6  # sample grids, evenly spaced over the run


def conclude(found: Trained, out: Path, console: Console) -> None:
    """The diagnosis in words, metrics.json and curves.html."""
    if not found.ticks:
        console.print(f"{found.ended or 'stopped'} before anything was measured: {markup.escape(found.reason)}", soft_wrap=True)
        return
    layout = RunLayout(out)
    images, curves = curves_of(found.ticks)
    verdict = diagnose(images, curves, ended=found.ended, baselines=found.baselines, n_modes=found.evaluator.n_modes)
    last, values = found.ticks[-1]
    summary: dict[str, Any] = {
        "ended": found.ended or "stopped",
        "reason": found.reason,
        "images": last,
        "seconds": round(found.seconds, 3),
        "evaluation_seconds": round(found.evaluation_seconds, 3),
        "diagnosis": asdict(verdict) | {"evidence": verdict.evidence},
        "metrics": {name: {"value": values[name], "real": baseline} for name, baseline in found.baselines.items() if name in values},
        "signals": {name: value for name, value in values.items() if name not in found.baselines},
        "protocol": found.evaluator.protocol.as_dict(),
    }
    classes = {} if found.config.g.condition is None else classes_of(found.evaluator, load_generator(layout.generator))
    if classes:
        summary["classes"] = classes
    write_whole(layout.metrics, json.dumps(summary, indent=2) + "\n")
    write_page(found, verdict, classes, out)
    if found.reason:
        console.print(f"{summary['ended']}: {markup.escape(found.reason)}. What is kept is from {to_kimg(last):g} kimg", soft_wrap=True)
    console.print(f"real data score  {headline(found.baselines)}", soft_wrap=True)
    for name, of in classes.items():
        console.print(f"asked for {markup.escape(name)}: {headline(of, of)}", soft_wrap=True)
    console.print(f"diagnosis: [bold]{verdict.outcome or 'none'}[/bold], {markup.escape(verdict.evidence)}", soft_wrap=True)
    others = ", ".join(path.name for path in (layout.metrics, layout.history, layout.config, layout.generator))
    console.print(f"{out}: {layout.curves.name} (open it in a browser), {layout.samples.name}/, {others}", soft_wrap=True)


def classes_of(evaluator: Evaluator, generator: Generator) -> dict[str, dict[str, float]]:
    """Class -> how well the generator makes it when asked."""
    return {generator.classes[k]: values for k, values in evaluator.by_class(generator).items()}


def write_page(found: Trained, verdict: Diagnosis, classes: Mapping[str, Mapping[str, float]], out: Path) -> None:
    """classes: of a conditional run, how well each class is made when asked for."""
    config, table = found.config, table_of(found, verdict)
    title = f"{config.arch} with {config.loss} on {config.data.name}"
    head = page.paragraph("GAN run", kind="kicker") + f"<h1>{escape(title)}</h1>"
    outcome = f"{OUTCOMES[verdict.outcome].label}: {verdict.evidence}" + (f" ({found.reason})" if found.reason else "")
    head += f'<div class="answer">{page.paragraph(outcome)}</div>'
    _, values = found.ticks[-1]
    rows = [[name, aligned(values[name]), aligned(baseline)] for name, baseline in found.baselines.items() if name in values]
    shown = [name for name in (*HEADLINE, *SIGNALS) if name in table.curves]
    measures = list(dict.fromkeys(name for of in classes.values() for name in of))
    by_class = [[asked, *(aligned(of.get(name, np.nan)) for name in measures)] for asked, of in classes.items()]
    sections = [
        page.Section("Measured", page.grid(["Metric", "At the end", "Real data"], rows, numbers=["At the end", "Real data"])),
        *([page.Section("Classes", page.grid(["Asked for", *measures], by_class, numbers=measures))] if classes else []),
        page.Section("Samples", grids(out)),
        page.Section("Curves", "".join(page.chart(plots.curves(table, name), name=str(i)) for i, name in enumerate(shown))),
        page.Section("Settings", page.pairs({name: str(value) for name, value in config.flat().items() if value is not None})),
        page.Section("EvaluationProtocol", page.pairs({name: str(value) for name, value in found.evaluator.protocol.as_dict().items()})),
    ]
    write_whole(RunLayout(out).curves, page.page(title, head, sections))


def grids(out: Path) -> str:
    layout = RunLayout(out)
    files = layout.grids()
    chosen = [files[i] for i in sorted(set(np.linspace(0, len(files) - 1, GRIDS).round().astype(int)))]
    cards = [page.picture(layout.real.read_bytes(), heading="Real data", text="what the generator is meant to imitate")]
    cards += [page.picture(file.read_bytes(), heading=f"{to_kimg(int(file.stem)):g} kimg", text="from the same latents") for file in chosen]
    return f'<div class="cards">{"".join(cards)}</div>'


def table_of(found: Trained, verdict: Diagnosis) -> TrialTable:
    """The run as a table of one trial, which is what figures are made of."""
    ids, (images, curves) = [found.config.trial_id], curves_of(found.ticks)
    return TrialTable(
        trial_id=np.array(ids),
        config_id=np.array([found.config.config_id]),
        seed=np.array([found.config.seed]),
        phase=np.array(["explore"]),
        ended=np.array([found.ended]),
        outcome=np.array([verdict.outcome]),
        diagnosis=np.array([verdict.evidence]),
        onset_kimg=np.array([np.nan if verdict.onset_kimg is None else verdict.onset_kimg]),
        settings=pd.DataFrame([found.config.flat()], index=ids),
        final=pd.DataFrame([found.ticks[-1][1]], index=ids),
        curves={name: np.array([[np.nan if v is None else v for v in curve]]) for name, curve in curves.items()},
        images=np.array([images]),
        scientific=(),
        nuisance=(),
        directions={name: metric.direction for name, metric in METRICS.items() if metric.direction},
        baselines=found.baselines,
    )
