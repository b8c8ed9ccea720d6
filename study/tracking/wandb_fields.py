"""What W&B shows of a trial: the name of its run, its config, its summary, and which of its sample grids."""

from collections.abc import Iterable, Mapping
from typing import Any

from analysis.words import value_text
from ganstudy.known_settings import KnownSettings
from study.store.records import Ended, StudyRecord, TrialRecord, mark
from study.store.settings import base_of, settings_of
from study.tracking.tracker import closing_fields

_NAME = 120  # characters; W&B takes 128


def run_name(trial: TrialRecord, study: StudyRecord, known: KnownSettings) -> str:
    """Return what a trial differs in from the study's base, and its seed: "r1, g.lr=0.0003, seed=4". A name is cut after 120 characters."""
    of_trial, of_base, space = settings_of(trial, study, known), base_of(study.spec, known), study.spec["space"]
    varied = [name for part in space.values() for name in part]
    forms = [form for part in space.values() for form in part.values() if isinstance(form, Mapping) and "low" not in form]
    inside = {name for form in forms for variant in form.values() for name in variant}  # the name of a variant says these
    parts = []
    for name in dict.fromkeys([*varied, *trial.settings, *of_trial]):
        value = of_trial.get(name)
        if name in known.unidentified or name in inside or value is None or value == of_base.get(name, known.defaults.get(name)):
            continue
        parts.append(name if value is True else f"{name}={value_text(value)}".replace("−", "-"))
    seed = f"seed={trial.flat['seed']}"
    text = ", ".join(parts) or "base"
    room = _NAME - len(seed) - 2
    return f"{text if len(text) <= room else text[: room - 1] + '…'}, {seed}"


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
