"""The report of a study: HTML, Markdown or JSON, all from the same findings."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from analysis.explain import Explanation
from analysis.report import ablated, claims, configs, effects, pictures, runs, stopped
from analysis.report.content import Bullets, Document, Section, pairs
from analysis.report.data import data
from analysis.report.expected_best import expected_best
from analysis.report.findings import Findings, findings
from analysis.report.markdown import markdown
from analysis.report.page import page
from analysis.table import TrialTable, as_table
from ganstudy import UserError
from ganstudy.files import write_whole
from ganstudy.limits import Limit

_FORMATS: Mapping[str, Callable[[Findings], str]] = {
    ".html": lambda found: page(document(found)),
    ".md": lambda found: markdown(document(found)),
    ".json": lambda found: json.dumps(data(found), indent=1, ensure_ascii=False, allow_nan=False) + "\n",
}


def report(
    table: TrialTable,
    path: str | Path,
    *,
    question: str = "",
    objective: str | Sequence[str] = "fd",
    limits: Sequence[Limit] = (),
    explanation: Explanation | None = None,
    design: Mapping[str, str] | None = None,
    images: Mapping[str, bytes] | None = None,
    real: bytes | None = None,
    provenance: Mapping[str, str] | None = None,
    caveats: Sequence[str] = (),
    defaults: Mapping[str, object] | None = None,
    recipes: Mapping[str, str] | None = None,
) -> Path:
    """Write the report to `path` atomically and return the path. Its suffix chooses the format: .html, .md or .json (docs/report.md).

    `objective`: the metric that ranks, or several, the main one first: the report is about that one and shows the front of all. `limits` are
    constraints, which say what is recommended. `explanation` defaults to that of the risk of failure, the objective and each kind of failure.
    `images` maps trial ids to PNGs of their sample grids, from the same latents; only the values that are shown are read. `real` is a PNG
    of real data. `design` and `provenance` map names to texts.
    `defaults` holds the default of each setting that varies, of variants the first one; the top configs are compared with these. `recipes` maps trial ids to the YAML that
    runs their config again. Raises UserError for another suffix, for an objective without a direction and for an unknown trial in `images`
    or `recipes`.
    """
    path = Path(path)
    objectives = [objective] if isinstance(objective, str) else list(objective)
    for each in objectives:
        as_table(table).direction(each)
    if path.suffix not in _FORMATS:
        raise UserError(f"a report must be a file that ends in {', '.join(_FORMATS)}; got {path.name!r}")
    for name, given in (("images", images), ("recipes", recipes)):
        unknown = sorted(set(given or ()) - set(map(str, table.trial_id)))
        if unknown:
            raise UserError(f"{name} must belong to trials of this table; got {unknown}")
    found = findings(
        table, objectives=objectives, limits=limits, question=question, explanation=explanation, given_design=design, given_caveats=caveats,
        provenance=provenance, defaults=defaults, recipes=recipes, images=images, real=real,
    )  # fmt: skip
    return write_whole(path, _FORMATS[path.suffix](found))


def document(found: Findings) -> Document:
    """Return the sections in their order. Sections without content are left out."""
    some, several = len(found.counted) > 0, len(found.objectives) > 1
    parts: list[Section | None] = [
        claims.evidence(found) if some else None,
        claims.by_setting(found),
        effects.ranges(found),
        effects.pairs(found),
        effects.importance(found) if some else None,
        runs.outcomes(found),
        configs.trade_off(found) if some and several else None,
        configs.ranking(found) if some else None,
        configs.cards(found),
        ablated.section(found),
        expected_best(found) if some else None,
        configs.trade_off(found) if some and not several else None,
        pictures.samples(found),
        runs.training(found),
        runs.coordinates(found),
        stopped.early(found),
        runs.spent(found),
        Section("Design", [pairs("Design", found.design)]),
        Section("Caveats", [Bullets(items=found.caveats)]) if found.caveats else None,
        Section("Provenance", [pairs("Provenance", found.provenance)]) if found.provenance else None,
    ]
    return Document(sort="GAN study report", title=found.question, answer=found.answer, sections=[part for part in parts if part])
