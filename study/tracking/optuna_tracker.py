"""Optuna tracker: writes finished trials to an Optuna storage, for optuna-dashboard."""

from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganstudy import UserError
from ganstudy.forms import are_variants
from ganstudy.masked import masked
from study.store.feasible import DEAD, excesses
from study.store.records import Ended, StudyRecord, TrialRecord, mark
from study.tracking.tracker import closing_fields

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial


def check_storage(address: str) -> None:
    """Raise UserError for an address that cannot be an Optuna storage. Connects to no server, since it may start later."""
    from sqlalchemy import make_url  # here for the same reason as below
    from sqlalchemy.exc import ArgumentError

    file, reason = address, "" if address else "it is empty"
    if "://" in address:
        try:
            url = make_url(address)
            url.get_dialect().import_dbapi()
            if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
                reason = "it names no file, so that it would be lost when the study ends"
        except (ArgumentError, ImportError) as error:
            reason = str(error)
        else:
            file = (url.database or "") if url.get_backend_name() == "sqlite" else ""
    if not reason and not (folder := Path(file).parent).is_dir():
        reason = f"the folder {folder} does not exist"
    if not reason and file and Path(file).is_dir():
        reason = f"{file} is a folder, not a file"
    if reason:
        raise UserError(
            "tracking.optuna must be the URL of a storage, such as sqlite:///digits.db, or the path of a journal file, such as digits.log; "
            f"given {masked(address)!r}: {masked(reason)}"
        )


class OptunaTracker:
    """Adds finished trials to the Optuna storage at `address`. The study's own sampler never reads it."""

    def __init__(self, address: str, study: StudyRecord):
        # here, as in all functions of this file, since a study without this tracker must not import Optuna
        import optuna
        from optuna.storages import BaseStorage, JournalStorage, RDBStorage
        from optuna.storages.journal import JournalFileBackend

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        storage: BaseStorage = RDBStorage(address) if "://" in address else JournalStorage(JournalFileBackend(address))
        for number in count():  # Optuna has one list of choices in all trials of a study, so a space with more choices is another one
            self.study = optuna.create_study(
                storage=storage,
                study_name=mark(study) + (f"-extended-{number}" if number else ""),
                directions=[optuna.study.StudyDirection[direction.name] for direction in study.objectives.values()],
                load_if_exists=True,
            )
            if not any(_has_other_choices(trial, study) for trial in self.study.get_trials(deepcopy=False)):
                break
        if len(study.objectives) > 1:
            self.study.set_metric_names(list(study.objectives))
        self.known = {trial.user_attrs.get("trial_id"): trial.state.name for trial in self.study.get_trials(deepcopy=False)}

    def update(self, trial: TrialRecord, study: StudyRecord, *, last: bool) -> bool:
        known = self.known.get(trial.trial_id)
        if trial.closed is None or known not in (None, "FAIL"):
            return True
        if trial.closed.ended is Ended.ERROR and trial.needs_run(study.spec["max_failures"]):
            return True
        made = _frozen_trial(trial, study)
        if made.state.name != known:  # one that was FAIL gets a second trial, since Optuna cannot change one that has ended
            self.study.add_trial(made)
            self.known[trial.trial_id] = made.state.name
        return True

    def close(self) -> None:
        pass


def _has_other_choices(trial: "FrozenTrial", study: StudyRecord) -> bool:
    """Whether a trial of the mirror has a setting with other choices than the space now."""
    space = {name: form for part in study.spec["space"].values() for name, form in part.items()}
    return any(
        hasattr(domain, "choices") and name in space and domain != distribution(space[name]) for name, domain in trial.distributions.items()
    )


def optuna_tracker(folder: Path, address: str, study: StudyRecord, limit_s: float) -> OptunaTracker:
    """The tracker as TRACKERS makes it."""
    return OptunaTracker(address, study)


def _frozen_trial(trial: TrialRecord, study: StudyRecord) -> "FrozenTrial":
    """A finished trial as an Optuna trial. Dead trials are PRUNED and infeasible; FAIL is for trials without evidence.

    With several objectives, Optuna knows no intermediate values, and a trial without a value of each has none. Its duration is the time of training
    and evaluation; it ends when it is mirrored, since the records hold no dates.
    """
    from optuna.trial import TrialState, create_trial  # here for the same reason

    assert trial.closed
    ended = trial.closed.ended
    states = {Ended.BUDGET: TrialState.COMPLETE, Ended.ERROR: TrialState.FAIL}
    state = states.get(ended, TrialState.PRUNED)
    curves = {
        metric: {measured.images: measured.values[metric] for measured in trial.measurements if metric in measured.values}
        for metric in study.objectives
    }
    single = len(curves) == 1
    last = [curve[max(curve)] for curve in curves.values() if curve]
    if state is TrialState.COMPLETE and len(last) < len(curves):  # a signal that this config does not have
        state = TrialState.FAIL
    valued = state is TrialState.COMPLETE or (single and ended is Ended.SCHEDULER)
    space = {name: distribution(form) for part in study.spec["space"].values() for name, form in part.items()}
    inside = {name: value for name, value in trial.settings.items() if name in space and _holds(space[name], value)}
    made = create_trial(
        state=state,
        values=last if valued and last else None,
        params=inside,
        distributions={name: space[name] for name in inside},
        intermediate_values=next(iter(curves.values())) if single else None,
        constraints={DEAD: 0.0, **excesses([trial], study)} if ended is not Ended.ERROR else None,  # feasible if ≤ 0
        user_attrs={"trial_id": trial.trial_id, "phase": trial.phase, "seed": trial.flat.get("seed"), **closing_fields(trial, study)},
    )
    if trial.measurements and made.datetime_complete:
        seconds = trial.measurements[-1].seconds + trial.measurements[-1].evaluation_seconds
        made.datetime_start = made.datetime_complete - timedelta(seconds=seconds)
    return made


def distribution(form: Any) -> "BaseDistribution":
    """The Optuna distribution of a setting in the format of the records: a list of choices, {low, high, log, step}, or variants by name.

    Does not use study.spec.space, which would import torch.
    """
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution  # here for the same reason

    if isinstance(form, list):
        return CategoricalDistribution(form)
    if are_variants(form):
        return CategoricalDistribution(list(form))  # the names of variants
    if isinstance(form["low"], int):
        return IntDistribution(form["low"], form["high"], log=form.get("log", False), step=form.get("step", 1))
    return FloatDistribution(form["low"], form["high"], log=form.get("log", False), step=form.get("step"))


def _holds(domain: "BaseDistribution", value: Any) -> bool:
    """Whether the value is in the domain. Trials of the phases confirm and ablate may be outside the space."""
    try:
        return domain._contains(domain.to_internal_repr(value))
    except ValueError:
        return False
