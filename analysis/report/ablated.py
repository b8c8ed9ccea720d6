"""The section about phase ablate."""

from math import isfinite

from analysis.report.content import Bullets, Section, Table, Text
from analysis.report.findings import Findings
from analysis.words import aligned, value_text


def section(found: Findings) -> Section | None:
    """Each ablation in a row, and those that differ in words."""
    if not found.ablations:
        return None
    log = found.ablations[0].scale == "log"
    columns = [
        "Config",
        "Setting",
        "Value",
        "Default",
        f"{found.objective}, default / config" if log else f"{found.objective}, default − config",
    ]
    columns += ["95 % interval", "Pairs", "Failed", "Failed at the default"]
    rows = [
        [
            each.config_id,
            each.setting,
            value_text(each.value),
            value_text(each.default),
            aligned(each.effect),
            f"{aligned(each.low)} to {aligned(each.high)}" if each.low == each.low and not each.untold else "–",
            str(each.pairs),
            f"{each.failed} of {each.runs}",
            f"{each.default_failed} of {each.default_runs}",
        ]
        for each in found.ablations
    ]
    told = [f"{each.config_id}: {each.sentence}." for each in found.ablations if each.differs]
    note = (
        "A confirmed config beside itself with one setting back at its default, on the same seeds; other settings are not tuned again. The intervals are of one "
        "comparison each; what is said in words holds for all ablations together (Holm's test at 5 %). Runs that failed are counted, not averaged."
    )
    return Section(
        "Ablations",
        [
            Bullets(items=told) if told else Text(text=_nothing(found)),
            Table(
                name="Ablations of the confirmed configs",
                columns=columns,
                rows=rows,
                numbers=columns[4:],
                marks=["strong" if each.differs else "" for each in found.ablations],
            ),
            Text(text=note, note=True),
        ],
    )


def _nothing(found: Findings) -> str:
    """Return what is said if no ablation differs beyond chance."""
    tested = sum(isfinite(each.p) for each in found.ablations)
    if not tested:
        return f"No ablation could be tested in {found.objective}, which needs two pairs of runs that did not fail and differ by unequal amounts."
    return (
        f"No ablation makes a difference in {found.objective} beyond chance; {tested} of {len(found.ablations)} could be tested. "
        "Differences in failures are counted below and not tested."
    )
