"""`warm_start`: finished trials of other studies, from which the sampler of a study learns before its own."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from analysis.words import listed, plural
from ganstudy import UserError
from study.engine.earlier import earlier_of, results_of
from study.spec.enqueue import values_of
from study.spec.errors import SpecError
from study.spec.study_spec import StudySpec
from study.store.local_copy import opened
from study.store.records import Earlier, Ended, TrialRecord
from study.store.store import Store
from trainables.config import UNIDENTIFIED, TrialConfig


def take(spec: StudySpec, protocol: Mapping[str, Any]) -> tuple[tuple[Earlier, ...], list[str]]:
    """Return the configs of the folders of `warm_start` that this study could have proposed, and for each folder a sentence on the trials taken.

    A setting that only this study varies is at its value in the other one; trials with a value outside this space are left out, as are those with
    another budget. protocol: the evaluation protocol of this study. Raises UserError for a folder without a study.
    """
    taken: list[Earlier] = []
    sentences = []
    for folder in spec.warm_start:
        store = Store(opened(folder))
        if store.study is None:
            raise UserError(f"warm_start must name folders of studies; {folder} has no records of one. Remove it, or correct its path")
        fitting, left = _fitting(store, spec, protocol)
        judge = replace(store.study, spec=spec.as_dict())
        found = [earlier_of(records, spec, judge, values=values, name=folder) for records, values in fitting]
        taken += [each for each in found if each]
        trials = [record for records, _ in fitting for record in records]
        failed = sum(not results_of(record, spec) for record in trials)
        sentences.append(
            f"warm start: {len(trials)} of the {plural(len(store.trials), 'trial')} of {folder} taken"
            + (f", {failed} of them failed" if failed else "")
            + (f"; left out: {listed([f'{n} {why}' for why, n in left.most_common()])}" if left else "")
        )
    return tuple(taken), sentences


def _fitting(
    store: Store, spec: StudySpec, protocol: Mapping[str, Any]
) -> tuple[list[tuple[list[TrialRecord], dict[str, Any]]], Counter[str]]:
    """Return the trials of each config that can be taken, with its values in this space, and how many are left out and why."""
    assert store.study
    if changed := [key for key, value in protocol.items() if store.study.protocol.get(key) != value]:
        return [], Counter({f"by another evaluation protocol ({listed(changed)} differ)": len(store.trials)})
    found: dict[str, tuple[list[TrialRecord], dict[str, Any]]] = {}
    left: Counter[str] = Counter()
    for record in store.trials.values():
        values = _values(record, spec, max_failures=store.study.spec["max_failures"])
        if isinstance(values, str):
            left[values] += 1
        else:
            found.setdefault(record.config_id, ([], values))[0].append(record)
    return list(found.values()), left


def _values(record: TrialRecord, spec: StudySpec, *, max_failures: int) -> dict[str, Any] | str:
    """Return the values of a trial in the space of this study, or why it cannot be taken."""
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
    if record.closed.ended in (Ended.BUDGET, Ended.SCHEDULER) and not results_of(record, spec):
        return f"stopped early, or without {spec.objective.metric}"
    return values
