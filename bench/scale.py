"""Reading and resuming studies of 1,000 to 100,000 trials of 20 ticks, and the overhead of the driver from the first trial to the last.

`python -m bench.scale` measures reading at 1,000, 10,000 and 100,000 trials (2.5 GB, some ten minutes); `python -m bench.scale 1000` at other
numbers; `python -m bench.scale driver` the driver over 200 trials. Each figure of reading comes from a fresh process: CPU seconds of the calls
without imports, and the peak memory of the process.
"""

import importlib
import importlib.util
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import optuna
from optuna.distributions import FloatDistribution
from rich.console import Console

from bench.figures import Figure, Figures, show
from bench.fresh import MEASURED
from bench.overhead import one_ray, ours
from bench.records import spec_of, write_study
from study.api import open_study
from study.spec.design import MAX_CONFIGS
from study.store.layout import Layout

_SIZES = (1_000, 10_000, 100_000)
_DRIVEN = 200  # trials
_PARTS = 4  # of them, whose overhead is compared
_PEER_UP_TO = 10_000  # trials; filling a storage of Optuna with more takes an hour


def reading(n_trials: int) -> Figures:
    """CPU seconds and memory of reading and resuming a study of so many trials, and of the same trials in other programs."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = write_study(Path(scratch) / "study", spec_of(n_trials))
        yield f"{Layout(folder).records.stat().st_size / 1e6:.0f} MB of records, {min(n_trials, MAX_CONFIGS)} configs"
        yield from _figures("open_study, trials()", folder, "the first time")
        for what in MEASURED:
            if what.startswith("Optuna"):
                if n_trials > _PEER_UP_TO:
                    yield f"Optuna: measured up to {_PEER_UP_TO} trials only, because its storage is filled slowly"
                    continue
                _fill_optuna(folder)
            if what.startswith("MLflow"):
                if not importlib.util.find_spec("mlflow"):
                    yield "MLflow: not installed"
                    continue
                if n_trials > _PEER_UP_TO:
                    yield f"MLflow: measured up to {_PEER_UP_TO} trials only, because its store is filled slowly"
                    continue
                _fill_mlflow(folder)
            yield from _figures(what, folder)


def _figures(what: str, folder: Path, note: str = "") -> Figures:
    run = subprocess.run([sys.executable, "-m", "bench.fresh", what, str(folder)], capture_output=True, text=True, check=True)
    seconds, memory = json.loads(run.stdout.splitlines()[-1])
    name = f"{what}, {note}" if note else what
    yield Figure(name, [seconds], "s of CPU")
    yield Figure("", [memory], "MB")


def _finals(folder: Path) -> list[tuple[dict[str, float], list[float]]]:
    """Return the learning rates and the curve of fd of each trial."""
    view = open_study(folder)
    trials, history = view.trials(), view.history()
    curves = history.groupby("trial_id", sort=False)["fd"].apply(list)
    return [({"g.lr": row["g.lr"], "d.lr": row["d.lr"]}, curves[str(trial_id)]) for trial_id, row in trials.iterrows()]


def _fill_optuna(folder: Path) -> None:
    """Write the trials to a SQLite storage of Optuna, with two settings and the curve of fd."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(study_name="scale", storage=f"sqlite:///{folder / 'optuna.db'}")
    rate = FloatDistribution(1e-4, 1e-2, log=True)
    study.add_trials(
        optuna.create_trial(
            params=params, distributions=dict.fromkeys(params, rate), value=curve[-1], intermediate_values=dict(enumerate(curve))
        )
        for params, curve in _finals(folder)
    )


def _fill_mlflow(folder: Path) -> None:
    """Write the trials to MLflow's store of files, with two settings and the curve of fd."""
    mlflow = importlib.import_module("mlflow")
    mlflow.set_experiment("scale")
    for params, curve in _finals(folder):
        with mlflow.start_run():
            mlflow.log_params(params)
            for tick, value in enumerate(curve):
                mlflow.log_metric("fd", value, step=tick)


def driver() -> Figures:
    """Wall seconds per trial beyond its work, over the trials of one study, in parts, to see whether they grow. Needs a Ray."""
    with tempfile.TemporaryDirectory() as scratch:
        folder, marks, ended = Path(scratch) / "study", list[tuple[float, int]](), threading.Event()
        watch = threading.Thread(target=_watch, args=(Layout(folder).records, marks, ended))
        watch.start()
        try:
            ours(_DRIVEN, folder, tracking={})
        finally:
            ended.set()
            watch.join()
        trials = open_study(folder).trials()
    work = float((trials["seconds"] + trials["evaluation_seconds"]).mean()) / 2  # two at a time
    times, closed = np.array(marks).T
    bounds = np.linspace(0.05 * _DRIVEN, _DRIVEN, _PARTS + 1)  # without the first trials, which wait for the workers
    at = np.interp(bounds, closed, times)
    for low, high, before, after in zip(bounds, bounds[1:], at, at[1:], strict=False):
        yield Figure(f"trials {low:.0f} to {high:.0f}", [(after - before) / (high - low) - work], "s/trial", "≤ 0.15")
    yield f"Wall time with two concurrent trials of one update, without trackers, less {work:.3f} s of training and evaluation per trial."


def _watch(records: Path, marks: list[tuple[float, int]], ended: threading.Event) -> None:
    """Note when how many trials had ended."""
    position = closed = 0
    while not ended.wait(0.25):
        if records.exists():
            with records.open("rb") as file:
                file.seek(position)
                data = file.read()
            position, closed = position + len(data), closed + data.count(b'"closed"')
            marks.append((time.monotonic(), closed))


def main() -> None:
    console = Console()
    if sys.argv[1:] == ["driver"]:
        with one_ray():
            show(f"Driver, {_DRIVEN} trials", driver(), console)
        return
    for n_trials in map(int, sys.argv[1:] or _SIZES):
        show(f"Reading {n_trials:,} trials of 20 ticks", reading(n_trials), console)


if __name__ == "__main__":
    main()
