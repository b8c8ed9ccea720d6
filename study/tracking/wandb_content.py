"""What the W&B workspace and report of a study show, as plain values: `study.tracking.results` computes them, `wandb_pages` lays them out."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from analysis import Direction
from analysis.metrics import METRICS
from study.store.records import mark
from study.store.settings import settings_of
from study.tracking.wandb_fields import config_keys
from study.views import StudyView
from trainables.config import known_settings

_TRIALS = 1000  # whose outcomes are coloured, the newest ones; W&B draws fewer curves
_METRICS = 12  # with a chart of their own
_DECADE = 10.0  # distances that span more than this factor are drawn on a log scale; shares, which are better if larger, never are


def content_of(view: StudyView) -> dict[str, Any]:
    """Return names, outcomes, settings and metrics of a study.

    mark, name, question: of the study. outcomes: trial id -> outcome of trials that have ended. settings: those of the space, the scientific ones first,
    each with its name, its key in W&B, and whether it is searched on a log scale. metrics: objectives, constrained metrics and others, each with its
    name, whether it is an objective, whether there is a real-data baseline beside it in W&B, and whether it is drawn on a log scale.
    """
    study, trials = view.study, view.recorded.columns.trials
    ended = trials[trials["ended"] != ""].tail(_TRIALS)
    return {
        "mark": mark(study),
        "name": study.spec["name"],
        "question": study.spec["question"],
        "outcomes": dict(zip(ended["trial_id"].tolist(), ended["outcome"].tolist(), strict=True)),
        "settings": _settings(view),
        "metrics": _metrics(view),
    }


def _settings(view: StudyView) -> list[dict[str, Any]]:
    """Return the settings of the space. A key in W&B depends on what a setting is in the trials: a switch has `.on`."""
    keys: dict[str, str] = {}
    forms = {name: form for part in ("scientific", "nuisance") for name, form in view.study.spec["space"].get(part, {}).items()}
    for trial_id in view.recorded.trial_ids:
        if forms.keys() <= keys.keys():
            break
        keys = {**config_keys(settings_of(view.recorded.record(trial_id), view.study, known_settings())), **keys}
    return [
        {"name": name, "key": keys[name], "log": isinstance(form, Mapping) and bool(form.get("log"))}
        for name, form in forms.items()
        if name in keys
    ]


def _metrics(view: StudyView) -> list[dict[str, Any]]:
    measured, objectives = set(view.recorded.columns.names), view.study.objectives
    beside = [*objectives, *(limit.name for limit in view.study.limits)]
    names = [name for name in dict.fromkeys([*beside, *METRICS]) if name in measured][:_METRICS]
    ticks = view.recorded.columns.ticks([f"values.{name}" for name in names]) if names else None
    return [
        {
            "name": name,
            "objective": name in objectives,
            "baseline": name in beside and name in view.study.baselines,
            "log": ticks is not None
            and (objectives[name] if name in objectives else METRICS[name].direction) is Direction.MINIMIZE
            and _spans_decades(ticks[f"values.{name}"].to_numpy(dtype=float)),
        }
        for name in names
    ]


def _spans_decades(values: np.ndarray) -> bool:
    found = values[np.isfinite(values)]
    return bool(len(found)) and bool(found.min() > 0) and bool(found.max() > _DECADE * found.min())
