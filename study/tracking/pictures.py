"""Which sample grids of a trial are shown, and when the last one is there."""

from ganstudy.known_settings import KnownSettings
from study.store.records import Ended, StudyRecord, TrialRecord

MOST = 20  # sample grids that a tracker shows of a trial
PICTURE_S = 5.0  # how long trackers wait for the sample grid of a tick, which is written after its measurement


def has_picture(trial: TrialRecord, study: StudyRecord, tick: int, known: KnownSettings, most: int = MOST) -> bool:
    """Whether the sample grid of a tick is shown: the first one, the last one of a trial that has ended, and others at equal distances of the budget.

    Of a trial, at most `most` are shown. The answer for a tick does not change as the trial goes on, so a tracker can show it at once. Only
    a trial that goes on after an error shows one more: the last before the error.
    """
    if trial.closed and tick == len(trial.measurements) - 1:
        return most > 0
    if most < 2:
        return False
    budget = round(1000 * _budget_kimg(trial, study, known))

    def passed(at: int) -> int:
        """How many of the places for a grid the trial has reached."""
        return min(trial.measurements[at].images, budget) * (most - 1) // budget

    return tick == 0 or passed(tick) > passed(tick - 1)


def caption(trial: TrialRecord, study: StudyRecord) -> str:
    """Return what the sample grids of a trial show, beyond samples; "" if nothing."""
    return "a row per class, the first 16 classes at most" if {**study.spec["base"], **trial.flat}.get("g.condition") else ""


def has_last_picture(trial: TrialRecord) -> bool:
    """Whether the sample grid of the last tick has been written, or never will be. It is written after the tick's measurement."""
    if trial.closed and trial.closed.ended in (Ended.DEAD, Ended.ERROR):
        return True
    return trial.last is None or trial.saved_images >= trial.last.images


def _budget_kimg(trial: TrialRecord, study: StudyRecord, known: KnownSettings) -> float:
    return float({**known.defaults, **study.spec.get("base", {}), **trial.flat}["budget_kimg"])
