"""`warm_start`: finished trials of other studies, from which the sampler of a study learns before its own."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from analysis.words import listed, plural
from ganstudy import UserError
from study.engine.earlier import earlier_of
from study.spec.enqueue import values_of
from study.spec.errors import SpecError
from study.spec.study_spec import StudySpec
from study.store.local_copy import opened
from study.store.records import Earlier, TrialRecord
from study.store.store import Store
from trainables.config import UNIDENTIFIED, TrialConfig


def take(spec: StudySpec, protocol: Mapping[str, Any]) -> tuple[tuple[Earlier, ...], list[str]]:
    """Return the trials of the folders of `warm_start` that this study could have proposed, and for each folder a sentence on what was taken.

    A setting that only this study varies is at its value in the other one; trials with a value outside this space are left out, as are those with
    another budget. protocol: the evaluation protocol of this study. Raises UserError for a folder without a study.
    """
    taken: list[Earlier] = []
    sentences = []
    for folder in spec.warm_start:
        store = Store(opened(folder))
        if store.study is None:
            raise UserError(f"warm_start must name folders of studies; {folder} has no records of one. Remove it, or correct its path")
        found, left = _taken(store, folder, spec, protocol)
        taken += found
        failed = sum(not each.results for each in found)
        sentences.append(
            f"warm start: {len(found)} of the {plural(len(store.trials), 'trial')} of {folder} taken"
            + (f", {failed} of them failed" if failed else "")
            + (f"; left out: {listed([f'{n} {why}' for why, n in left.most_common()])}" if left else "")
        )
    return tuple(taken), sentences


def _taken(store: Store, folder: str, spec: StudySpec, protocol: Mapping[str, Any]) -> tuple[list[Earlier], Counter[str]]:
    assert store.study
    if changed := [key for key, value in protocol.items() if store.study.protocol.get(key) != value]:
        return [], Counter({f"by another evaluation protocol ({listed(changed)} differ)": len(store.trials)})
    found: list[Earlier] = []
    left: Counter[str] = Counter()
    for record in store.trials.values():
        known = _fitting(record, folder, spec, max_failures=store.study.spec["max_failures"])
        if isinstance(known, str):
            left[known] += 1
        else:
            found.append(known)
    return found, left


def _fitting(record: TrialRecord, folder: str, spec: StudySpec, *, max_failures: int) -> Earlier | str:
    """Return a trial as one of this study's space, or why it is none."""
    if record.closed is None or record.needs_run(max_failures):
        return "unfinished"
    try:
        theirs = TrialConfig.from_flat(record.flat).flat()
        values = values_of(theirs, spec.space, spec.base)
    except SpecError:
        return "outside the space"
    except UserError:
        return "with settings that are unknown here"
    ours = spec.config(values).flat()
    if others := sorted(name for name in ours.keys() | theirs.keys() if name not in UNIDENTIFIED and ours.get(name) != theirs.get(name)):
        return f"with another {listed(others)}"
    known = earlier_of(record.changed(variants={}, flat=values), spec, None, name=folder)
    return known or f"stopped early, or without {spec.objective.metric}"
