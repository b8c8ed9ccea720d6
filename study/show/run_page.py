"""Writes the results of a `ganstudy train` run: its diagnosis, metrics.json and a self-contained page, curves.html.

The page shows the results, samples over time, and curves next to real data.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.text import Text

from analysis import Diagnosis, TrialTable, plots
from analysis.diagnose import diagnose
from analysis.metrics import METRICS
from analysis.outcomes import OUTCOMES
from analysis.report.content import Chart, Charts, Document, Gallery, Picture, Section, Table, pairs
from analysis.report.page import page
from analysis.words import aligned
from ganstudy.files import write_whole
from ganstudy.units import to_kimg
from study.engine.train import Trained, headline
from study.evaluation.evaluator import Evaluator
from study.evaluation.protocol import HEADLINE
from study.store.diagnosis import curves_of
from study.store.records import Measurement
from study.store.run_layout import RunLayout
from trainables.generators import Generator, load_generator

_SIGNALS = ("d/adv", "g/adv", "d/real_logit", "d/fake_logit", "d/real_accuracy", "d/fake_accuracy", "d/grad_norm", "g/grad_norm")
_GRIDS = 6  # sample grids, evenly spaced over the run


def conclude(found: Trained, out: Path, console: Console) -> None:
    """Write metrics.json and curves.html, and print the diagnosis. Of a run that was interrupted before its first tick there is nothing to write."""
    layout, history = RunLayout(out), found.history
    name = found.ended or "stopped"
    if found.reason:
        since = f"The results are from {to_kimg(history[-1].images):g} kimg" if history else "Nothing was measured before"
        console.print(f"{name}: {found.reason}. {since}", soft_wrap=True)
    if found.ended is None:
        console.print("`ganstudy train` with the same arguments resumes it", soft_wrap=True)
        if not history:
            return
    verdict = diagnose(*_curves(found), ended=found.ended or "", baselines=found.baselines, n_modes=found.evaluator.n_modes)
    conditional = bool(history) and found.config.g.condition is not None
    classes = _by_class(found.evaluator, load_generator(layout.generator)) if conditional else {}
    if history:
        write_whole(layout.curves, _page(found, verdict, classes, layout))
    summary = _summary(found, verdict, classes)  # last: a run that diverged has finished once this is written
    write_whole(layout.metrics, json.dumps(summary, indent=2, allow_nan=False) + "\n")
    console.print(f"real-data baselines  {headline(found.baselines)}", soft_wrap=True)
    for asked, of in classes.items():
        console.print(f"asked for {asked}: {headline(of, of)}", soft_wrap=True)
    console.print(Text.assemble("diagnosis: ", (verdict.outcome or "none", "bold"), f", {verdict.evidence}"), soft_wrap=True)
    if history:
        others = ", ".join(path.name for path in (layout.metrics, layout.history, layout.config, layout.generator))
        console.print(f"{out}: {layout.curves.name} (open it in a browser), {layout.samples.name}/, {others}", soft_wrap=True)
    else:
        console.print(f"{out}: {layout.metrics.name}, {layout.config.name}", soft_wrap=True)


def _summary(found: Trained, verdict: Diagnosis, classes: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """Return the contents of metrics.json. All numbers are those of the last tick."""
    last = found.history[-1] if found.history else Measurement(images=0, seconds=0.0, evaluation_seconds=0.0, values={})
    return {
        "ended": found.ended or "stopped",
        "reason": found.reason,
        "images": last.images,
        "seconds": last.seconds,
        "evaluation_seconds": last.evaluation_seconds,
        "diagnosis": asdict(verdict) | {"evidence": verdict.evidence},
        "metrics": {name: {"value": last.values[name], "real": real} for name, real in found.baselines.items() if name in last.values},
        "signals": {name: value for name, value in last.values.items() if name not in found.baselines},
        "protocol": found.evaluator.protocol.as_dict(),
        **({"classes": classes} if classes else {}),
    }


def _by_class(evaluator: Evaluator, generator: Generator) -> dict[str, dict[str, float]]:
    """Return the metrics of each class, from samples requested of that class."""
    return {generator.classes[k]: values for k, values in evaluator.by_class(generator).items()}


def _curves(found: Trained) -> tuple[list[float], dict[str, list[float | None]]]:
    return curves_of([(measured.images, measured.values) for measured in found.history])


def _page(found: Trained, verdict: Diagnosis, classes: Mapping[str, Mapping[str, float]], layout: RunLayout) -> str:
    """Return curves.html. classes: of a conditional run, the metrics of each requested class."""
    config, table, values = found.config, _table(found, verdict), found.history[-1].values
    outcome = f"{OUTCOMES[verdict.outcome].label}: {verdict.evidence}" + (f" ({found.reason})" if found.reason else "")
    rows = [[name, aligned(values[name]), aligned(baseline)] for name, baseline in found.baselines.items() if name in values]
    shown = [name for name in (*HEADLINE, *_SIGNALS) if name in table.curves]
    measures = list(dict.fromkeys(name for of in classes.values() for name in of))
    by_class = [[asked, *(aligned(of.get(name, np.nan)) for name in measures)] for asked, of in classes.items()]
    per_class = Table(name="Classes", columns=["Requested class", *measures], rows=by_class, numbers=measures)
    measured = Table(name="Measured", columns=["Metric", "At the end", "Real data"], rows=rows, numbers=["At the end", "Real data"])
    charts = [
        Chart(name=str(i), title=name, alt=f"{name} against real images shown to the discriminator.", figure=plots.curves(table, name))
        for i, name in enumerate(shown)
    ]
    settings = {name: str(value) for name, value in config.flat().items() if value is not None}
    sections = [
        Section("Measured", [measured]),
        *([Section("Classes", [per_class])] if classes else []),
        Section("Samples", [_grids(layout)]),
        Section("Curves", [Charts(charts=charts)]),
        Section("Settings", [pairs("Settings", settings)]),
        Section(
            "Evaluation protocol",
            [pairs("Evaluation protocol", {name: str(value) for name, value in found.evaluator.protocol.as_dict().items()})],
        ),
    ]
    title = f"{config.arch} with {config.loss} on {config.data.name}"
    return page(Document(sort="GAN run", title=title, answer=[outcome], sections=sections))


def _grids(layout: RunLayout) -> Gallery:
    """Some of the grids, evenly spaced, next to real data."""
    files = layout.grids()
    chosen = [files[i] for i in sorted(set(np.linspace(0, len(files) - 1, _GRIDS).round().astype(int)))]
    real = Picture(heading="Real data", text="what the generator is meant to imitate", alt="Real data", png=layout.real.read_bytes())
    pictures = [
        Picture(
            heading=f"{to_kimg(int(file.stem)):g} kimg",
            text="from the same latents",
            alt=f"Samples at {file.stem} images",
            png=file.read_bytes(),
        )
        for file in chosen
    ]
    return Gallery(pictures=[real, *pictures])


def _table(found: Trained, verdict: Diagnosis) -> TrialTable:
    """Return the run as a table of one trial, from which figures are drawn."""
    ids, (images, curves) = [found.config.trial_id], _curves(found)
    return TrialTable(
        trial_id=np.array(ids),
        config_id=np.array([found.config.config_id]),
        seed=np.array([found.config.seed]),
        phase=np.array(["explore"]),
        ended=np.array([found.ended or ""]),
        outcome=np.array([verdict.outcome]),
        diagnosis=np.array([verdict.evidence]),
        onset_kimg=np.array([np.nan if verdict.onset_kimg is None else verdict.onset_kimg]),
        settings=pd.DataFrame([found.config.flat()], index=ids),
        final=pd.DataFrame([found.history[-1].values], index=ids),
        curves={name: np.array([[np.nan if v is None else v for v in curve]]) for name, curve in curves.items()},
        images=np.array([images]),
        scientific=(),
        nuisance=(),
        directions={name: metric.direction for name, metric in METRICS.items() if metric.direction},
        baselines=found.baselines,
    )
