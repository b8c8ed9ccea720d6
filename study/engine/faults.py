"""Tells faults of the machine from faults of configs, so that a full disk or a bad driver does not use up the tries of all trials."""

import re
from collections import Counter, defaultdict

from study.store.records import Closed, Ended, TrialRecord
from trainables.tune import WrongVersions

_CONFIGS = 3  # so many configs, or all of a smaller study, with the same error: no fault of a config
_CHANGING = re.compile(r"'[^']*'|\"[^\"]*\"|(?<!\w)/\S+|\b(?=\w*\d)\w+")  # quoted parts, paths, words with digits


class Faults:
    """The errors since a trial last worked.

    The same error in trials of several configs, while no trial gets as far as a checkpoint after training, is a fault of the machine or of code that all
    trials share. A worker with other versions is one by itself. A trial that ends again as it did before others worked is its own fault: at the end of
    a study, when nothing else is left to train, such trials follow each other.
    """

    def __init__(self, *, n_configs: int):
        self.reason = ""  # why the study must stop; "" if there is no fault
        self._enough = max(2, min(_CONFIGS, n_configs))
        self._seen: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)  # kind of error -> how often it ended each (trial, config)

    def worked(self) -> None:
        """Note that a trial was trained and saved, or ended with a result: the machine is sound."""
        self._seen.clear()

    def failed(self, record: TrialRecord, *, before: Closed | None = None) -> dict[str, int]:
        """Note that a trial ended in an error. Returns the trials that get back the tries which a fault has cost -> how many.

        before: how the trial ended at its last try, if it has not reached a tick since.
        """
        assert record.closed
        last = _last_line(record.closed)
        seen = self._seen[_kind(last)]
        other_versions = f"{WrongVersions.__name__}: " in last
        again = before is not None and before.ended is Ended.ERROR and _kind(_last_line(before)) == _kind(last)
        key = record.trial_id, record.config_id
        if again and record.failures > 1 and key not in seen and not other_versions and not self.reason:
            return {}
        seen[key] += 1
        configs = len({config for _, config in seen})
        if configs < self._enough and not other_versions and not self.reason:
            return {}
        if other_versions:
            self.reason = self.reason or last.partition(f"{WrongVersions.__name__}: ")[2]
        else:
            self.reason = self.reason or (
                f"trials of {configs} configs, one after the other, ended in the same error, so the machine or the code must be at fault, not a config: {last}"
            )
        given_back = {trial: tries for (trial, _), tries in seen.items()}
        seen.clear()
        return given_back


def _last_line(closed: Closed) -> str:
    return (closed.reason.strip().splitlines() or ["without a message"])[-1]


def _kind(line: str) -> str:
    """Return what the last lines of the same error have in common."""
    return _CHANGING.sub("…", line)
