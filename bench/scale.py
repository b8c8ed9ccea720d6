"""Reading and resuming studies of 1,000 to 100,000 trials of 20 ticks, and the overhead of the driver from the first trial to the last.

`python -m bench.scale` measures reading at 1,000, 10,000 and 100,000 trials (2.5 GB, some twenty minutes); `python -m bench.scale 1000` at other
numbers. `python -m bench.scale driver 2000 --slots 16 --waiting` compares 2,000 trials of one second with the ideal time, as Ray does for Tune, and with
300 of Ray Tune alone, in turns; `python -m bench.scale driver 5000 --wandb` measures the overhead of 5,000 small trials. Each figure of reading comes from a fresh process: CPU seconds of the calls
without imports, and the peak memory of the process.

Optuna and MLflow read the same trials, with two settings and the curve of one metric, from SQLite. MLflow needs an environment of its own, since it
pins other versions than ganstudy: `python -m venv mlflow && mlflow/bin/pip install mlflow`, then `python -m bench.scale --mlflow mlflow/bin/python`.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
import pandas as pd
from optuna.distributions import FloatDistribution
from rich.console import Console

from bench.figures import Figure, Figures, show
from bench.fresh import MEASURED
from bench.overhead import one_ray, ours
from bench.records import MOST_CONFIGS, spec_of, write_study
from bench.waiting import SECONDS, bare_tune
from study.api import open_study
from study.store.layout import Layout

Floats = npt.NDArray[np.float64]

_SIZES = (1_000, 10_000, 100_000)
_DRIVEN = 200  # trials
_PARTS = 4  # of them, whose overhead is compared
_ROUNDS = 3  # of ours and of Ray Tune alone
_ALONE = 300  # trials of Ray Tune alone at most: it may stay at one or two trials at a time, see study/engine/schedulers.py
_PEER_UP_TO = 10_000  # trials; filling the storage of a peer with more takes an hour
_MLFLOW = str(Path(__file__).with_name("mlflow_peer.py"))


def reading(n_trials: int, mlflow: str | None) -> Figures:
    """CPU seconds and memory of reading and resuming a study of so many trials, and of the same trials in other programs."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = write_study(Path(scratch) / "study", spec_of(n_trials))
        yield f"{Layout(folder).records.stat().st_size / 1e6:.0f} MB of records, {min(n_trials, MOST_CONFIGS)} configs"
        yield from _figures("open_study, trials()", folder, "the first time")
        for what in MEASURED:
            if what.startswith("Optuna"):
                if n_trials > _PEER_UP_TO:
                    yield f"Optuna and MLflow: measured up to {_PEER_UP_TO} trials only, because their storages are filled slowly"
                    continue
                _fill_optuna(folder)
            yield from _figures(what, folder)
        if mlflow and n_trials <= _PEER_UP_TO:
            lines = "".join(json.dumps(each) + "\n" for each in _finals(folder))
            store = str(folder / "mlflow.db")
            subprocess.run([mlflow, _MLFLOW, "fill", store], input=lines, capture_output=True, text=True, check=True)
            yield from _measured("MLflow search_runs", [mlflow, _MLFLOW, "search", store])
        elif not mlflow:
            yield "MLflow: not measured; --mlflow takes a Python that has it"


def _figures(what: str, folder: Path, note: str = "") -> Figures:
    yield from _measured(f"{what}, {note}" if note else what, [sys.executable, "-m", "bench.fresh", what, str(folder)])


def _measured(name: str, command: Sequence[str]) -> Figures:
    """Run a process that prints CPU seconds and peak memory."""
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, memory = json.loads(run.stdout.splitlines()[-1])
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


def driver(n_trials: int, *, slots: int, waiting: bool, wandb: bool) -> Figures:
    """Wall seconds per trial beyond its work, over the trials of one study, in parts, to see whether they grow. Needs a Ray with so many slots.

    waiting: compares trials that wait with Ray Tune alone, in turns.
    """
    if waiting:
        yield from _beside_ray(n_trials, slots=slots, wandb=wandb)
        return
    times, closed, trials = _driven(n_trials, wandb=wandb)
    work = float((trials["seconds"] + trials["evaluation_seconds"]).mean()) / slots
    bounds = _bounds(n_trials, slots)
    at = np.interp(bounds, closed, times)
    for low, high, before, after in zip(bounds, bounds[1:], at, at[1:], strict=False):
        yield Figure(f"trials {low:.0f} to {high:.0f}", [(after - before) / (high - low) - work], "s/trial", "≤ 0.15")
    yield f"Wall time with {slots} concurrent trials of one update, less {work:.3f} s of training and evaluation per trial."


