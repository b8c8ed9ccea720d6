"""The words with which trackers say how a run ended.

| ended     | Optuna                     | Weights & Biases                   | Ray Tune          |
|-----------|----------------------------|------------------------------------|-------------------|
| budget    | COMPLETE                   | finished                           | TERMINATED        |
| scheduler | PRUNED                     |                                    |                   |
| error     | FAIL                       | failed, crashed, killed, preempted | ERROR             |
| ""        | RUNNING, WAITING           | running, pending, preempting       | RUNNING, PENDING, PAUSED |

FAIL, failed and ERROR mean that the program raised an exception. The settings may have caused it, or the machine: only who ran it knows.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from ganstudy import UserError
from ganstudy.ended import Ended

STATES: Mapping[str, str] = {
    **dict.fromkeys(("complete", "completed", "finished", "terminated", "done", "success", "succeeded"), Ended.BUDGET.value),
    **dict.fromkeys(("pruned", "stopped", "early_stopped"), Ended.SCHEDULER.value),
    **dict.fromkeys(("fail", "failed", "error", "crashed", "killed", "preempted", "canceled", "cancelled"), Ended.ERROR.value),
    **dict.fromkeys(("running", "waiting", "pending", "paused", "preempting", "queued"), ""),
}


def ended_of(states: pd.Series) -> npt.NDArray[np.str_]:
    """Return how each run ended: values of `Ended`, "" while unfinished. A missing state is unfinished. Raises UserError for unknown words."""
    words = states.astype(object).where(states.notna(), "running").map(lambda state: str(state).strip().lower())
    if unknown := sorted(set(words) - set(STATES)):
        raise UserError(
            f"states must be among {sorted(STATES)}, in any case; column {states.name!r} holds {unknown}. Rename them, or leave the column out"
        )
    return np.array([STATES[word] for word in words], dtype=np.str_)
