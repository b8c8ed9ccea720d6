"""What happened to a trial, from its records: for tables, the display, W&B and Optuna alike."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from study.store.records import StudyRecord, TrialRecord

if TYPE_CHECKING:
    from analysis import Diagnosis


def diagnosis(trial: TrialRecord, study: StudyRecord) -> "Diagnosis":
    """Of a trial that still trains, as far as it came."""
    from analysis.diagnose import diagnose  # here, since it costs a second: a mirror needs it only once a trial was measured

    images, curves = curves_of([(measured.images, measured.values) for measured in trial.measurements])
    ended, finite = (trial.closed.ended.value, trial.closed.finite) if trial.closed else ("", True)
    return diagnose(images, curves, ended=ended, baselines=study.baselines, n_modes=study.n_modes, finite=finite)


def curves_of(ticks: Sequence[tuple[int, Mapping[str, float]]]) -> tuple[list[float], dict[str, list[float | None]]]:
    """Images of each tick, and name -> its value at each tick, None where it was not measured."""
    names = dict.fromkeys(name for _, values in ticks for name in values)
    return [float(images) for images, _ in ticks], {name: [values.get(name) for _, values in ticks] for name in names}
