"""Phase confirm: the most likely best configs of the phases before, trained again with fresh seeds, as a race (`analysis.race`)."""

import logging
from collections.abc import Iterable
from itertools import count

from analysis import TrialTable
from analysis.race import contenders, survivors
from study.engine.samplers import Proposals
from study.spec import design
from study.spec.planned import GOALS
from study.spec.space import Proposal
from study.spec.study_spec import StudySpec
from study.store.columns import columns_of
from study.store.records import Ended, TrialRecord
from study.store.store import Store
from study.store.tables import trial_table

log = logging.getLogger(__name__)

_UNJUDGED = 2  # rounds before the first config may leave, since one value of each config does not tell noise from differences


class Race(Proposals):
    """Rounds of one fresh seed for each config that is still in the race. A round begins when all trials of the one before it have ended.

    All configs have the same seeds, which no trial of the phases before has. Everything follows from the records, so a resumed race goes on as if it
    had not been interrupted.
    """

    def __init__(self, spec: StudySpec, store: Store):
        assert spec.phases
        assert spec.phases.confirm
        self.spec, self.store, self.settings = spec, store, spec.phases.confirm
        before = [record for record in store.trials.values() if record.phase in GOALS]
        own = self._own()
        self.samples = {record.config_id: record for record in before}  # a trial of each config
        self.seeds = _fresh_seeds(spec, {record.flat["seed"] for record in before}, own)[: self.settings.seeds]
        chosen = contenders(self._table(before), [each.metric for each in spec.objectives], self.settings.top, limits=spec.limits)
        self.racing = list(dict.fromkeys([*chosen, *(record.config_id for record in own)]))
        if not self.racing:
            log.warning(
                "nothing to confirm: no trial of the phases before reached its budget without failing"
                + (", in a config that keeps to the constraints" if spec.limits else "")
            )
        self.tried = {(record.config_id, record.flat["seed"]) for record in own}
        self.round = 0

    def next(self, number: int) -> Proposal | None:
        while self.racing and self.round < len(self.seeds):
            seed = self.seeds[self.round]
            for config in self.racing:
                if (config, seed) not in self.tried:
                    self.tried.add((config, seed))
                    return Proposal({**self.samples[config].flat, "seed": seed}, dict(self.samples[config].variants))
            played = [record for record in self._own() if record.flat["seed"] in self.seeds[: self.round + 1]]
            if any(self._runs_on(record) for record in played):
                return None
            self.round += 1
            if _UNJUDGED <= self.round < len(self.seeds) and len(self.racing) > 1:
                self._judge(played)
        return None

    def _runs_on(self, record: TrialRecord) -> bool:
        """Whether a trial may get another value. The checkpoint of its last tick, which is recorded after its end, does not matter here."""
        return record.closed is None or (record.closed.ended is Ended.ERROR and record.needs_run(self.spec.max_failures))

    def _judge(self, played: list[TrialRecord]) -> None:
        """Let configs leave the race. The accepted error is for all that have left; an equal part of it is added in each round."""
        error = self.settings.error * (self.round - _UNJUDGED + 1) / (self.settings.seeds - _UNJUDGED)
        stay = survivors(self._table(played), [each.metric for each in self.spec.objectives], error=error, limits=self.spec.limits)
        self.racing = [config for config in stay if config in self.racing]

    def _own(self) -> list[TrialRecord]:
        return [record for record in self.store.trials.values() if record.phase == "confirm"]

    def _table(self, records: Iterable[TrialRecord]) -> TrialTable:
        assert self.store.study
        return trial_table(columns_of(list(records), self.store.study), curves=False)


def _fresh_seeds(spec: StudySpec, used: set[int], own: list[TrialRecord]) -> list[int]:
    """Return the seeds of the trials of this phase, in order, and then more that no trial has."""
    assert spec.phases
    assert spec.phases.confirm
    known = list(dict.fromkeys(record.flat["seed"] for record in own))
    more = (seed for n in count() if (seed := design.fresh_seed(spec.design_seed, n)) not in used and seed not in known)
    return known + [next(more) for _ in range(spec.phases.confirm.seeds)]
