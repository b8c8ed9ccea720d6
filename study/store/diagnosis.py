"""The diagnosis of a trial, from its records. Tables, the display, W&B and Optuna all use it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from study.store.records import Ended, StudyRecord, TrialRecord

if TYPE_CHECKING:
    from analysis import Diagnosis


def diagnosis(trial: TrialRecord, study: StudyRecord) -> "Diagnosis":
    """Return the diagnosis of a trial; of an unfinished trial, from its measurements so far."""
    from analysis.diagnose import diagnose  # here, since it costs a second, and a mirror needs it only after the first measurement

    images, curves = curves_of([(measured.images, measured.values) for measured in trial.measurements])
    ended, finite = (trial.closed.ended.value, trial.closed.finite) if trial.closed else ("", True)
    return diagnose(images, curves, ended=ended, baselines=study.baselines, n_modes=study.n_modes, finite=finite)


def grades_of(trial: TrialRecord, study: StudyRecord, found: "Diagnosis") -> dict[str, float]:
    """Return the grades of a trial with the diagnosis `found`; see analysis.grades."""
    from analysis.grades import grades  # here for the same reason

    images, curves = curves_of([(measured.images, measured.values) for measured in trial.measurements])
    return grades(images, curves, found, baselines=study.baselines, n_modes=study.n_modes)


def has_failed(trial: TrialRecord, study: StudyRecord, found: "Diagnosis") -> bool:
    """Whether a trial with the diagnosis `found` has failed: by the study's own definition, if it has one, or else by its outcome.

    A dead trial has failed in any case. A trial that is unfinished, or that ended in an error, has not.
    """
    from analysis.outcomes import FAILURES  # here for the same reason

    if not trial.closed or trial.closed.ended is Ended.ERROR:
        return False
    if not (own := study.spec.get("failure")):
        return found.outcome in FAILURES
    from study.spec.failure import Failure  # here for the same reason

    values = {**(trial.last.values if trial.last else {}), **grades_of(trial, study, found)}
    return trial.closed.ended is Ended.DEAD or Failure(own, values).holds(values)


def curves_of(ticks: Sequence[tuple[int, Mapping[str, float]]]) -> tuple[list[float], dict[str, list[float | None]]]:
    """Split (images, values) of each tick into images [ticks] and name -> values [ticks], None where a value was not measured."""
    curves: dict[str, list[float | None]] = {}
    for tick, (_, values) in enumerate(ticks):
        for name, value in values.items():  # looking up each value by its name takes twice as long
            if name not in curves:
                curves[name] = [None] * len(ticks)
            curves[name][tick] = value
    return [float(images) for images, _ in ticks], curves
