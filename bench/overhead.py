"""Overhead per trial: the slope of wall time over the number of trials, which excludes start and end of a study.

Each trial is one update and two ticks of an MLP on ring8, with the same evaluation in both programs. Ours is a complete study: Optuna,
reused workers, checkpoints, sample grids, records, and offline W&B files. The other is plain Ray Tune: a function trainable with
OptunaSearch and Ray's WandbLoggerCallback, also offline, without checkpoints. Both run two concurrent trials.
"""

import contextlib
import io
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
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

_BASE = {"data": "ring8", "arch": "mlp", "g.width": 16, "d.width": 16, "budget_kimg": 0.064, "tick_kimg": 0.064}
_LR = (1e-5, 1e-2)
_EVALUATED = 100  # samples
_OURS, _PEERS = (10, 100), (2, 6)  # numbers of trials; ours need more, or starting Ray's workers would dominate the slope
_N_OURS, _N_PEER = 3, 2  # repeats
_TRACKING: Mapping[str, Any] = {"wandb": {"mode": "offline"}}
_OFFLINE = {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false"}
_QUIET = {"RAY_AIR_NEW_OUTPUT": "0"}  # Tune prints no tables


@contextlib.contextmanager
def one_ray(cpus: int = 2) -> Iterator[None]:
    """Start Ray with so many slots. Sets the environment first, since W&B's loggers inherit it from Ray's processes."""
    with patch.dict(os.environ, _OFFLINE | _QUIET):
        ray.init(address="local", num_cpus=cpus, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        try:
            yield
        finally:
            ray.shutdown()


def figures() -> Figures:
    """Seconds per trial of both programs."""
    with tempfile.TemporaryDirectory() as folder:
        source = load(TrialConfig.from_flat(_BASE).data)
        peer = tune.with_parameters(as_function, base=_BASE, source=source, evaluator=Evaluator.build(source, n_fake=_EVALUATED))
        ours_s, peers_s = [], []
        for i in range(_N_OURS):  # alternately, while the other has repeats left
            ours_s.append(_slope(ours, _OURS, Path(folder) / f"ours-{i}"))
            if i < _N_PEER:
                peers_s.append(_slope(partial(_plain_tune, peer), _PEERS, Path(folder) / f"peer-{i}"))
    yield Figure(f"ours ({_OURS[0]} and {_OURS[1]} trials)", ours_s, "s/trial", "≤ 0.5")
    yield Figure(f"plain Ray Tune ({_PEERS[0]} and {_PEERS[1]} trials)", peers_s, "s/trial")
    yield "Wall time with two concurrent trials, including two evaluations of 100 samples per trial."


def _slope(seconds: Callable[[int, Path], float], ns: tuple[int, int], folder: Path) -> float:
    few, many = (seconds(n, folder / str(n)) for n in ns)
    return (many - few) / (ns[1] - ns[0])


def ours(n_trials: int, folder: Path, tracking: Mapping[str, Any] = _TRACKING, **changes: Any) -> float:
    """Run a study of so many trials and return its wall seconds. changes: other keys of the study file; those of base are added to it."""
    spec = StudySpec.from_dict(
        {
            "name": "overhead",
            "question": "What does a trial cost in addition to its training?",
            "goal": "optimise",
            "base": {**_BASE, **changes.pop("base", {})},
            "space": {"scientific": {"g.lr": {"low": _LR[0], "high": _LR[1], "log": True}}},
            "n_configs": n_trials,
            "evaluation": {"samples": _EVALUATED},
            "tracking": dict(tracking),
            **changes,
        }
    )
    start = time.perf_counter()
    with (
        patch.dict(os.environ),
        contextlib.redirect_stdout(io.StringIO()),
    ):  # launch sets variables that disable loggers of Tune, which plain Tune must keep
        view = launch(spec, folder, progress=False)
    seconds = time.perf_counter() - start
    assert len(view.trials()) == n_trials
    return seconds


def _plain_tune(trainable: Any, n_trials: int, folder: Path) -> float:
    folder.mkdir(parents=True)
    tuner = tune.Tuner(
        trainable,
        param_space={"g.lr": tune.loguniform(*_LR)},
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


def as_function(config: dict[str, Any], *, base: Mapping[str, Any], source: Source, evaluator: Evaluator) -> None:
    """The same trial as a function trainable."""
    trial, finished = Trial(TrialConfig.from_flat({**base, **config}), source, evaluator), False
    while not finished:
        measured = trial.advance()
        finished = measured.finished
        tune.report({"images": measured.images, **measured.values})
