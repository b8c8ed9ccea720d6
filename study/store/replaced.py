"""A study of which no trial was trained makes room for another one in its folder."""

from pathlib import Path

from ganstudy import UserError
from study.store.layout import Layout
from study.store.records import Ended, TrialRecord
from study.store.store import Store


def may_be_replaced(store: Store) -> bool:
    """Whether no result would be lost if the study were not there: no trial was measured or saved after its start, or has an outcome.

    Never true of the copy of a study in an object store, where others may read it.
    """
    return not store.layout.origin.exists() and not any(map(_has_result, store.trials.values()))


def set_aside(folder: Path) -> Path:
    """Move all that a study has left in the folder into a new one inside it, and return that. The caller holds the lock of the folder.

    Raises UserError if a trial was trained since `may_be_replaced`.
    """
    layout = Layout(folder)
    if not may_be_replaced(Store(folder)):
        raise UserError(f"{folder} must hold no results to be replaced by another study; another process has just added some. Launch again")
    there = layout.replaced()
    there.mkdir()
    for path in layout.made:  # the records first: without them, the rest is no study
        path.rename(there / path.name)
    return there


def _has_result(record: TrialRecord) -> bool:
    trained = record.last is not None and record.last.images > 0
    return trained or record.saved_images > 0 or (record.closed is not None and record.closed.ended is not Ended.ERROR)
