"""Tells faults of the machine from faults of configs, so that a full disk or a bad driver does not use up the tries of all trials."""

import re
from collections import Counter, defaultdict

from study.store.records import TrialRecord
from trainables.tune import WrongVersions

_CONFIGS = 3  # so many configs, or all of a smaller study, with the same error: no fault of a config
_CHANGING = re.compile(r"'[^']*'|\"[^\"]*\"|(?<!\w)/\S+|\b(?=\w*\d)\w+")  # quoted parts, paths, words with digits


class Faults:
    """The errors since a trial last worked.

    The same error in trials of several configs, while no trial gets as far as a checkpoint after training, is a fault of the machine or of code that all
    trials share. A worker with other versions is one by itself.
    """

    def __init__(self, *, n_configs: int):
        self.reason = ""  # why the study must stop; "" if there is no fault
        self._enough = max(2, min(_CONFIGS, n_configs))
        self._seen: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)  # kind of error -> how often it ended each (trial, config)

    def worked(self) -> None:
        """Note that a trial was trained and saved, or ended with a result: the machine is sound."""
        self._seen.clear()

    def failed(self, record: TrialRecord) -> dict[str, int]:
        """Note that a trial ended in an error. Returns the trials that get back the tries which a fault has cost -> how many."""
        assert record.closed
        last = (record.closed.reason.strip().splitlines() or ["without a message"])[-1]
        seen = self._seen[_CHANGING.sub("…", last)]
        seen[record.trial_id, record.config_id] += 1
        other_versions = f"{WrongVersions.__name__}: " in last
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
