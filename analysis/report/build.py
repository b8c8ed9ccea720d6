"""The report page: question, answer, evidence, design, outcomes, ranking, samples, curves, caveats, provenance."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from analysis import plots
from analysis.answer import answer
from analysis.explain import Explanation, all_outcomes, explain
from analysis.report import page, sections
from analysis.table import TrialTable, as_table
from analysis.words import listed
from ganstudy import UserError
from ganstudy.files import write_whole


def report(
    table: TrialTable,
    path: str | Path,
    *,
    question: str = "",
    objective: str = "fd",
    explanation: Explanation | None = None,
    design: Mapping[str, str] | None = None,
    images: Mapping[str, bytes] | None = None,
    real: bytes | None = None,
    provenance: Mapping[str, str] | None = None,
    caveats: Sequence[str] = (),
) -> Path:
    """Write the report to `path` atomically and return the path.

    `explanation` defaults to that of the risk of failure, the objective and each kind of failure. `images` maps trial ids to PNGs of their sample grids;
    `real` is a PNG of real data. `design` and `provenance` map names to texts. Raises UserError for an objective without a
    direction and for an unknown trial in `images`.
    """
    as_table(table).direction(objective)
    images = images or {}
    unknown = sorted(set(images) - set(map(str, table.trial_id)))
    if unknown:
        raise UserError(f"images must belong to trials of this table; got {unknown}")
    if explanation is None:
        explanation = explain(table, all_outcomes(table, objective))
    title = question or f"How {listed(list(table.scientific)) or 'the settings'} affect {objective} and the risk of failure"
    head = page.paragraph("GAN study report", kind="kicker") + f"<h1>{escape(title)}</h1>"
    head += f'<div class="answer">{"".join(map(page.paragraph, answer(explanation).splitlines()))}</div>'
    counted = table.where(table.evidence)
    parts = []
    if len(counted):
        parts.append(page.PageSection("Evidence", sections.evidence(explanation, objective)))
    parts.append(page.PageSection("Design", sections.design(table, design or {})))
    parts.append(page.PageSection("Outcomes", sections.outcomes(table, objective)))
    if len(counted):
        parts.append(page.PageSection("Ranking", sections.ranking(counted, objective)))
    shown = sections.samples(table, objective, images, real)
    if shown:
        parts.append(page.PageSection("Samples", shown))
    if objective in table.curves:
        parts.append(page.PageSection("Curves", page.chart(plots.curves(table, objective), name="curves")))
    parts.append(page.PageSection("Caveats", page.bullets([*sections.caveats(table, explanation, objective), *table.notes, *caveats])))
    if provenance:
        parts.append(page.PageSection("Provenance", page.pairs(provenance)))
    return write_whole(Path(path), page.page(title, head, parts))
