"""All that .wandb files of offline runs hold, in the order in which it was written."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wandb.proto import wandb_internal_pb2

from study.tracking.wandb_files import payloads


@dataclass(frozen=True)
class ArtifactRecord:
    """An artifact that a run logs."""

    name: str
    type: str
    aliases: tuple[str, ...]
    metadata: dict[str, Any]
    files: dict[str, Path]  # name in the artifact -> where its content is

    def __getitem__(self, name: str) -> bytes:
        return self.files[name].read_bytes()


@dataclass
class RunFile:
    """Contents of a run's file."""

    id: str = ""
    name: str = ""
    group: str = ""
    job_type: str = ""
    tags: list[str] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    step_metrics: dict[str, str] = field(default_factory=dict)
    artifacts: list["ArtifactRecord"] = field(default_factory=list)  # not those that W&B makes of tables
    folder: Path = Path()  # of the last file of the run
    exit_code: int | None = None

    @property
    def steps(self) -> list[int]:
        return [row["_step"] for row in self.history]


def read_runs(folder: Path) -> dict[str, RunFile]:
    """Run id -> contents of all .wandb files below a folder, read in order of their names. A truncated end is ignored."""
    runs: dict[str, RunFile] = {}
    for path in sorted(folder.rglob("*.wandb")):
        run = runs.setdefault(path.stem.removeprefix("run-"), RunFile())
        run.folder = path.parent
        for payload in payloads(path.read_bytes()):
            record = wandb_internal_pb2.Record()  # type: ignore[attr-defined]
            record.ParseFromString(payload)
            learn(run, record)
    return runs


def learn(run: RunFile, record: Any) -> None:
    """Apply a record to the run."""
    match record.WhichOneof("record_type"):
        case "run":
            run.id, run.name, run.group, run.job_type = (
                record.run.run_id,
                record.run.display_name,
                record.run.run_group,
                record.run.job_type,
            )
            run.tags = list(record.run.tags)
            run.config |= values(record.run.config.update)
        case "config":
            run.config |= values(record.config.update)
        case "history":
            run.history.append({"_step": record.history.step.num, **values(record.history.item)})
        case "summary":
            run.summary |= values(record.summary.update)
        case "metric":
            run.step_metrics[record.metric.glob_name or record.metric.name] = record.metric.step_metric
        case "request" if record.request.WhichOneof("request_type") == "log_artifact":
            _learn_artifact(run, record.request.log_artifact.artifact)
        case "artifact":
            _learn_artifact(run, record.artifact)
        case "exit":
            run.exit_code = record.exit.exit_code


def _learn_artifact(run: RunFile, artifact: Any) -> None:
    if artifact.type != "run_table":
        metadata = json.loads(artifact.metadata) if artifact.metadata else {}
        files = {entry.path: Path(entry.local_path) for entry in artifact.manifest.contents}
        run.artifacts.append(ArtifactRecord(artifact.name, artifact.type, tuple(artifact.aliases), metadata, files))


def table(run: RunFile, row: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the columns and the rows of a table in a row of the run's history."""
    found = json.loads((run.folder / "files" / row[f"{name}/path"]).read_text())
    return {"columns": found["columns"], "rows": found["data"]}


def values(items: Any) -> dict[str, Any]:
    """Key-value items of a record, nested keys joined by "/"."""
    return {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in items}
