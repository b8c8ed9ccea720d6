"""The records of a study in an object store: immutable objects `records/OFFSET.jsonl`, whose contents in order are the file `records.jsonl`.

OFFSET is the number of bytes before the segment. Two drivers can never both write a segment, because it is created only where none is.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

from ganstudy import UserError
from ganstudy.files import room_for, sync
from study.store.flock import holder, waiting_for
from study.store.layout import Layout, shown
from study.store.objects import Meta, Objects

log = logging.getLogger(__name__)

_PREFIX = "records"
_BATCH = 256  # segments in memory at a time


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A part of the records that is in the store."""

    start: int  # bytes before it
    size: int  # bytes
    tag: str  # of the object, without quotes: not every store has them in lists too

    @property
    def end(self) -> int:
        return self.start + self.size

    @property
    def key(self) -> str:
        return key_of(self.start)


def key_of(start: int) -> str:
    """Return the key of the segment that begins after so many bytes. Keys sort like numbers."""
    return f"{_PREFIX}/{start:015d}.jsonl"


def in_store(objects: Objects) -> list[Segment]:
    """Return the segments in the store, in order. Raises UserError if one is missing."""
    segments = [_segment(meta) for meta in objects.list(_PREFIX)]
    for before, segment in zip([Segment(start=0, size=0, tag=""), *segments], segments, strict=False):
        if segment.start != before.end:
            raise UserError(
                f"{objects.url} must have all segments of its records; none begins at byte {before.end}, although {segment.key} is there. "
                "Restore the objects from a backup"
            )
    return segments


def in_copy(layout: Layout) -> list[Segment]:
    """Return the segments of which the local copy knows that they are in the store."""
    if not layout.segments.exists():
        return []
    lines = layout.segments.read_text().splitlines()
    return [Segment(start=int(start), size=int(size), tag=tag) for start, size, tag in (line.split(" ", 2) for line in lines)]


def confirm(layout: Layout, segment: Segment) -> None:
    """Note in the local copy that a segment, whose bytes are in its records, is in the store."""
    with room_for(layout.segments), layout.segments.open("a") as file:
        file.write(f"{segment.start} {segment.size} {segment.tag}\n")


def update(folder: Path, objects: Objects, *, mine: bool = False) -> None:
    """Bring the records of a local copy up to date. Does nothing while a driver on this machine writes them. mine: this process is that driver.

    Lines that were not sent before a driver ended stay, unless another driver has gone on without them: then a copy of the file is kept, with a warning.
    What the store does not have any more is moved aside. Raises UserError if segments are missing, and StoreError.
    """
    layout = Layout(folder)
    with waiting_for(layout.updating):
        if not mine and holder(layout.lock):
            return
        there, known = in_store(objects), in_copy(layout)
        if known != there[: len(known)]:
            _move_aside(layout)
            known = []
        end = known[-1].end if known else 0
        new = there[len(known) :]
        if not new:
            return
        with room_for(layout.records), layout.records.open("a+b", buffering=0) as file:  # a buffer would keep what `_drop_tail` cuts
            for first in range(0, len(new), _BATCH):
                batch = new[first : first + _BATCH]
                for segment, data in zip(batch, objects.get_all([each.key for each in batch]), strict=True):
                    file.seek(segment.start)
                    own = file.read(segment.size)
                    if own != data:
                        if own:
                            _drop_tail(layout, end)
                        file.write(data)
                    end = segment.end
                    confirm(layout, segment)
        sync(layout.records)


def _segment(meta: Meta) -> Segment:
    number = meta.key.rpartition("/")[2].removesuffix(".jsonl")
    if not number.isdecimal() or key_of(int(number)) != meta.key:
        raise UserError(f"below {_PREFIX}/ a study must have only its segments; there is the object {meta.key}. Remove it")
    return Segment(start=int(number), size=meta.size, tag=meta.tag.strip('"'))


def _drop_tail(layout: Layout, end: int) -> None:
    """Cut lines after so many bytes from the records: another driver has gone on without them. Keeps a copy of the file."""
    backup = layout.free_backup()
    backup.write_bytes(layout.records.read_bytes())
    log.warning(
        "another driver of %s has gone on without the last %d bytes of records that were written on this machine and not sent; they are kept in %s",
        shown(layout.folder),
        layout.records.stat().st_size - end,
        backup,
    )
    with layout.records.open("r+b") as file:
        file.truncate(end)


def _move_aside(layout: Layout) -> None:
    """Keep all files of a local copy, but those of locks and the address, in a folder of their own."""
    former = layout.former()
    stay = {layout.lock, layout.updating, layout.origin, *layout.folder.glob("former*")}
    paths = [path for path in layout.folder.iterdir() if path not in stay]
    former.mkdir()
    for path in paths:
        path.rename(former / path.name)
    log.warning(
        "%s holds other records than before, as if the study had been deleted and launched again; what this machine had of the study before is in %s",
        shown(layout.folder),
        former,
    )
