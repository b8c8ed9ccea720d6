"""A study in an object store on loopback, and its records there."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from recorded import SPEC, STUDY, Driver
from s3 import BUCKET

from study.store.objects import Objects
from study.store.store import Store

URL = f"s3://{BUCKET}/runs/toy"
Machine = Callable[[str], Path]


def study(store: Store) -> Driver:
    """A driver that has recorded its study."""
    store.write_study(replace(STUDY, spec={**SPEC, "plugins": []}))
    return Driver(store)


def ticks(folder: Path) -> dict[str, int]:
    return {trial_id: len(record.measurements) for trial_id, record in Store(folder).trials.items()}


def lines_there() -> bytes:
    """The records as they are in the store."""
    objects = Objects(URL)
    return b"".join(objects.get_all([meta.key for meta in objects.list("records")]))
