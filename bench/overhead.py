"""Seconds of a trial beyond its training: the slope of a study's wall time over its number of trials, so that starting and ending cost nothing.

Each trial is one update and two ticks of an MLP on ring8, judged by the same samples on both sides. Ours is a whole study: Optuna, workers
used again, checkpoints, sample grids, records, and W&B's files written offline. The peer is Ray Tune as it comes: a function trainable
with OptunaSearch and Ray's WandbLoggerCallback, offline too, and without checkpoints. Both run two trials at a time.
"""

import contextlib
import io
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import ray
from ray import tune
from ray.air.integrations.wandb import WandbLoggerCallback
from ray.tune.search.optuna import OptunaSearch

from bench.figures import Figure, Figures
from study.api import launch
from study.evaluation.evaluator import Evaluator
from study.spec.study_spec import StudySpec
from trainables.config import TrialConfig
from trainables.data import Source, load
from trainables.trial import Trial

BASE = {"data": "ring8", "arch": "mlp", "g.width": 16, "d.width": 16, "budget_kimg": 0.064, "tick_kimg": 0.064}
LR = (1e-5, 1e-2)
EVALUATED = 100
OURS, PEERS = (10, 100), (2, 6)  # numbers of trials: the peer's take seconds each, ours so little that starting Ray's workers would hide it
N_OURS, N_PEER = 3, 2
OFFLINE = {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false"}
QUIET = {"RAY_AIR_NEW_OUTPUT": "0"}  # no tables of Tune's


@contextlib.contextmanager
def one_ray() -> Iterator[None]:
    """W&B's loggers inherit their environment from Ray's processes, so it is set before those start."""
    with patch.dict(os.environ, OFFLINE | QUIET):
        ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        try:
            yield
        finally:
            ray.shutdown()


def figures() -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        source = load(TrialConfig.from_flat(BASE).data)
        peer = tune.with_parameters(as_function, source=source, evaluator=Evaluator.build(source, n_fake=EVALUATED))
        ours_s, peers_s = [], []
        for i in range(N_OURS):  # in turns, as far as there are turns
            ours_s.append(slope(ours, OURS, Path(folder) / f"ours-{i}"))
            if i < N_PEER:
                peers_s.append(slope(partial(plain_tune, peer), PEERS, Path(folder) / f"peer-{i}"))
    yield Figure(f"ours ({OURS[0]} and {OURS[1]} trials)", ours_s, "s/trial", "≤ 0.5")
    yield Figure(f"Ray Tune as it comes ({PEERS[0]} and {PEERS[1]} trials)", peers_s, "s/trial")
    yield "Wall time with two trials at a time, judging 100 samples twice included."


def slope(seconds: Callable[[int, Path], float], ns: tuple[int, int], folder: Path) -> float:
    few, many = (seconds(n, folder / str(n)) for n in ns)
    return (many - few) / (ns[1] - ns[0])


def ours(n_trials: int, folder: Path) -> float:
    spec = StudySpec.from_dict(
        {
            "name": "overhead",
            "question": "What does a trial cost beside its training?",
            "goal": "optimise",
            "base": BASE,
            "space": {"scientific": {"g.lr": {"low": LR[0], "high": LR[1], "log": True}}},
            "n_configs": n_trials,
            "evaluation": {"samples": EVALUATED},
            "tracking": {"wandb": {"mode": "offline"}},
        }
    )
    start = time.perf_counter()
    with patch.dict(os.environ), contextlib.redirect_stdout(io.StringIO()):  # launching switches off loggers of Tune's, which the peer has
        view = launch(spec, folder, progress=False)
    seconds = time.perf_counter() - start
    assert len(view.trials()) == n_trials
    return seconds


def plain_tune(trainable: Any, n_trials: int, folder: Path) -> float:
    folder.mkdir(parents=True)
    tuner = tune.Tuner(
        trainable,
        param_space={"g.lr": tune.loguniform(*LR)},
        tune_config=tune.TuneConfig(
            metric="fd", mode="min", num_samples=n_trials, max_concurrent_trials=2, search_alg=OptunaSearch(study_name=str(folder))
        ),
        run_config=tune.RunConfig(
            storage_path=str(folder), callbacks=[WandbLoggerCallback(project="overhead", dir=str(folder))], verbose=0
        ),
    )
    start = time.perf_counter()
    results = tuner.fit()
    seconds = time.perf_counter() - start
    assert len(results) == n_trials
    assert not results.errors
    return seconds


def as_function(config: dict[str, Any], *, source: Source, evaluator: Evaluator) -> None:
    """The same trial for Ray's function API."""
    trial, finished = Trial(TrialConfig.from_flat({**BASE, **config}), source, evaluator), False
    while not finished:
        measured = trial.advance()
        finished = measured.finished
        tune.report({"images": measured.images, **measured.values})
