"""Sends what a driver writes to the object store, in a thread beside it: segments of the records, files, and deletions.

Every few seconds all new lines go up as one segment. While the store does not answer, they wait in the local copy. A deletion is carried out
only when all lines are up that were written before it: what the records in the store name is there.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ganstudy import UserError
from ganstudy.command import command
from study.store.layout import Layout, shown
from study.store.object_lock import STOP, Lost, ObjectLock
from study.store.objects import StoreError
from study.store.segments import Segment, confirm, in_copy, key_of

log = logging.getLogger(__name__)

_EVERY_S = 2.0  # between two rounds: the driver's machine may take the lines of so many seconds with it when it dies
_END_S = 120.0  # how long the end of a driver waits for a store that does not answer
_PAUSE_S = 1.0  # before a failed request is repeated


@dataclass(frozen=True, kw_only=True)
class _Job:
    """Work for the thread, to be done when the records up to a byte are in the store."""

    after: int
    do: Callable[[], None]


@dataclass
class Sending:
    """The thread's side of a Store. `problem` is why the driver must stop: it has lost the study, or this code has a bug."""

    folder: Path
    lock: ObjectLock
    problem: Exception | None = None
    _written: int = 0  # bytes of whole lines in the local copy
    _jobs: deque[_Job] = field(default_factory=deque)
    _ending: threading.Event = field(default_factory=threading.Event)
    _away: StoreError | None = None  # what the store last failed with

    def __post_init__(self) -> None:
        self.layout, self.objects = Layout(self.folder), self.lock.objects
        self._written = self.layout.records.stat().st_size
        known = in_copy(self.layout)
        self._sent = known[-1].end if known else 0

    # In the driver's thread ------------------------------------------------------------------------

    def check(self) -> None:
        """Raise the problem, if there is one."""
        if self.problem:
            raise self.problem

    def appended(self, size: int) -> None:
        """Note that the records have so many bytes now, all of them whole lines on disk."""
        self._written = size

    def send(self, key: str, data: bytes) -> None:
        """Send a file soon, in place of one that is there."""
        self._jobs.append(_Job(after=0, do=lambda: self.objects.put(key, data)))

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects once all lines so far are in the store."""
        self._jobs.append(_Job(after=self._written, do=lambda: self.objects.delete(keys)))

    def patiently(self, get: Callable[[], bytes], *, limit_s: float = _END_S) -> bytes:
        """Return what a request returns; repeat it for a while if the store does not answer. Raises StoreError after limit_s."""
        end = time.monotonic() + limit_s
        while True:
            try:
                return get()
            except StoreError:
                self.check()
                if time.monotonic() > end:
                    raise
                time.sleep(_PAUSE_S)

    # In the thread ---------------------------------------------------------------------------------

    def run(self) -> None:
        """Send until the driver ends, and everything then."""
        end = None
        while self.problem is None:
            ending = self._ending.wait(_EVERY_S if self._away is None else _PAUSE_S)
            if ending and end is None:
                end = time.monotonic() + _END_S
            try:
                self._round()
                self._answers()
                if ending and self._sent == self._written and not self._jobs:
                    return
            except StoreError as error:
                self._is_away(error)
                if end and time.monotonic() > end:
                    self.problem = UserError(
                        f"{error}. {self._written - self._sent} bytes of the records are not there yet; they are in {self.layout.records}. "
                        f"{command('resume', shown(self.folder))} on this machine sends them"
                    )
                if ending:
                    time.sleep(_PAUSE_S)
            except Exception as error:  # a Lost, or a bug; the driver raises it
                self.problem = error

    def _round(self) -> None:
        self.lock.refresh()
        if self.objects.head(STOP):
            self.layout.stop.touch()
        self._send_lines()
        while self._jobs and self._jobs[0].after <= self._sent:
            self._jobs[0].do()
            self._jobs.popleft()

    def _send_lines(self) -> None:
        """Send the new lines as the next segment."""
        while (until := self._written) > self._sent:
            with self.layout.records.open("rb") as file:
                file.seek(self._sent)
                data = file.read(until - self._sent)
            tag = self.objects.create(key_of(self._sent), data)
            if tag is None:  # of an earlier try whose answer did not arrive, or of another driver
                meta, there = self.objects.head(key_of(self._sent)), self.objects.get(key_of(self._sent))
                if meta is None or not data.startswith(there):
                    raise Lost(
                        f"{self.objects.url} must have one driver; another one has written the segment {key_of(self._sent)}, so this one stops"
                    )
                data, tag = there, meta.tag
            segment = Segment(start=self._sent, size=len(data), tag=tag.strip('"'))
            confirm(self.layout, segment)
            self._sent = segment.end

    def _is_away(self, error: StoreError) -> None:
        if self._away is None:
            log.warning("%s. Until it answers, the records wait in %s", error, self.layout.records)
        self._away = error

    def _answers(self) -> None:
        if self._away:
            log.warning("%s answers again", self.objects.url)
        self._away = None


@contextmanager
def sending(folder: Path, lock: ObjectLock) -> Iterator[Sending]:
    """Send what the block writes. At its end, wait until everything is in the store. Raises the problem that stopped the sending, if there is one."""
    made = Sending(folder, lock)
    thread = threading.Thread(target=made.run, name="sending", daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made._ending.set()
        thread.join()
    made.check()
