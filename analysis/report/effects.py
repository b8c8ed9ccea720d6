"""Sections about how outcomes depend on settings: curves of ranges, interactions, importance."""

from analysis import plots
from analysis.outcomes import RISKS
from analysis.report.claims import probability
from analysis.report.content import Block, Chart, Charts, Section, Table, Text
from analysis.report.findings import Findings
from analysis.words import number, percent, plural

_CURVES = 16
_PAIRS = 4  # interactions for each outcome


def ranges(found: Findings) -> Section | None:
    """The curve of each range, and what each says."""
    if not found.shapes:
        return None
    kept = sorted(found.shapes[:], key=lambda shape: list(dict.fromkeys(each.setting for each in found.shapes)).index(shape.setting))[
        :_CURVES
    ]
    charts = [
        Chart(
            name=f"range-{i}",
            title=f"{shape.setting}: {'risk of failure' if shape.outcome == 'failed' else shape.outcome}"
            + (" (nuisance)" if shape.setting in found.table.nuisance else ""),
            alt=shape.sentence,
            figure=plots.shape(shape, found.table),
        )
        for i, shape in enumerate(kept)
    ]
    note = "Slope and bend of the joint model with a pointwise 95 % band. Dots are configs."
    if len(kept) < len(found.shapes):
        note += f" {len(kept)} of {len(found.shapes)} curves are shown."
    told = [shape.sentence for shape in kept if shape.form != "flat"]
    words = " ".join(told) if told else "No range changes an outcome beyond chance."
    alone = "What is said here holds for each curve alone; what may be claimed stands in the answer."
    return Section("Ranges", [Text(text=words), Charts(charts=charts, alone=False, note=note), Text(text=alone, note=True)])


def pairs(found: Findings) -> Section | None:
    """Cells of the pairs of settings whose interaction is strongest."""
    kept = [
        each
        for outcome in dict.fromkeys(cells.outcome for cells in found.cells)
        for each in [cells for cells in found.cells if cells.outcome == outcome][:_PAIRS]
    ]
    if not kept:
        return None
    charts = [
        Chart(
            name=f"cells-{i}",
            title=f"{cells.rows} × {cells.columns}: {_measured(cells.outcome)} (smallest single-comparison p: {probability(cells.p)})",
            alt=f"{_measured(cells.outcome)} at each combination of {cells.rows} and {cells.columns}: "
            + "; ".join(
                f"{row}, {column}: {percent(cells.value[r, c]) if cells.outcome in RISKS else number(cells.value[r, c])}"
                for r, row in enumerate(cells.row_labels)
                for c, column in enumerate(cells.column_labels)
            ),
            figure=plots.cells(cells, found.table),
        )
        for i, cells in enumerate(kept)
    ]
    left = len(found.cells) - len(kept)
    note = (
        f"Means over configs, darker is worse; n counts configs. Ranges are split at their median. {found.objective} is of runs that did not "
        "fail. Other outcomes are shown where an interaction is claimed."
        + (f" {plural(left, 'more figure')} with a larger p {'is' if left == 1 else 'are'} left out." if left else "")
    )
    return Section("Interactions", [Charts(charts=charts, alone=False, note=note)])


def _measured(outcome: str) -> str:
    """What the cells of an outcome hold."""
    if outcome == "failed":
        return "share of failed runs"
    return f"share of runs with {RISKS[outcome]}" if outcome in RISKS else f"mean {outcome}"


def importance(found: Findings) -> Section | None:
    """How much of the differences between configs each setting explains."""
    blocks: list[Block] = []
    for i, (outcome, frame) in enumerate(found.importances.items()):
        title = "the risk of failure" if outcome == "failed" else outcome
        if frame is None:
            blocks.append(Text(text=f"No importance for {title}: {found.why[f'importance for {outcome}']}."))
            continue
        kept = frame.head(20)
        rows = [
            [
                str(name),
                percent(row["share"]),
                f"{percent(row['low'])} to {percent(row['high'])}",
                probability(row["p"]),
                probability(row["p_family"]),
            ]
            for name, row in kept.iterrows()
        ]
        columns = ["Setting", "Share", "95 % interval", "p alone", "p of all"]
        chart = Chart(
            name=f"importance-{i}",
            title=f"Importance for {title}",
            alt=f"Share of the differences between configs in {title} that each setting explains, with 95 % intervals.",
            figure=plots.importance(kept),
        )
        blocks += [Charts(charts=[chart]), Table(name=f"Importance for {title}", columns=columns, rows=rows, numbers=columns[1:])]
    if any(frame is not None for frame in found.importances.values()):
        note = (
            "The share of the variance between configs that the main effect of a setting explains, less what chance explains, so a setting "
            "without effect has 0 on average, and half of the time less. The evidence holds other settings constant; this does "
            "not. p from permutations of the configs, alone and for all settings at once."
        )
        blocks.append(Text(text=note, note=True))
    return Section("Importance", blocks) if blocks else None
