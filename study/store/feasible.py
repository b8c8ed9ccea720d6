"""How far trials are beyond the constraints of their study, as Optuna takes it: a trial is feasible if no number is above 0."""

from collections.abc import Sequence
from statistics import fmean

from ganstudy.limits import FAILED
from study.store.diagnosis import diagnosis, has_failed
from study.store.records import Ended, StudyRecord, TrialRecord

DEAD = "dead"


def excesses(trials: Sequence[TrialRecord], study: StudyRecord) -> dict[str, float]:
    """Return by how much trials of one config are beyond each constraint; above 0: they do not keep to it.

    `dead` is 1 if all died, and then the only one. Of a study with constraints or several objectives, `failed` is the share that failed minus
    its limit (0 if the study has none), and a metric or signal is `Limit.excess` of the mean of the trials that did not fail, or if all failed,
    of all. One that was not measured counts as beyond its limit by the whole bound, since nothing shows that it keeps to it. Trials
    that a scheduler stopped, or that ended in an error, say nothing.
    """
    judged = [trial for trial in trials if trial.closed and trial.closed.ended in (Ended.BUDGET, Ended.DEAD)]
    lived = [trial for trial in judged if trial.closed and trial.closed.ended is Ended.BUDGET]
    if not lived:
        return {DEAD: 1.0} if judged else {}
    if not study.limits and len(study.objectives) == 1:
        return {}
    failed = [has_failed(trial, study, diagnosis(trial, study)) for trial in lived]
    shown = [trial for trial, bad in zip(lived, failed, strict=True) if not bad] or lived
    share = (sum(failed) + len(judged) - len(lived)) / len(judged)
    found = {FAILED: share}
    for limit in study.limits:
        if limit.name == FAILED:
            found[FAILED] = share - limit.bound
            continue
        values = [trial.last.values[limit.name] for trial in shown if trial.last and limit.name in trial.last.values]
        found[limit.name] = limit.excess(fmean(values)) if values else 1.0
    return found
