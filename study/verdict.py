"""What happened to a trial, from its records: for tables, the display, W&B and Optuna alike."""

from typing import TYPE_CHECKING

from study.records import StudyRecord, TrialRecord

if TYPE_CHECKING:
    from analysis import Diagnosis


def diagnosis(trial: TrialRecord, study: StudyRecord) -> "Diagnosis":
    """Of a trial that still trains, as far as it came."""
    from analysis.diagnose import diagnose  # here, since it costs a second: a mirror needs it only once a trial was measured

    names = dict.fromkeys(name for measured in trial.measurements for name in measured.values)
    return diagnose(
        [measured.images for measured in trial.measurements],
        {name: [measured.values.get(name) for measured in trial.measurements] for name in names},
        ended=trial.closed.ended if trial.closed else "",
        floors=study.floors,
        n_modes=study.n_modes,
    )