def _beside_ray(n_trials: int, *, slots: int, wandb: bool) -> Figures:
    """The time of trials that wait, as a multiple of the ideal time and of the time of Ray Tune alone."""
    ours_s, alone_s, bounds = list[Floats](), list[Floats](), _bounds(n_trials, slots)
    n_alone = min(n_trials, _ALONE)
    for _ in range(_ROUNDS):
        times, closed, _ = _driven(n_trials, wandb=wandb, base={"loop": "waiting"}, plugins=["bench.waiting"])
        ours_s.append(_multiples(bounds, closed, times, slots))
        with tempfile.TemporaryDirectory() as scratch:
            ends = np.array(bare_tune(n_alone, slots, Path(scratch)))
        alone_s.append(_multiples(_bounds(n_alone, slots), np.arange(1, n_alone + 1), ends, slots))
    for part in (0, -1):
        yield Figure(f"ours, the {'last' if part else 'first'} quarter, as a multiple of the ideal", [float(each[part]) for each in ours_s])
    yield Figure("ours, as a multiple of the ideal", [float(each.mean()) for each in ours_s], "", "≤ 1.14")
    yield Figure(f"Ray Tune alone, {n_alone} trials, as a multiple of the ideal", [float(each.mean()) for each in alone_s])
    yield Figure("ours / Ray Tune alone", [float(a.mean() / b.mean()) for a, b in zip(ours_s, alone_s, strict=True)])
    yield f"{slots} concurrent trials, each of which waits for {SECONDS:g} s. Ours train, evaluate and save checkpoints besides; those of Ray Tune alone do not."


def _multiples(bounds: Floats, closed: npt.NDArray[Any], times: Floats, slots: int) -> Floats:
    """The time of each part between bounds, as a multiple of the ideal. times: when so many trials had ended (closed)."""
    multiples: Floats = np.diff(np.interp(bounds, closed, times)) / (np.diff(bounds) * SECONDS / slots)
    return multiples


def _bounds(n_trials: int, slots: int) -> npt.NDArray[np.float64]:
    """Return the numbers of trials between which time is measured: without the first ones, which wait for the workers."""
    return np.linspace(max(0.05 * n_trials, slots), n_trials, _PARTS + 1)


def _driven(n_trials: int, *, wandb: bool, **changes: Any) -> tuple[Floats, Floats, pd.DataFrame]:
    """Run a study of so many trials. Returns times, how many trials had ended by then, and all trials. changes: keys of the study file."""
    with tempfile.TemporaryDirectory() as scratch:
        folder, marks, ended = Path(scratch) / "study", list[tuple[float, int]](), threading.Event()
        watch = threading.Thread(target=_watch, args=(Layout(folder).records, marks, ended))
        watch.start()
        tracking = {"wandb": {"mode": "offline"}} if wandb else {}
        try:
            ours(n_trials, folder, tracking, goal="explain", sampler="random", seeds=1, **changes)
        finally:
            ended.set()
            watch.join()
        trials = open_study(folder, trust_plugins=True).trials()
    times, closed = np.array(marks).T
    return times, closed, trials


def _watch(records: Path, marks: list[tuple[float, int]], ended: threading.Event) -> None:
    """Note when how many trials had ended."""
    position = closed = 0
    while not ended.wait(0.25):
        if records.exists():
            with records.open("rb") as file:
                file.seek(position)
                data = file.read()
            position += len(data)
            if ended_now := data.count(b'"closed"'):  # not after the last trial, while the study is concluded
                closed += ended_now
                marks.append((time.monotonic(), closed))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", nargs="*", help="numbers of trials to read, or `driver` and a number of trials to run", default=_SIZES)
    parser.add_argument("--mlflow", help="a Python with MLflow")
    parser.add_argument("--slots", type=int, default=2, help="driver: concurrent trials")
    parser.add_argument("--waiting", action="store_true", help="driver: trials that wait for a second instead of using a CPU")
    parser.add_argument("--wandb", action="store_true", help="driver: with offline W&B files")
    given, console = parser.parse_args(), Console()
    if given.what[0] == "driver":
        n_trials = int(given.what[1]) if len(given.what) > 1 else _DRIVEN
        with one_ray(given.slots):
            figures = driver(n_trials, slots=given.slots, waiting=given.waiting, wandb=given.wandb)
            show(f"Driver, {n_trials:,} trials" + (", W&B offline" if given.wandb else ""), figures, console)
        return
    for n_trials in map(int, given.what):
        show(f"Reading {n_trials:,} trials of 20 ticks", reading(n_trials, given.mlflow), console)


if __name__ == "__main__":
    main()
