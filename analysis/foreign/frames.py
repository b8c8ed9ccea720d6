"""Runs in a frame as the fields of a TrialTable."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.foreign.columns import GivenEvidence, directions, ids, measured, require
from analysis.foreign.configs import conditional, config_ids, repeats, seed_of, seeds
from analysis.foreign.settings import cleaned
from analysis.foreign.states import ended_of
from analysis.foreign.verdicts import Verdicts, stopped_early, told, verdicts
from analysis.words import plural
from ganstudy import UserError
from ganstudy.ended import Ended

_PHASES = {"designed": "explore", "observed": "optimise"}


def table_fields(
    frame: pd.DataFrame,
    *,
    config: Sequence[str],
    objective: str | Sequence[str],
    direction: str | Mapping[str, str],
    seed: str | None = None,
    failed: str | None = None,
    evidence: GivenEvidence = "observed",
    nuisance: Sequence[str] = (),
    config_id: str | None = None,
    trial_id: str | None = None,
    state: str | None = None,
    steps: str | None = None,
    skip: bool = False,
    scales: Mapping[str, str] | None = None,
    likely_seed: str | None = None,
) -> dict[str, Any]:
    """Return the fields of a TrialTable; the arguments are those of `TrialTable.from_frame`.

    `skip` leaves out settings that cannot be settings instead of refusing them. `scales` gives the scales of settings that are known.
    `likely_seed` is called as a seed, and is taken as one if it is one.
    """
    _check_types(
        frame,
        lists={"config": config, "nuisance": nuisance, "objective": [objective] if isinstance(objective, str) else objective},
        names={"seed": seed, "config_id": config_id, "trial_id": trial_id, "state": state, "steps": steps, "failed": failed},
    )
    if evidence not in _PHASES:
        raise UserError(f"evidence must be 'designed' (settings were drawn at random before the runs) or 'observed'; got {evidence!r}")
    objectives = [objective] if isinstance(objective, str) else list(objective)
    asked = list(dict.fromkeys([*config, *nuisance]))
    if not asked or not objectives:
        raise UserError(
            f"config and objective must name a column each; got {asked} and {objectives}. The columns are {list(frame.columns)}"
        )
    if not len(frame):
        raise UserError(f"a table needs at least one run; the frame has the columns {list(frame.columns)} and no rows")
    frame = _named(frame).set_axis(pd.Index(ids(frame, trial_id)))
    for name in [*asked, *objectives, *filter(None, (seed, config_id, state, steps))]:
        require(frame, name)
    _check_roles(asked, {"seed": [seed], "config_id": [config_id], "state": [state], "objective": objectives})
    goals = directions(objectives, direction)
    settings, said = cleaned(frame, asked, skip=skip)
    if not len(settings.columns):
        raise UserError(f"config must name a setting that can be compared; none is left. {' '.join(said)}")
    values = pd.DataFrame({name: measured(frame[name]) for name in objectives})
    main = values[objectives[0]].to_numpy(dtype=np.float64)
    ended = ended_of(frame[state]) if state else np.full(len(frame), Ended.BUDGET.value)
    if steps:
        ended, more = stopped_early(measured(frame[steps]), main, ended)
        said += more
    found = verdicts(frame.assign(**values), main, ended, failed=failed)
    if evidence == "designed" and (n := int((found.ended == Ended.SCHEDULER).sum())):
        raise UserError(
            f"designed evidence needs runs that nothing stopped because of their results; {n} of {plural(len(frame), 'run')} were stopped "
            "early. Say evidence='observed'"
        )
    if likely_seed:
        seed, more = seed_of(frame, likely_seed, found.outcome != "")
        said += more
    blank = settings.isna().all(axis=1).to_numpy(dtype=bool) & (found.outcome == "")
    again = repeats(settings.join(values), frame, seed, found.outcome)
    for dropped, why in ((blank, "without settings and without a value"), (again, "with settings, seed and objective of another run")):
        said += [f"{plural(int(dropped.sum()), 'row')} {why} {'was' if dropped.sum() == 1 else 'were'} left out."] if dropped.any() else []
    rows = np.flatnonzero(~blank & ~again)
    settings, values, frame = settings.iloc[rows], values.iloc[rows], frame.iloc[rows]
    found = Verdicts(found.outcome[rows], found.ended[rows], found.why[rows])
    configs = config_ids(settings, frame, config_id, named=trial_id is not None)
    numbered, more = seeds(frame, seed, configs, found.outcome != "")
    said += (
        more + conditional(settings) + told(frame, found, objective=objectives[0], failed=failed, states=frame[state] if state else None)
    )
    varied = [str(name) for name in settings.columns if settings[name].nunique() > 1]
    return {
        "trial_id": np.array(frame.index, dtype=np.str_),
        "config_id": configs,
        "seed": numbered,
        "phase": np.full(len(frame), _PHASES[evidence]),
        "ended": found.ended,
        "outcome": found.outcome,
        "diagnosis": found.why,
        "onset_kimg": np.full(len(frame), np.nan),
        "settings": settings,
        "final": values.where(np.isfinite(values)),
        "curves": {},
        "images": np.empty((len(frame), 0)),
        "scientific": tuple(name for name in varied if name not in nuisance),
        "nuisance": tuple(name for name in varied if name in nuisance),
        "directions": goals,
        "baselines": {},
        "foreign": True,
        "scales": {name: scale for name, scale in (scales or {}).items() if name in settings.columns},
        "notes": tuple(said),
    }


def _check_types(frame: object, *, lists: Mapping[str, object], names: Mapping[str, object]) -> None:
    """Raise UserError for arguments of a wrong type: columns are named by texts."""
    if not isinstance(frame, pd.DataFrame):
        raise UserError(f"runs must be a pandas DataFrame with a row per run; got a value of type {type(frame).__name__}")
    for role, given in lists.items():
        if not isinstance(given, list | tuple | pd.Index) or not all(isinstance(name, str) for name in given):
            example = "'loss' or ['loss', 'acc']" if role == "objective" else "['lr', 'depth']"
            raise UserError(f"{role} must list columns by their names, such as {role}={example}; got {_shown(given)}")
    for role, given in names.items():
        if not isinstance(given, str | None):
            also = " or a condition, such as failed='loss > 3'" if role == "failed" else ""
            raise UserError(f"{role} must be the name of a column{also}; got {_shown(given)}")


def _shown(given: object) -> str:
    text = repr(given)
    return text if len(text) < 80 and "\n" not in text else f"a value of type {type(given).__name__}"


def _named(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with texts as names of its columns. Raises UserError if a name is repeated."""
    names = pd.Index([str(name) for name in frame.columns])
    if not names.is_unique:
        raise UserError(f"the columns of a frame must have distinct names; {sorted(set(names[names.duplicated()]))} are repeated")
    return frame.set_axis(names, axis=1)


def _check_roles(settings: Sequence[str], roles: Mapping[str, Sequence[str | None]]) -> None:
    for role, columns in roles.items():
        for name in columns:
            if name in settings:
                raise UserError(f"config must name settings only; {name!r} is the {role}. Leave it out of config")
