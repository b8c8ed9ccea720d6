"""How the spec of a study changed from launch to launch."""

from collections.abc import Sequence
from itertools import pairwise

from ganstudy.written import differing
from study.store.records import StudyRecord


def changes_of(studies: Sequence[StudyRecord]) -> list[str]:
    """Return a line for each launch whose spec differs from the one before: when, and what changed. studies: one record per launch."""
    lines = []
    for before, after in pairwise(studies):
        if changed := differing(before.spec, after.spec, was="before", now="from then on"):
            lines.append(f"changed {after.provenance.get('started', 'later')}: {'; '.join(changed)}")
    return lines


def smaller_space(studies: Sequence[StudyRecord], launch: int) -> str:
    """Return how the space in which a launch proposed its trials differs from that of the newest one; "" if it does not."""
    return "; ".join(differing(studies[launch].spec["space"], studies[-1].spec["space"], was="then"))
