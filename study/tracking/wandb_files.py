"""Reads W&B's local run files, `run-ID.wandb`: protobuf records in LevelDB's log format. wandb 0.31 has no reader in Python."""

import json
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ganstudy import UserError

_FOLDERS = 50_000  # that are searched; a run has three
_BLOCK = 32768  # bytes; a record that does not fit continues in the next block
_FULL, _FIRST, _LAST = 1, 2, 4


@dataclass
class LocalRun:
    """What the files of a run hold, named as the attributes of `wandb.apis.public.Run`."""

    id: str
    name: str = ""
    state: str = "crashed"  # until a file says how the run ended
    created_at: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    summary_metrics: dict[str, Any] = field(default_factory=dict)


def local_runs(folder: Path) -> list[LocalRun]:
    """Return the runs of all run files below a folder; a run that was resumed has several. A torn end, which a kill leaves, is ignored.

    Raises UserError if there is no run, if a file is damaged, or if the folder holds so many others that it is hardly meant.
    """
    runs: dict[str, LocalRun] = {}
    for path in sorted(_run_files(folder)):
        try:
            for record in _records(path.read_bytes()):
                _learn(runs, path.stem.removeprefix("run-"), record)
        except ValueError as error:
            raise UserError(f"{path} must be a run file of W&B; {error}. Move it elsewhere to read the others") from error
    if not runs:
        raise UserError(f"{folder} must hold run files of W&B, such as wandb/offline-run-*/run-*.wandb; it holds none with a run")
    return list(runs.values())


def _run_files(folder: Path) -> Iterator[Path]:
    for number, (home, _, names) in enumerate(os.walk(folder), start=1):
        if number > _FOLDERS:
            raise UserError(
                f"{folder} must be a folder with run files of W&B; it has more than {_FOLDERS:,} folders. Give the folder `wandb` itself"
            )
        yield from (Path(home) / name for name in names if name.endswith(".wandb"))


def _records(data: bytes) -> Iterator[Any]:
    from wandb.proto import wandb_internal_pb2  # here, since only this needs wandb, which takes a second

    for payload in payloads(data):
        record = wandb_internal_pb2.Record()  # type: ignore[attr-defined]
        record.ParseFromString(payload)
        yield record


def _learn(runs: dict[str, LocalRun], run_id: str, record: Any) -> None:
    """Apply a record to the run of its file."""
    kind = record.WhichOneof("record_type")
    if kind == "run":
        run = runs.setdefault(run_id, LocalRun(run_id))
        run.name = record.run.display_name or run.name or run_id
        run.created_at = run.created_at or datetime.fromtimestamp(record.run.start_time.seconds, UTC).isoformat()
        _merge(run.config, record.run.config.update)
    elif run_id in runs and kind == "config":
        _merge(runs[run_id].config, record.config.update)
    elif run_id in runs and kind == "summary":
        _merge(runs[run_id].summary_metrics, record.summary.update)
    elif run_id in runs and kind == "exit":
        runs[run_id].state = "failed" if record.exit.exit_code else "finished"


def _merge(into: dict[str, Any], items: Any) -> None:
    """Set the values of a record, nested ones in mappings."""
    for item in items:
        *above, name = item.nested_key or [item.key]
        place = into
        for each in above:
            found = place.get(each)
            place[each] = place = found if isinstance(found, dict) else {}
        place[name] = json.loads(item.value_json)


def payloads(data: bytes) -> Iterator[bytes]:
    """Return the bytes of each record. Raises ValueError for a file of another format or a wrong checksum."""
    if data and (len(data) < 7 or struct.unpack("<4sHB", data[:7])[:2] != (b":W&B", 0xBEE1)):
        raise ValueError("it does not begin like one")
    position, record = 7, b""
    while position + 7 <= len(data):
        left = _BLOCK - position % _BLOCK
        checksum, length, kind = struct.unpack_from("<IHB", data, position)
        if left < 7 or (kind, length) == (0, 0):
            position += left  # padding
            continue
        chunk = data[position + 7 : position + 7 + length]
        if len(chunk) < length:
            return
        if zlib.crc32(bytes([kind]) + chunk) != checksum:
            raise ValueError(f"wrong checksum at byte {position}")
        position += 7 + length
        record = chunk if kind in (_FULL, _FIRST) else record + chunk
        if kind in (_FULL, _LAST):
            yield record
