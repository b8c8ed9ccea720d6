"""What W&B shows of a trial: the config of its run, its summary, and its tags."""

from collections.abc import Iterable, Mapping
from typing import Any

from ganstudy.known_settings import KnownSettings
from study.store.records import Ended, StudyRecord, TrialRecord, mark
from study.store.settings import settings_of
from study.tracking.tracker import closing_fields


def run_config(trial: TrialRecord, study: StudyRecord, known: KnownSettings) -> dict[str, Any]:
    """Return all settings of a trial, defaults included, as nested dicts; its ids; the evaluation protocol and the real-data baselines.

    A setting that was left to the networks or the optimiser has the value that they had.
    """
    given = settings_of(trial, study, known)
    found = {name: value for name, value in trial.effective.items() if value is not None and given.get(name) is None}
    return {
        **nested({**given, **found, "study_id": mark(study), "trial_id": trial.trial_id, "config_id": trial.config_id}),
        "phase": trial.phase,
        "protocol": dict(study.protocol),
        "baselines": dict(study.baselines),
    }


def run_tags(trial: TrialRecord, outcome: str = "") -> list[str]:
    """Return the phase and, of a trial that has ended, its outcome; if it has none, how it ended."""
    ended = str(trial.closed.ended) if trial.closed else ""
    return [tag for tag in (trial.phase, outcome or ended) if tag]


def run_summary(trial: TrialRecord, study: StudyRecord) -> dict[str, Any]:
    """Return the summary of a trial that has ended: how it ended and why, its cost, and of each objective the best value and that at the end of the budget."""
    assert trial.closed
    found: dict[str, Any] = closing_fields(trial, study)
    last = trial.last
    found["cost_seconds"] = last.seconds + last.evaluation_seconds if last else 0.0
    for metric, direction in study.objectives.items():
        values = {m.images: m.values[metric] for m in trial.measurements if metric in m.values}
        if values:
            best = min(values, key=lambda images: direction.sign * values[images])
            found |= {f"best/{metric}": values[best], f"best/{metric}_images": best}
        if last and trial.closed.ended is Ended.BUDGET and metric in last.values:
            found[f"final/{metric}"] = last.values[metric]
    return found


def baselines_beside(values: Iterable[str], study: StudyRecord) -> dict[str, float]:
    """Return what real data score in the objectives and constrained metrics that were measured, as series of their own: {"baseline/fd": 0.4}."""
    shown = {*study.objectives, *(limit.name for limit in study.limits)}
    return {f"baseline/{name}": study.baselines[name] for name in values if name in shown and name in study.baselines}


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """{"g.lr": 1e-3, "r1": True, "r1.gamma": 2} -> {"g": {"lr": 1e-3}, "r1": {"on": True, "gamma": 2}}, which W&B displays with dots.

    A switch is always `r1.on`, so that it is one column for all trials. The data set's name is `data.name` if other data settings are given.
    """
    out: dict[str, Any] = {}
    for name, key in config_keys(flat).items():
        head, _, rest = key.partition(".")
        if rest:
            out.setdefault(head, {})[rest] = flat[name]
        else:
            out[head] = flat[name]
    return out


def config_keys(flat: Mapping[str, Any]) -> dict[str, str]:
    """Return the keys of settings in W&B: {"g.lr": "g.lr", "r1": "r1.on", "data": "data.name"}. See `nested`."""
    heads = {name.partition(".")[0] for name in flat if "." in name}

    def key(name: str, value: Any) -> str:
        if "." in name:
            return name
        return f"{name}.on" if isinstance(value, bool) else f"{name}.name" if name in heads else name

    return {name: key(name, value) for name, value in flat.items()}
