"""Sample grids: of the best runs, of each kind of failure, and of real data; and which run stands for others."""

import numpy as np
import pandas as pd

from analysis.outcomes import FAILURES, OUTCOMES
from analysis.report.content import Block, Gallery, Heading, Picture, Section, Text
from analysis.report.findings import Findings
from analysis.table import TrialTable
from analysis.words import number

_BEST, _PER_FAILURE = 7, 2  # sample grids that are shown


def samples(found: Findings) -> Section | None:
    """The best runs, whatever their outcome, and runs of each kind of failure, next to real data."""
    table, sign = found.table, found.table.direction(found.objective).sign
    pictured = np.isin(table.trial_id, list(found.images))
    values = table.final[found.objective].to_numpy(dtype=np.float64, na_value=np.nan) if found.objective in table.final else np.empty(0)
    usable = pictured & np.isfinite(values) & ~table.dead if len(values) else pictured & False
    best = [int(i) for i in np.argsort(sign * values, kind="stable") if usable[i]][:_BEST]
    failed = [
        int(i) for name in FAILURES for i in [i for i in np.flatnonzero((table.outcome == name) & pictured) if i not in best][:_PER_FAILURE]
    ]
    real = [Picture(heading="Real data", text="what the generator should imitate", alt="Real data", png=found.real)] if found.real else []
    blocks: list[Block] = []
    if best:
        blocks += [Heading(text=f"Best runs by {found.objective}, whatever their outcome")]
        blocks += [Gallery(pictures=[*real, *(picture(found, str(table.trial_id[i])) for i in best)])]
    if failed:
        blocks += [Heading(text="Failed runs, up to two of each kind")]
        blocks += [Gallery(pictures=[*real, *(picture(found, str(table.trial_id[i])) for i in failed)])]
    if not blocks:
        return Section("Samples", [Gallery(pictures=real)]) if real else None
    note = "Samples at the last tick, all from the same latents. The best runs overstate what to expect, because they are the best of many."
    return Section("Samples", [*blocks, Text(text=note, note=True)])


def picture(found: Findings, trial: str) -> Picture:
    """The sample grid of a trial with its outcome, objective and settings."""
    table = found.table
    i = int(np.flatnonzero(table.trial_id == trial)[0])
    last = table.final[found.objective].iloc[i]
    outcome = OUTCOMES[str(table.outcome[i])]
    diagnosis = f"{outcome.label}: {table.diagnosis[i]}" if outcome.failure else outcome.label
    measured = f"last {found.objective} {number(float(last)) if pd.notna(last) else '–'}"
    text = "; ".join(filter(None, [diagnosis, measured, found.described(dict(table.settings.iloc[i])), f"seed {table.seed[i]}"]))
    return Picture(heading=trial, text=text, alt=f"Samples of {trial}, {outcome.label}, {measured}", png=found.images[trial])


def representative(table: TrialTable, objective: str) -> str:
    """The trial with the median of the objective, the better one of two; the first if none has a value."""
    values = table.direction(objective).sign * table.at_end(objective)
    order = np.argsort(values, kind="stable")
    n = int(np.isfinite(values).sum())
    return str(table.trial_id[order[(n - 1) // 2]] if n else table.trial_id[0])
