"""What the terminal says of a tracker that does not have everything."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ganstudy.command import command
from study.store.layout import Layout, shown
from study.store.store import Store
from study.tracking import mlflow_tracker
from study.tracking.runs import state, written

_NAMES = {"wandb": "W&B", "tensorboard": "TensorBoard", "mlflow": "MLflow", "optuna": "Optuna"}


def failure(folder: Path, name: str, problem: str, config: Any) -> str:
    """Return which tracker it is, why, what is missing there, that the results are whole, and how the rest is sent. name, config: as in Tracking.active."""
    count: dict[str, Callable[[], str]] = {"wandb": lambda: _missing_runs(folder), "mlflow": lambda: mlflow_tracker.unsent(folder, config)}
    missing = count.get(name, str)()
    sync = f", or {command('sync', shown(folder))}," if name == "wandb" else ""
    return (
        f"{_NAMES.get(name, name)}: {problem}{missing and f'; {missing}'}. The results of the study are whole; "
        f"{command('resume', shown(folder))}{sync} sends the rest. Details are in {Layout(folder).tracking_log}"
    )


def _missing_runs(folder: Path) -> str:
    """How many W&B runs are incomplete, as a phrase; "" if none is."""
    done, trials = written(Layout(folder).sent("wandb")), Store(folder).trials.values()
    missing = sum(done.get(trial.trial_id) != state(trial) for trial in trials)
    return f"{missing} of {len(trials)} runs are not complete there" if missing else ""
