"""Trials of a study from which its search learns without having proposed them: those of the design before it, and those of a smaller space, before `--extend`."""

from collections.abc import Mapping
from typing import Any

from study.engine.earlier import earlier_of
from study.spec.extended import in_space
from study.spec.planned import GOALS
from study.spec.space import Space, read_space
from study.spec.study_spec import StudySpec
from study.store.records import Earlier, TrialRecord
from study.store.store import Store


class Unproposed:
    """A config is learned when all its trials have ended, as their mean."""

    def __init__(self, spec: StudySpec, store: Store):
        self.spec, self.store = spec, store
        self._since = store.first_in(spec.as_dict()["space"])
        self._alike: dict[str, list[str]] = {}  # config -> its trials
        self._spaces: dict[int, tuple[Space, Mapping[str, Any]]] = {}  # launch -> what varied and what did not
        for record in store.trials.values():
            if record in self:
                self._alike.setdefault(record.config_id, []).append(record.trial_id)

    def __contains__(self, record: TrialRecord) -> bool:
        return record.phase in GOALS and (record.phase != "optimise" or record.launch < self._since)

    def learned(self, record: TrialRecord) -> Earlier | None:
        """Return what the search learns now that this trial has ended; None if others of its config are open, or if it says nothing in the space now."""
        assert self.store.study
        alike = [self.store.trials[trial_id] for trial_id in self._alike[record.config_id]]
        if any(other.closed is None or other.needs_run(self.spec.max_failures) for other in alike) or record.closed_at < max(
            other.closed_at for other in alike
        ):
            return None
        values = self.values(record)
        return None if values is None else earlier_of(alike, self.spec, self.store.study, values=values)

    def values(self, record: TrialRecord) -> Mapping[str, Any] | None:
        """Return the values of a trial in the space now; None if it is outside."""
        if record.launch >= self._since:
            return {name: value for name, value in record.settings.items() if name in self.spec.space.domains}
        if record.launch not in self._spaces:
            then = self.store.studies[record.launch].spec
            self._spaces[record.launch] = read_space(then["space"]), then["base"]
        space, base = self._spaces[record.launch]
        return in_space({name: value for name, value in record.settings.items() if name in space.domains}, space, base, self.spec)
