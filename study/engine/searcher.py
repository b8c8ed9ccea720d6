"""Hands trials to Tune: first those that the Store holds unfinished, then new proposals.

Tune's own notifications leave out the value at which a trial is stopped, and everything about a trial that is cut off. So the
Recorder, which hears all, tells this searcher; from Tune it only takes the requests.
"""

from collections import deque
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

from ray.tune.search import Searcher

from study.engine.samplers import Adaptive, Designed
from study.spec.space import Proposal
from study.spec.study_spec import StudySpec
from study.store.layout import Layout
from study.store.records import Ended, Measurement, TrialRecord
from study.store.store import Store
from trainables.config import TrialConfig
from trainables.trial import STATE


class Search(Searcher):
    def __init__(self, spec: StudySpec, store: Store):
        super().__init__()
        self.spec, self.store = spec, store
        self.proposals: Designed | Adaptive = Designed(spec) if spec.goal == "explain" else Adaptive(spec)
        self.running: set[str] = set()  # by Tune's trial id
        self.waiting: deque[str] = deque()
        again = {record.trial_id for record in to_run(spec, store)}
        for record in store.trials.values():
            self.proposals.adopt(record)
            if record.trial_id in again:
                self.waiting.append(record.trial_id)
            elif record.closed:
                self.proposals.closed(record)

    # Tune asks -----------------------------------------------------------------------------------

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        if not self.waiting and (asked := self.proposals.next(self.store.trials)):
            self.waiting.append(self.open(asked))
        if not self.waiting:
            return None if self.running else Searcher.FINISHED  # type: ignore[return-value]  # Tune's own word one that runs may fail and come back
        self.running.add(trial_id)
        record = self.store.trials[self.waiting.popleft()]
        return {"trial_id": record.trial_id, "flat": dict(record.flat), "checkpoint": newest(record, self.store.folder)}

    def open(self, asked: Proposal) -> str:
        trial_id = TrialConfig.from_flat(asked.flat).trial_id
        named = {"variants": asked.variants} if asked.variants else {}
        self.store.write(trial_id, opened={"phase": self.spec.phase, "flat": asked.flat, **named})
        if isinstance(self.proposals, Adaptive):
            self.proposals.opened(trial_id)
        return trial_id

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        self.running.discard(trial_id)

    # The Recorder tells --------------------------------------------------------------------------

    def measured(self, trial_id: str, measurement: Measurement) -> None:
        self.proposals.measured(trial_id, measurement)

    def closed(self, record: TrialRecord) -> None:
        assert record.closed
        if record.closed.ended is Ended.ERROR and record.needs_run(self.spec.max_failures):
            self.waiting.append(record.trial_id)
        else:
            self.proposals.closed(record)

    # Tune's own state is disposable --------------------------------------------------------------

    def save(self, checkpoint_path: str) -> None: ...

    def restore(self, checkpoint_path: str) -> None: ...


def to_run(spec: StudySpec, store: Store) -> list[TrialRecord]:
    """The known trials that are to run (again). One that a shortened design left out stays as it is."""
    waiting = [record for record in store.trials.values() if record.needs_run(spec.max_failures)]
    if spec.goal != "explain" or not waiting:
        return waiting
    seeds = {asked.flat["seed"] for asked in spec.designed()}  # each trial of a design has its own
    return [record for record in waiting if record.flat["seed"] in seeds]


def newest(record: TrialRecord, folder: Path) -> str | None:
    """The newest checkpoint that is there and whole: a torn torch file has lost the directory at its end."""
    paths = (Layout(folder.absolute()).checkpoint(saved) for saved in reversed(record.saved))
    return next((str(path) for path in paths if is_zipfile(path / STATE)), None)
