"""The lock of a study in an object store: an object that its driver creates where none is, and writes again while it lives.

It needs a store with conditional writes (If-None-Match, If-Match). Whether a driver lives is told by the clock of the store alone.
"""

import getpass
import json
import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime

from ganstudy import UserError
from study.store.objects import Objects, StoreError

STOP = "stop"  # an object that tells the driver to stop
REFRESH_S = 10.0  # how often a driver writes its lock again
STALE_S = 60.0  # a lock that was not written for so long may be taken over
_LOCK = "lock"


class Lost(UserError):
    """Another driver has taken the study over."""


@dataclass(frozen=True, kw_only=True)
class Holder:
    """What a lock says about its driver."""

    who: str  # such as "process 12 of alice on host"
    host: str
    copy: str  # id of the local copy that it writes
    session: str  # id of the driver
    refreshed: int = 0  # how often it was written again

    def data(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def of(cls, data: bytes) -> "Holder":
        """Read a lock. Facts of a newer ganstudy are left out."""
        given = json.loads(data)
        return cls(**{each.name: given[each.name] for each in fields(cls)})


@dataclass(frozen=True, kw_only=True)
class Held:
    """A lock as it is in the store."""

    holder: Holder
    tag: str
    written: datetime  # by the clock of the store

    @property
    def who(self) -> str:
        return self.holder.who

    def is_active(self, now: datetime, *, copy: str) -> bool:
        """Whether its driver may live. The caller is no driver of this local copy, and has seen that no process of this machine is."""
        own = self.holder.copy == copy and self.holder.host == socket.gethostname()
        return not own and (now - self.written).total_seconds() < STALE_S


def held(objects: Objects) -> Held | None:
    """Return the lock of a study; None if there is none."""
    meta = objects.head(_LOCK)
    if meta is None:
        return None
    with suppress(FileNotFoundError):  # it was released meanwhile
        return Held(holder=Holder.of(objects.get(_LOCK)), tag=meta.tag, written=meta.modified)
    return None


def conditional(objects: Objects) -> datetime:
    """Return the time of the store. Raises UserError unless objects can be written, and only under a condition if one is given."""
    key = f"probe/{uuid.uuid4().hex}"
    tag = objects.create(key, b"1")
    try:
        meta = objects.head(key)
        kept = tag and objects.create(key, b"2") is None and objects.replace(key, b"3", tag='"another"') is None
        if not (kept and meta and objects.replace(key, b"4", tag=meta.tag)):
            raise UserError(
                f"{objects.url} must be in a store with conditional writes (If-None-Match and If-Match, as S3 has them), so that two drivers never write "
                "one study; this one ignores the conditions or refuses to write. Use another store, or a folder (--folder)"
            )
        return meta.modified
    finally:
        objects.delete([key])


class ObjectLock:
    """The lock that this driver holds."""

    def __init__(self, objects: Objects, holder: Holder, tag: str):
        self.objects = objects
        self._holder, self._tag = holder, tag
        self._written = time.monotonic()

    def refresh(self) -> None:
        """Write the lock again if it is time. Raises Lost if another driver has it, and StoreError."""
        if time.monotonic() - self._written < REFRESH_S:
            return
        new = replace(self._holder, refreshed=self._holder.refreshed + 1)
        tag = self.objects.replace(_LOCK, new.data(), tag=self._tag)
        if tag is None:  # of another driver, or gone, or an earlier write did arrive although its answer did not
            found = held(self.objects)
            if found is None:
                tag = self.objects.create(_LOCK, new.data())
            elif found.holder.session == new.session:
                tag = found.tag
            if tag is None:
                raise Lost(
                    f"{self.objects.url} is driven by {found.who if found else 'another process'} now, which took it over because this driver did not answer for "
                    f"{STALE_S:g} s; this one stops. What it has not sent is lost; that one trains these ticks again"
                )
        self._holder, self._tag, self._written = new, tag, time.monotonic()

    def release(self) -> None:
        """Remove the lock, if it is still that of this driver."""
        found = held(self.objects)
        if found and found.holder.session == self._holder.session:
            self.objects.delete([_LOCK])


@contextmanager
def holding(objects: Objects, *, copy: str, taken: Callable[[str], UserError]) -> Iterator[ObjectLock]:
    """Hold the lock of a study; take over one of a driver that does not live. taken: returns the error for one that may live.

    copy: id of the local copy, which no other process of this machine writes.
    """
    host = socket.gethostname()
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # in a container, whose users may have no names
        user = str(os.getuid())
    holder = Holder(who=f"process {os.getpid()} of {user} on {host}", host=host, copy=copy, session=uuid.uuid4().hex)
    tag = objects.create(_LOCK, holder.data())
    if tag is None and (found := held(objects)):
        if found.holder.session == holder.session:  # created, but the answer was lost and the request repeated
            tag = found.tag
        elif found.is_active(conditional(objects), copy=copy):
            raise taken(found.who)
        else:
            tag = objects.replace(_LOCK, holder.data(), tag=found.tag)
    if tag is None:
        raise taken("a process that is just starting")
    lock = ObjectLock(objects, holder, tag)
    try:
        yield lock
    finally:
        with suppress(StoreError):  # then it may be taken over after STALE_S
            lock.release()
