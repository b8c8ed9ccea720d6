"""curves.html: one run as a page that fetches nothing: what it came to, its samples over time, and its curves beside real data."""

from collections.abc import Mapping
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd

from analysis import Diagnosis, TrialTable, plots
from analysis.metrics import METRICS
from analysis.outcomes import OUTCOMES
from analysis.report import page
from analysis.words import aligned
from study.present import HEADLINE
from study.train import CURVES, SAMPLES, Trained
from study.verdict import curves_of

SIGNALS = ("d/adv", "g/adv", "d/real_logit", "d/fake_logit", "d/real_accuracy", "d/fake_accuracy", "d/grad_norm", "g/grad_norm")
GRIDS = 6  # sample grids, evenly spaced over the run


def write_page(found: Trained, verdict: Diagnosis, classes: Mapping[str, Mapping[str, float]], out: Path) -> None:
    """classes: of a conditional run, how well each class is made when asked for."""
    config, table = found.config, table_of(found, verdict)
    title = f"{config.arch} with {config.loss} on {config.data.name}"
    head = page.paragraph("GAN run", kind="kicker") + f"<h1>{escape(title)}</h1>"
    outcome = f"{OUTCOMES[verdict.outcome].label}: {verdict.evidence}" + (f" ({found.reason})" if found.reason else "")
    head += f'<div class="answer">{page.paragraph(outcome)}</div>'
    _, values = found.ticks[-1]
    rows = [[name, aligned(values[name]), aligned(floor)] for name, floor in found.floors.items() if name in values]
    shown = [name for name in (*HEADLINE, *SIGNALS) if name in table.curves]
    measures = list(dict.fromkeys(name for of in classes.values() for name in of))
    by_class = [[asked, *(aligned(of.get(name, np.nan)) for name in measures)] for asked, of in classes.items()]
    sections = [
        page.Section("Measured", page.grid(["Metric", "At the end", "Real data"], rows, numbers=["At the end", "Real data"])),
        *([page.Section("Classes", page.grid(["Asked for", *measures], by_class, numbers=measures))] if classes else []),
        page.Section("Samples", grids(out)),
        page.Section("Curves", "".join(page.chart(plots.curves(table, name), name=str(i)) for i, name in enumerate(shown))),
        page.Section("Settings", page.pairs({name: str(value) for name, value in config.flat().items() if value is not None})),
        page.Section("Ruler", page.pairs({name: str(value) for name, value in found.judge.ruler.as_dict().items()})),
    ]
    (out / CURVES).write_text(page.page(title, head, sections), encoding="utf-8")


def grids(out: Path) -> str:
    files = sorted(out.joinpath(SAMPLES).glob("[0-9]*.png"))
    chosen = [files[i] for i in sorted(set(np.linspace(0, len(files) - 1, GRIDS).round().astype(int)))]
    cards = [page.picture((out / SAMPLES / "real.png").read_bytes(), heading="Real data", text="what the generator is meant to imitate")]
    cards += [page.picture(file.read_bytes(), heading=f"{int(file.stem) / 1000:g} kimg", text="from the same latents") for file in chosen]
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
        baselines=found.floors,
    )
