"""How many trials of a study have ended, as trackers count them."""

from dataclasses import replace

import numpy as np
from recorded import STUDY

from study.store.records import Closed, Ended, TrialRecord
from study.tracking.runs import Ends


class Once(dict[str, bool]):
    """May be asked for one trial at a time, and not for all."""

    def values(self) -> None:  # type: ignore[override]
        raise AssertionError("adding all up at each update takes a time that grows with the square of the trials")

    __iter__ = items = values  # type: ignore[assignment]


def test_trials_are_counted_as_they_end_and_when_they_are_tried_again() -> None:
    rng, counted, known = np.random.default_rng(0), Ends(), dict[str, bool]()
    counted._of = Once()
    study = replace(STUDY, n_trials=20)
    assert study.planned == 20
    for _ in range(2000):
        name, ended = f"t{rng.integers(20)}", bool(rng.random() < 0.9)
        known[name] = ended
        trial = TrialRecord(trial_id=name, number=0, flat={}, closed=Closed(ended=Ended.BUDGET) if ended else None)
        assert counted.count(trial) == sum(known.values())
        assert counted.are_all(study) == (len(known) == 20 and all(known.values()))
    assert not counted.are_all(replace(study, n_trials=21))
