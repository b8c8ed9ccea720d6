"""Sections about the claims: their forest, their table, and each setting's levels side by side."""

from collections.abc import Sequence

import numpy as np

from analysis import plots
from analysis.claim import Claim, Evidence
from analysis.model.multiplicity import ERROR
from analysis.model.outcomes import survivors
from analysis.outcomes import RISKS, WIN
from analysis.report.content import Block, Chart, Charts, Section, Table, Text
from analysis.report.findings import Findings
from analysis.table import TrialTable
from analysis.words import listed, plural

_NOTABLE = 0.05  # p of a bend or an interaction that the table lists although it is not claimed
_FOREST = 24  # rows of a forest plot
_PLOT = 210  # least width of a forest beside its labels, in pixels
_LEVELS = 32  # rows of a figure by setting
_COLUMNS = ("Setting", "Compared", "Outcome", "Effect", "95 % alone", "p alone", "95 % of all", "p of all", "Trials (configs)")
_SOURCES: dict[Evidence, str] = {
    "ablated": "ablated (one setting changed at a time)",
    "confirmed": "confirmed (repeated with new seeds)",
    "designed": "designed (trials of a randomised design)",
    "observed": "observed (trials that were not randomised)",
}
_NOTE = (
    "Bold rows are claimed; they come first. In at most one of twenty studies in which no setting has an effect, anything is claimed: “of all” "
    f"holds for all rows at once, “alone” for one row. The limit for p of all is {ERROR:.2f}, not 0.05: the rest is a "
    "margin for what permutations do not cover. Effects on a risk are differences in percentage points; those marked × are ratios of "
    "geometric means over trials that completed their budget and did not fail; “win” is the share of other runs that a run beats, "
    "failed runs counted last. A range is compared between its highest and its lowest third. Effects are adjusted for the claims beside them and for "
    "nuisance settings that matter, so plain counts can differ, even in sign. Bends of ranges and interactions are listed if they are claimed or p alone is below .05. Seeds are nested "
    "in configs. If the trials do not belong to a randomised design, effects are associations, and none is claimed."
)


def evidence(found: Findings) -> Section:
    """The effects as figures and as a table."""
    claims = [c for c in found.explanation if c.kind in ("levels", "trend") or c.claimed or c.p < _NOTABLE]
    if not claims:
        return Section("Evidence", [Text(text="No setting could be compared, so there is no effect to show.")])
    thick = "Thick: the 95 % interval of each effect alone. Thin: of all effects at once. Filled: claimed."
    blocks: list[Block] = [Charts(charts=_forests(claims, found.objective), note=thick)]
    sources = listed([_SOURCES[kind] for kind in dict.fromkeys(claim.evidence for claim in claims)])
    blocks.append(Text(text=f"Evidence: {sources}.", note=True))
    main = [c for c in claims if c.claimed or (c.role == "scientific" and c.outcome in ("failed", found.objective))]
    others = [c for c in claims if c not in main]
    blocks += [_table(main)] if main else []
    if others:
        blocks.append(_table(others, folded=f"{plural(len(others), 'other comparison')}: none is claimed"))
    blocks.append(Text(text=_NOTE, note=True))
    return Section("Evidence", blocks)


def _table(claims: Sequence[Claim], *, folded: str = "") -> Table:
    marks = ["strong" if claim.claimed else "weak" for claim in claims]
    rows = [_row(claim) for claim in claims]
    return Table(name=folded or "Comparisons", columns=_COLUMNS, rows=rows, numbers=_COLUMNS[3:9], marks=marks, folded=folded)


def _row(claim: Claim) -> list[str]:
    return [
        claim.setting + (" (nuisance)" if claim.role == "nuisance" else ""),
        claim.compared,
        RISKS.get(claim.outcome, claim.outcome),
        claim.shown(claim.effect),
        claim.interval(family=False),
        probability(claim.p),
        claim.interval(family=True) if np.isfinite(claim.family_p) else "–",
        probability(claim.family_p),
        _trials(claim),
    ]


def _trials(claim: Claim) -> str:
    """The trials on both sides; their configs too if there are fewer."""
    sides = claim.n_with, claim.n_without
    trials, configs = (" + ".join(map(str, counts)) for counts in ([side.trials for side in sides], [side.configs for side in sides]))
    return trials if trials == configs else f"{trials} ({configs})"


def _forests(claims: Sequence[Claim], objective: str) -> list[Chart]:
    """A figure for each scale: risks in points, each metric, and the share of runs beaten. Kinds of failure are shown if they are claimed."""
    shown = [c for c in claims if c.role == "scientific" and (c.claimed or c.outcome in ("failed", objective, WIN))]
    panels: dict[tuple[str, str], list[Claim]] = {}
    for claim in shown:
        title = "Risk" if claim.outcome in RISKS else "Share of runs beaten, failed runs last" if claim.outcome == WIN else claim.outcome
        key = title + (", ratio" if claim.scale == "log" else ""), "risk" if claim.outcome in RISKS else claim.outcome
        panels.setdefault(key, []).append(claim)
    charts = []
    for (title, name), mine in sorted(panels.items(), key=lambda item: (item[0][1] != "risk", item[0][1] == WIN)):
        kept = mine[:_FOREST]
        left = f"; the first {len(kept)} of {len(mine)}, the others are in the table" if len(kept) < len(mine) else ""
        claimed = sum(claim.claimed for claim in mine)
        charts.append(
            Chart(
                name=f"forest-{name.replace('/', '-')}",
                title=f"{title}: effects, {'less' if kept[0].direction.sign > 0 else 'more'} is better{left}",
                alt=f"Forest plot of {plural(len(kept), 'effect')} on {title.lower()}; {claimed} claimed. The numbers are in the table below.",
                figure=(figure := plots.forest(kept, names=name == "risk")),
                width=figure.layout.margin.l + _PLOT,
            )
        )
    return charts


def by_setting(found: Findings) -> Section | None:
    """The risk and the objective at each level of each setting, with the same levels in both figures."""
    table = (
        found.explanation.table
    )  # without trials whose settings a search or a confirmation chose by results, if others were drawn at random
    names, left = _fitting(table)
    if not names:
        return None
    charts = []
    if not table.censored.all():
        charts.append(
            Chart(
                name="risk",
                title=f"Risk of failure, with 95 % intervals{left}",
                alt="Share of failed runs at each level of each setting, with 95 % intervals.",
                figure=plots.risk_by_setting(table, names),
            )
        )
    ended = np.isfinite(table.at_end(found.objective))
    if ended.any():
        counted = np.isfinite(survivors(table, found.objective))
        without = "; means are of runs that did not fail" if (ended & ~counted).any() else ""
        charts.append(
            Chart(
                name="objective",
                title=f"{found.objective} of runs that completed their budget{without}{left}",
                alt=f"Final {found.objective} of every run at each level of each setting, with the mean over configs of runs that did not fail and its 95 % interval.",
                figure=plots.metric_by_setting(table, found.objective, names),
            )
        )
    return Section("Risk by setting", [Charts(charts=charts)]) if charts else None


def _fitting(table: TrialTable) -> tuple[list[str], str]:
    """The settings whose levels fit into one figure, scientific ones first, and a note on those left out."""
    names: list[str] = []
    varied = list(dict.fromkeys(name for name, _ in plots.setting_rows(table)))
    for name in varied:
        if len(plots.setting_rows(table, [*names, name])) <= _LEVELS:
            names.append(name)
    left = len(varied) - len(names)
    return names, f"; {plural(left, 'more setting')} not shown" if left else ""


def probability(p: float) -> str:
    """A p value as text."""
    return "–" if not np.isfinite(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"
