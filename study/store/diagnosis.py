"""The diagnosis of a trial, from its records. Tables, the display, W&B and Optuna all use it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from study.store.records import StudyRecord, TrialRecord

if TYPE_CHECKING:
    from analysis import Diagnosis


def diagnosis(trial: TrialRecord, study: StudyRecord) -> "Diagnosis":
    """Return the diagnosis of a trial; of an unfinished trial, from its measurements so far."""
    from analysis.diagnose import diagnose  # here, since it costs a second, and a mirror needs it only after the first measurement

    images, curves = curves_of([(measured.images, measured.values) for measured in trial.measurements])
    ended, finite = (trial.closed.ended.value, trial.closed.finite) if trial.closed else ("", True)
    return diagnose(images, curves, ended=ended, baselines=study.baselines, n_modes=study.n_modes, finite=finite)


def curves_of(ticks: Sequence[tuple[int, Mapping[str, float]]]) -> tuple[list[float], dict[str, list[float | None]]]:
    """Split (images, values) of each tick into images [ticks] and name -> values [ticks], None where a value was not measured."""
    names = dict.fromkeys(name for _, values in ticks for name in values)
    return [float(images) for images, _ in ticks], {name: [values.get(name) for _, values in ticks] for name in names}
