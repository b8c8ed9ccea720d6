"""Tables of a study: pandas frames, and the TrialTable that `analysis` reads."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from analysis import Direction, TrialTable
from analysis.grades import GRADES as DIRECTIONS
from analysis.metrics import METRICS
from analysis.where import named, selected
from analysis.words import listed, plural
from ganstudy import UserError
from ganstudy.forms import is_range
from study.store.columns import GRADES, VALUES, Columns
from study.store.records import Ended, StudyRecord

_COST = "seconds"  # of training: an objective in addition to the metrics
_NULL = "default"  # the level of a choice that is null; None marks settings that do not apply


def trials_frame(columns: Columns, *, protocol: str) -> pd.DataFrame:
    """Return a row per trial_id: how it ended, outcome, whether it failed, onset, settings, last values, grades, diagnosis.

    A setting with the name of a metric or signal is `config.NAME`, as in `history_frame`.
    protocol: the hash of the study's evaluation protocol. attrs["baselines"]: the real-data baselines. attrs["protocol"]: the protocol.
    attrs["settings"]: the settings -> their columns.
    """
    trials, settings = columns.trials, _settings(columns.trials)
    names = _beside_values(settings, columns)
    found = {name: trials[name] for name in ("trial_id", "number", "config_id", "phase")}
    found["protocol"] = pd.Series(protocol, trials.index)
    found |= {name: trials[name] for name in ("ended", "outcome", "failed", "onset_kimg", "images", "seconds", "evaluation_seconds")}
    found |= {names[str(name)]: column for name, column in settings.items()}
    found["seed"] = trials["seed"]
    found |= _part(trials, VALUES)
    found |= _graded(trials, found, leave_out=("onset_kimg",))
    found |= {name: trials[name] for name in ("diagnosis", "reason", "failures")}
    frame = _next_to_baselines(columns.study, pd.DataFrame(found).set_index("trial_id"))
    frame.attrs["settings"] = names
    return frame


def history_frame(columns: Columns, *, settings: bool = False) -> pd.DataFrame:
    """Return a row per trial and tick: images, seconds and all values; with `settings`, also all settings of the trial and its seed.

    attrs["baselines"]: the real-data baselines.
    """
    ticks = columns.ticks(None)
    trial = ticks["trial"].to_numpy()
    ticks = ticks.drop(columns="trial").rename(columns=lambda name: name.removeprefix(VALUES))
    ticks.insert(0, "trial_id", columns.trials["trial_id"].take(trial).reset_index(drop=True))
    if settings:
        of_trials = _settings(columns.trials).assign(seed=columns.trials["seed"])
        of_trials = of_trials.rename(columns=_beside_values(of_trials, columns))
        ticks = pd.concat([ticks, of_trials.take(trial).reset_index(drop=True)], axis=1)
    return _next_to_baselines(columns.study, ticks)


def trial_table(columns: Columns, *, curves: bool = True, settings: bool = True) -> TrialTable:
    """Return the TrialTable that the functions of `analysis` read.

    curves: False leaves out curves and images, most of a large table. settings: False leaves out the settings, which a ranking does not need.
    """
    trials, study = columns.trials, columns.study
    space = study.spec["space"]
    ids = pd.Index(trials["trial_id"].to_numpy(dtype=object))
    names = columns.names if curves else ()
    at = _Grid(columns.ticks(["trial"])["trial"].to_numpy(), len(trials)) if curves else None
    final = _part(trials, VALUES)
    if (measured := trials["ticks"] > 0).any():
        final[_COST] = trials["seconds"].where(measured)
    final |= _graded(trials, final)

    def text(name: str) -> np.ndarray[Any, np.dtype[np.str_]]:
        of, texts = pd.factorize(trials[name])  # a large study repeats the same few
        return texts.to_numpy(dtype=object).astype(np.str_)[of]

    return TrialTable(
        trial_id=text("trial_id"),
        config_id=text("config_id"),
        seed=trials["seed"].to_numpy(dtype=np.int64),
        phase=text("phase"),
        ended=text("ended"),
        outcome=text("outcome"),
        diagnosis=text("diagnosis"),
        onset_kimg=trials["onset_kimg"].to_numpy(),
        settings=_asked(trials, space).set_axis(ids, axis=0) if settings else pd.DataFrame(index=ids),
        own_failures=trials["failed"].to_numpy(dtype=np.bool_) if study.spec.get("failure") else None,
        final=pd.DataFrame(final).set_axis(ids, axis=0),
        curves={name: at.filled(columns.ticks([VALUES + name])[VALUES + name]) for name in names} if at else {},
        images=at.filled(columns.ticks(["images"])["images"]) if at else np.zeros((len(trials), 0)),
        scientific=tuple(space["scientific"]) if settings else (),
        nuisance=tuple(space["nuisance"]) if settings else (),
        directions={
            **{name: metric.direction for name, metric in METRICS.items() if metric.direction},
            **DIRECTIONS,
            **study.objectives,
            _COST: Direction.MINIMIZE,
        },
        baselines=dict(study.baselines),
        notes=(f"A trial has failed if it died, or if {failure} at its end.",) if (failure := study.spec.get("failure")) else (),
        missing=_missing(columns),
        scales={
            name: "log" if form.get("log") else "linear"
            for part in (space["scientific"], space["nuisance"])
            for name, form in part.items()
            if is_range(form)
        },
    )


def trials_where(table: TrialTable, trials: pd.DataFrame, where: str) -> TrialTable:
    """Return the trials that meet a condition on settings and seeds, as a table that says so. trials: `trials_frame`, with the same rows.

    Raises UserError for anything else, and if no trial meets it.
    """
    settings = trials.attrs["settings"]
    if results := [name for name in named(where, trials.columns) if name not in {"seed", *settings.values()}]:
        same = [f". The setting {name} is {settings[name]} here" for name in results if name in settings]
        raise UserError(
            f"trials must be chosen by settings or by the seed here; {where!r} names {listed(results)}. What is found about trials that were "
            f"chosen by their results need not hold for new ones{''.join(same)}"
        )
    rows = selected(trials, where)
    if len(trials) and not rows.any():
        raise UserError(f"a condition must hold for some trial; of {plural(len(trials), 'trial')}, none meets {where!r}")
    return replace(table.where(rows), missing=" ".join(filter(None, [table.missing, f"Only the trials with {where}."])))


def _missing(columns: Columns) -> str:
    """Return which trials of the study have no end that says something about their settings, as a sentence; "" if all or none have one."""
    trials = columns.trials
    ends = trials["ended"][trials["ended"] != ""].tolist()
    total = max(columns.study.planned, len(trials))
    unfinished, crashed = total - len(ends), ends.count(Ended.ERROR)
    parts = [f"{unfinished} {'has' if unfinished == 1 else 'have'} not finished"] if unfinished else []
    parts += [f"{crashed} crashed"] if crashed else []
    return f"Of {plural(total, 'trial')}, {listed(parts)}; what follows is about the others." if parts and len(ends) > crashed else ""


def _asked(trials: pd.DataFrame, space: Mapping[str, Any]) -> pd.DataFrame:
    """Return all settings of each trial, without seeds, and those of the space also if they apply to no trial. Choices of the space are categories."""
    lists = {name: list(form) for name, form in {**space["scientific"], **space["nuisance"]}.items() if not is_range(form)}
    settings = _settings(trials, nulls=lists)
    asked = (*space["scientific"], *space["nuisance"])
    settings = settings.reindex(columns=[*settings.columns, *(name for name in asked if name not in settings)])
    for name, choices in lists.items():
        if not any(isinstance(choice, bool) for choice in choices):
            # keeps the order of the study file, whose first choice is the reference; a trial of phase ablate may have a default that is not listed
            known = [_NULL if choice is None else choice for choice in choices]
            others = [value for value in settings[name].dropna().unique() if value not in known]
            settings[name] = pd.Categorical(settings[name], categories=[*known, *others])
    return settings.drop(columns="seed", errors="ignore")


def _settings(trials: pd.DataFrame, *, nulls: Sequence[str] | Mapping[str, Any] = ()) -> pd.DataFrame:
    """Return all settings of each trial, without seeds. A None of a setting in `nulls` is "default"; NaN marks those that do not apply."""
    of, texts = pd.factorize(trials["settings"])  # trials of one config share theirs
    configs = json.loads(f"[{','.join(texts)}]")  # in one go, which is faster
    for config in configs:
        config |= {name: _NULL for name in nulls if name in config and config[name] is None}
    return pd.DataFrame(configs).take(of).reset_index(drop=True)


def _beside_values(settings: pd.DataFrame, columns: Columns) -> dict[str, str]:
    """Return the settings -> their columns in a frame that also has values; one with the name of a metric or signal is `config.NAME`."""
    taken = {*METRICS, *columns.names, *DIRECTIONS}
    return {str(name): f"config.{name}" if name in taken else str(name) for name in settings}


def _part(trials: pd.DataFrame, prefix: str) -> dict[str, pd.Series]:
    """Return the columns with a prefix, by their names without it."""
    return {name.removeprefix(prefix): trials[name] for name in trials.columns.astype(str) if name.startswith(prefix)}


def _graded(trials: pd.DataFrame, given: Mapping[str, pd.Series], *, leave_out: Sequence[str] = ()) -> dict[str, pd.Series]:
    """Return the grades; a grade that is unknown keeps the given value of the same name."""
    grades = {name: grade for name, grade in _part(trials, GRADES).items() if name not in leave_out}
    return {name: grade.fillna(given[name]) if name in given else grade for name, grade in grades.items()}


class _Grid:
    """Places the ticks of trials in an array [trials, ticks]."""

    def __init__(self, trial: np.ndarray[Any, np.dtype[np.int64]], n_trials: int):
        """trial: the row of the trial of each tick, in order."""
        counts = np.bincount(trial, minlength=n_trials)
        self.rows, self.places = trial, np.arange(len(trial)) - np.repeat(np.cumsum(counts) - counts, counts)
        self.shape = n_trials, int(counts.max(initial=0))

    def filled(self, values: pd.Series) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return a value of each tick as an array [trials, ticks], NaN after a trial's last tick."""
        out = np.full(self.shape, np.nan)
        out[self.rows, self.places] = values.to_numpy(dtype=np.float64)
        return out


def _next_to_baselines(study: StudyRecord, frame: pd.DataFrame) -> pd.DataFrame:
    frame.attrs = {"baselines": dict(study.baselines), "protocol": dict(study.protocol)}
    return frame
