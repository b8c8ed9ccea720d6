"""Finished trials in an Optuna storage, for optuna-dashboard."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.store.records import Ended, StudyRecord, TrialRecord, mark
from study.tracking.tracker import verdict

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial


class OptunaTracker:
    """Finished trials, for optuna-dashboard. The study's own search never looks at them."""

    def __init__(self, address: str, study: StudyRecord):
        # here, as in all functions of this file: a study that has no such tracker must not pay for the import of Optuna
        import optuna
        from optuna.storages import BaseStorage, JournalStorage, RDBStorage
        from optuna.storages.journal import JournalFileBackend

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        storage: BaseStorage = RDBStorage(address) if "://" in address else JournalStorage(JournalFileBackend(address))
        self.study = optuna.create_study(
            storage=storage, study_name=mark(study), direction=study.spec["objective"]["direction"], load_if_exists=True
        )
        self.known = {trial.user_attrs.get("trial_id") for trial in self.study.get_trials(deepcopy=False)}

    def update(self, trial: TrialRecord, study: StudyRecord, *, last: bool) -> bool:
        if trial.closed is None or trial.trial_id in self.known:
            return True
        if trial.closed.ended is Ended.ERROR and trial.needs_run(study.spec["max_failures"]):
            return True
        self.study.add_trial(frozen_trial(trial, study))
        self.known.add(trial.trial_id)
        return True

    def close(self) -> None:
        pass


def optuna_tracker(folder: Path, address: str, study: StudyRecord, limit_s: float) -> OptunaTracker:
    """For TRACKERS."""
    return OptunaTracker(address, study)


def frozen_trial(trial: TrialRecord, study: StudyRecord) -> "FrozenTrial":
    """A closed trial as Optuna knows it. A dead one is pruned and infeasible, since FAIL is for what carries no evidence."""
    from optuna.trial import TrialState, create_trial  # here for the same reason

    assert trial.closed
    ended = trial.closed.ended
    metric = study.spec["objective"]["metric"]
    curve = {measured.images: measured.values[metric] for measured in trial.measurements if metric in measured.values}
    space = {name: distribution(form) for part in study.spec["space"].values() for name, form in part.items()}
    inside = {name: value for name, value in trial.settings.items() if name in space and _holds(space[name], value)}
    states = {Ended.BUDGET: TrialState.COMPLETE, Ended.ERROR: TrialState.FAIL}
    return create_trial(
        state=states.get(ended, TrialState.PRUNED),
        value=curve[max(curve)] if curve and ended in (Ended.BUDGET, Ended.SCHEDULER) else None,
        params=inside,
        distributions={name: space[name] for name in inside},
        intermediate_values=curve,
        constraints={"dead": float(ended is Ended.DEAD)} if ended is not Ended.ERROR else None,  # met where ≤ 0
        user_attrs={"trial_id": trial.trial_id, "phase": trial.phase, "seed": trial.flat.get("seed"), **verdict(trial, study)},
    )


def distribution(form: Any) -> "BaseDistribution":
    """Of a space as the records hold it: a list of choices, {low, high, log, step}, or variants by name. study.space would cost the import of torch."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution  # here for the same reason

    if isinstance(form, list):
        return CategoricalDistribution(form)
    if "low" not in form:
        return CategoricalDistribution(list(form))  # the names of variants
    if isinstance(form["low"], int):
        return IntDistribution(form["low"], form["high"], log=form.get("log", False), step=form.get("step", 1))
    return FloatDistribution(form["low"], form["high"], log=form.get("log", False), step=form.get("step"))


def _holds(domain: "BaseDistribution", value: Any) -> bool:
    """Confirmed and ablated trials may lie outside of the space."""
    try:
        return domain._contains(domain.to_internal_repr(value))
    except ValueError:
        return False
