"""A whole study on one GPU: lanes with captured rounds, processes with eager ones, and lanes whose worker is killed on the way."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

_STUDY = Path(__file__).parents[2] / "studies" / "fashion_mnist.yaml"
_WAYS: dict[str, tuple[list[str], int]] = {  # options of launch, and seeds of each of the 16 configs
    "lanes, captured": ([], 1),
    "lanes, captured, the worker killed": ([], 1),
    "processes, eager": (["resources.lanes=false", "resources.capture=off"], 1),
}


def rows(gpu: float = 0.125, kill_after: int = 20) -> Iterator[dict[str, Any]]:
    """Yield seconds, trials and failures of studies/fashion_mnist.yaml, for each way to run it."""
    for way, (options, seeds) in _WAYS.items():
        with tempfile.TemporaryDirectory() as folder:
            row: dict[str, Any] = {"way": way, "gpu": gpu}
            start = time.monotonic()
            given = [f"resources.gpu={gpu}", f"seeds={seeds}", "tracking={}", *options]
            command = [sys.executable, "-m", "study.cli", "launch", str(_STUDY), "--folder", f"{folder}/study"]
            with (Path(folder) / "log").open("w+") as log:
                process = subprocess.Popen(command + [part for each in given for part in ("--set", each)], stdout=log, stderr=log)
                if "killed" in way:
                    while process.poll() is None and _measured(Path(folder) / "study") < kill_after:
                        time.sleep(0.1)
                    row["killed"] = _kill(process.pid) if process.poll() is None else 0
                row["exit"] = process.wait()
                row["seconds"] = round(time.monotonic() - start, 1)
                log.seek(0)
                row["log"] = log.read()[-1500:] if row["exit"] else ""
            yield row if row["exit"] else row | _told(Path(folder) / "study")


def _measured(folder: Path) -> int:
    """Return the measurements that a study has recorded so far."""
    records = folder / "records.jsonl"
    return records.read_text().count('"measured"') if records.exists() else 0


def _kill(driver: int) -> int:
    """Kill the workers of a driver's Ray with SIGKILL; return how many."""
    workers = [each for each in psutil.Process(driver).children(recursive=True) if each.name().startswith("ray::Worker")]
    for worker in workers:
        worker.kill()
    return len(workers)


def _told(folder: Path) -> dict[str, Any]:
    from study.api import open_study  # here: the other parts need no Ray

    study = open_study(folder)
    trials, history = study.trials(), study.history()
    failed = trials["failed"]
    return {
        "trials": len(trials),
        "ended": {str(name): int(n) for name, n in trials["ended"].value_counts().items()},
        "failed without and with spectral_norm": [int(failed[trials["spectral_norm"] == on].sum()) for on in (False, True)],
        "eager": sorted({record.eager for record in study.store.trials.values()}),
        "seconds of training": round(float(history.groupby("trial_id")["seconds"].max().sum()), 1),
        "seconds of evaluation": round(float(history.groupby("trial_id")["evaluation_seconds"].max().sum()), 1),
    }
