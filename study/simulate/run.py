"""Run: one recorded run of a table, and the Parquet files in which tables are kept."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ganstudy import UserError
from ganstudy.files import users_path, write_whole
from study.simulate.shipped import TABLES

_SPEC = b"study"  # key of the file's metadata that holds the study file


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """A config trained with one seed, up to its budget unless it died."""

    config: int  # number of the config, from 0
    seed: int  # number of the seed of the config, from 0
    settings: Mapping[str, Any]  # settings of the space that apply, and variants
    dead: bool  # whether it left the finite numbers
    failed: bool  # by its outcome
    outcome: str
    hopeless: int | None  # images at which it would have been ended as hopeless; None: never
    images: Sequence[int]  # of each tick
    values: Mapping[str, Sequence[float]]  # metric -> value at each tick

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for a line of JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


def path_of(name: str, ending: str) -> Path:
    """Return where the package keeps a file of a table: its runs (.parquet) or its study file (.yaml)."""
    return TABLES / f"{name}{ending}"


def write_runs(path: Path, runs: Sequence[Run], spec: Mapping[str, Any]) -> None:
    """Write a table: a row per run, in a compact form. spec: StudySpec.as_dict() of the study that the configs are from."""
    metrics = sorted({name for run in runs for name in run.values})
    columns: dict[str, pa.Array] = {
        "config": pa.array([run.config for run in runs], pa.int32()),
        "seed": pa.array([run.seed for run in runs], pa.int16()),
        "settings": pa.array([json.dumps(run.settings) for run in runs]).dictionary_encode(),
        "dead": pa.array([run.dead for run in runs]),
        "failed": pa.array([run.failed for run in runs]),
        "outcome": pa.array([run.outcome for run in runs]).dictionary_encode(),
        "hopeless": pa.array([run.hopeless for run in runs], pa.int64()),
        "images": pa.array([list(run.images) for run in runs], pa.list_(pa.int64())),
        **{name: pa.array([list(run.values.get(name, ())) for run in runs], pa.list_(pa.float32())) for name in metrics},
    }
    table = pa.table(columns).replace_schema_metadata({_SPEC: json.dumps(spec)})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", compression_level=19)
    write_whole(path, sink.getvalue().to_pybytes())


def read_runs(path: Path) -> tuple[list[Run], dict[str, Any]]:
    """Return the runs of a table, and the study that its configs are from. Raises UserError for a file that is no table."""
    with users_path(path, "be a readable file", do="Give another file, a study folder, or the name of a table"):
        data = path.read_bytes()
    try:
        table = pq.read_table(pa.BufferReader(data))
        spec = json.loads(table.schema.metadata[_SPEC])
        rows = table.to_pylist()
    except (pa.ArrowInvalid, KeyError, TypeError, ValueError):
        raise UserError(f"{path} must be a table of recorded runs, as `python -m bench.tables` writes it; it is another file") from None
    own = set(Run.__slots__)
    metrics = [name for name in table.column_names if name not in own]
    return [
        Run(
            **{name: row[name] for name in own - {"settings", "values"}},
            settings=json.loads(row["settings"]),
            values={name: row[name] for name in metrics if row[name]},
        )
        for row in rows
    ], spec
