"""A whole study on one GPU: lanes with captured rounds, processes with eager ones, and lanes whose worker is killed on the way."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import psutil

_STUDY = Path(__file__).parents[2] / "studies" / "fashion_mnist.yaml"
_EVENTS = {event: f'"{event}": {{' for event in ("opened", "measured", "closed")}  # as in the lines of trials
_WAYS: dict[str, tuple[list[str], int]] = {  # options of launch, and seeds of each of the 16 configs
    "lanes, as many as are measured to be best": ([], 3),
    "8 lanes": (["resources.gpu=0.125"], 1),
    "8 lanes, the worker killed": (["resources.gpu=0.125"], 1),
    "8 processes, eager": (["resources.gpu=0.125", "resources.lanes=false", "resources.capture=off"], 1),
}


def rows(ways: Collection[str] = tuple(_WAYS), kill_after: int = 20) -> Iterator[dict[str, Any]]:
    """Yield seconds, trials and failures of studies/fashion_mnist.yaml, for each way to run it.

    "first_measured_s" and so on are seconds from the command until the records held the first and the last line of that kind.
    """
    for way in ways:
        options, seeds = _WAYS[way]
        with tempfile.TemporaryDirectory() as folder:
            row: dict[str, Any] = {"way": way}
            start = time.monotonic()
            given = [f"seeds={seeds}", "tracking={}", *options]
            command = [sys.executable, "-m", "study.cli", "launch", str(_STUDY), "--folder", f"{folder}/study"]
            counts = dict.fromkeys(_EVENTS, 0)
            with (Path(folder) / "log").open("w+") as log:
                process = subprocess.Popen(command + [part for each in given for part in ("--set", each)], stdout=log, stderr=log)
                while process.poll() is None:
                    time.sleep(0.1)
                    for event, n in _counted(Path(folder) / "study").items():
                        if n > counts[event]:
                            row.setdefault(f"first_{event}_s", round(time.monotonic() - start, 1))
                            row[f"last_{event}_s"] = round(time.monotonic() - start, 1)
                            counts[event] = n
                    if "killed" in way and "killed" not in row and counts["measured"] >= kill_after:
                        row["killed"] = _kill(process.pid)
                row["exit"] = process.returncode
                row["seconds"] = round(time.monotonic() - start, 1)
                log.seek(0)
                row["log"] = log.read()[-1500:] if row["exit"] else ""
            yield row if row["exit"] else row | _told(Path(folder) / "study")


def _counted(folder: Path) -> dict[str, int]:
    """Return how many lines of each kind the records of a study hold so far."""
    records = folder / "records.jsonl"
    text = records.read_text() if records.exists() else ""
    return {event: text.count(key) for event, key in _EVENTS.items()}


def _kill(driver: int) -> int:
    """Kill the workers of a driver's Ray with SIGKILL; return how many."""
    workers = [each for each in psutil.Process(driver).children(recursive=True) if each.name().startswith("ray::Worker")]
    for worker in workers:
        worker.kill()
    return len(workers)


def _told(folder: Path) -> dict[str, Any]:
    import analysis
    from study.api import open_study  # here: the other parts need no Ray

    study = open_study(folder)
    trials, history = study.trials(), study.history()
    failed = trials["failed"]
    return {
        "trials": len(trials),
        "ended": {str(name): int(n) for name, n in trials["ended"].value_counts().items()},
        "failed without and with spectral_norm": [int(failed[trials["spectral_norm"] == on].sum()) for on in (False, True)],
        "lanes": study.store.study.sharing if study.store.study else {},
        "answer": analysis.answer(analysis.explain(study.table(), ["failed", "fd"])).splitlines()[:6],
        "eager": sorted({record.eager for record in study.store.trials.values()}),
        "seconds of training": round(float(history.groupby("trial_id")["seconds"].max().sum()), 1),
        "seconds of evaluation": round(float(history.groupby("trial_id")["evaluation_seconds"].max().sum()), 1),
    }
