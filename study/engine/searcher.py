"""Gives trials to Ray Tune: first the unfinished trials of the Store, then the proposals of the study's phases.

Tune calls `suggest` for a new trial. Results come from the Recorder, because Tune's searcher callbacks omit the value at which a trial is
stopped and all results of an interrupted trial.
"""

import logging
from collections import deque
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.search import Searcher

from ganstudy.checksums import SUMS
from ganstudy.units import to_kimg
from study.engine.sequence import Sequence
from study.spec.space import Proposal
from study.spec.study_spec import StudySpec
from study.store.layout import Layout
from study.store.local_copy import bring
from study.store.records import Ended, Measurement, TrialRecord
from study.store.store import Store
from trainables.config import TrialConfig
from trainables.trial import STATE, state_damage

log = logging.getLogger(__name__)


class Search(Searcher):
    """A Tune searcher over the proposals of a study's phases."""

    def __init__(
        self,
        spec: StudySpec,
        store: Store,
        *,
        time_is_up: Callable[[], bool] = lambda: False,
        avoided: Callable[[], list[str]] = list,
        only: Collection[str] | None = None,
    ):
        """time_is_up: whether to start no more trials. avoided: returns Ray's ids of the nodes to avoid. only: unfinished trials; others are not started."""
        super().__init__()
        self.avoided = avoided
        self.only = only
        self.time_is_up = time_is_up
        self.spec, self.store = spec, store
        self.proposals = Sequence(spec, store)
        self.running: set[str] = set()  # by Tune's trial id
        self.waiting: deque[str] = deque()
        self.failed: deque[str] = deque()  # tried again after all others, so that a fault of the machine meets several configs soon
        self.waiting.extend(record.trial_id for record in to_run(spec, store) if only is None or record.trial_id in only)

    # Called by Tune ------------------------------------------------------------------------------

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        if self.time_is_up():
            return Searcher.FINISHED  # type: ignore[return-value]
        if not self.waiting and self.only is None and (proposal := self.proposals.next()):
            self.waiting.append(self._open(proposal))
        if not self.waiting and self.failed and self.only is None:
            self.waiting.append(self.failed.popleft())
        if not self.waiting:
            return None if self.running else Searcher.FINISHED  # type: ignore[return-value]  # a running trial may fail and be retried
        self.running.add(trial_id)
        record = self.store.trials[self.waiting.popleft()]
        return {"trial_id": record.trial_id, "flat": dict(record.flat), "checkpoint": self._checkpoint(record), "avoided": self.avoided()}

    def _checkpoint(self, record: TrialRecord) -> tune.Checkpoint | None:
        """Return the checkpoint that a trial goes on from, for its worker."""
        folder = newest(record, self.store.folder)
        return tune.Checkpoint(*self.store.checkpoints.where(Path(folder))) if folder else None

    def _open(self, proposal: Proposal) -> str:
        """Record a new trial. Returns its id."""
        trial_id = TrialConfig.from_flat(proposal.flat).trial_id
        named = {"variants": proposal.variants} if proposal.variants else {}
        self.store.write(trial_id, opened={"phase": self.proposals.phase, "flat": proposal.flat, **named})
        self.proposals.opened(trial_id)
        return trial_id

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        self.running.discard(trial_id)

    # Called by the Recorder ----------------------------------------------------------------------

    def measured(self, trial_id: str, measurement: Measurement) -> None:
        self.proposals.measured(trial_id, measurement)

    def closed(self, record: TrialRecord) -> None:
        assert record.closed
        if record.closed.ended is Ended.ERROR and record.needs_run(self.spec.max_failures):
            self.failed.append(record.trial_id)
        else:
            self.proposals.closed(record)

    # Not used: the Store replaces Tune's own state ----------------------------------------------

    def save(self, checkpoint_path: str) -> None: ...

    def restore(self, checkpoint_path: str) -> None: ...


def to_run(spec: StudySpec, store: Store) -> list[TrialRecord]:
    """Return the recorded trials to run or rerun."""
    return [record for record in store.trials.values() if record.needs_run(spec.max_failures)]


def unfinished(spec: StudySpec, store: Store) -> bool:
    """Whether there are trials left to run."""
    if to_run(spec, store):
        return True
    if not spec.is_open_ended:
        return len(store.trials) < spec.n_trials
    return Sequence(spec, store).next() is not None


def newest(record: TrialRecord, folder: Path) -> str | None:
    """Return the folder of the newest undamaged checkpoint, or None. Warns of newer ones that are damaged. A local copy fetches those that it lacks."""
    layout, damaged = Layout(folder.absolute()), False
    for saved in reversed(record.saved):
        checkpoint = layout.checkpoint(saved)
        bring(layout.folder, checkpoint / STATE, checkpoint / SUMS)
        problem = state_damage(checkpoint)
        if not problem:
            if damaged:
                log.warning("%s goes on from %g kimg instead", record.trial_id, to_kimg(saved.images))
            return str(checkpoint)
        if saved is record.saved[-1] or (checkpoint / STATE).exists():  # the state of old checkpoints is deleted
            damaged = True
            log.warning("%s cannot be resumed from: %s", checkpoint / STATE, problem)
    if damaged:
        log.warning("%s starts again, because it has no other checkpoint", record.trial_id)
    return None
