"""The phases of a study, one after another. A phase begins when all trials of the phases before it have ended, and learns of its own from the records."""

from collections import Counter
from functools import cached_property

from study.engine.ablation import Ablation
from study.engine.adaptive import Adaptive
from study.engine.race import Race
from study.engine.samplers import Designed, Proposals
from study.engine.unproposed import Unproposed
from study.spec import design
from study.spec.space import Proposal
from study.spec.study_spec import StudySpec
from study.store.records import Measurement, TrialRecord, in_order
from study.store.store import Store


class Sequence:
    """The proposals of all phases of a study. Begins where its records end."""

    def __init__(self, spec: StudySpec, store: Store):
        self.spec, self.store = spec, store
        self.phase = spec.phase  # of the trial that `next` returned last
        self.proposals: dict[str, Proposals] = {}  # of the phases that have begun
        self.opened_in = Counter(record.phase for record in store.trials.values())
        self.open = {record.trial_id for record in store.trials.values() if not _has_ended(record, spec)}

    def next(self) -> Proposal | None:
        """Return the next new trial, which belongs to `phase`; None if there is none until an open trial ends, or at all."""
        for phase in self.spec.phase_names:
            if phase not in self.proposals:
                self._begin(phase)
            if proposal := self.proposals[phase].next(self.opened_in[phase]):
                self.phase = phase
                return proposal
            if any(self.store.trials[trial_id].phase == phase for trial_id in self.open):
                return None
        return None

    def opened(self, trial_id: str) -> None:
        """Set the id of the trial that `next` returned last, which is now in the records."""
        self.open.add(trial_id)
        self.opened_in[self.phase] += 1
        self.proposals[self.phase].opened(trial_id)

    def measured(self, trial_id: str, measurement: Measurement) -> None:
        """Add a measurement of a running trial."""
        record = self.store.trials[trial_id]
        if (proposals := self.proposals.get(record.phase)) and not (isinstance(proposals, Adaptive) and record in self.unproposed):
            proposals.measured(trial_id, measurement)

    def closed(self, record: TrialRecord) -> None:
        """Add the end of a trial that will not be run again."""
        self.open.discard(record.trial_id)
        for phase, proposals in self.proposals.items():
            self._tell(phase, proposals, record)

    def _begin(self, phase: str) -> None:
        """Make the proposals of a phase, from the trials that are recorded."""
        made = self.proposals[phase] = self._made(phase)
        for happened, record in in_order(self.store.trials.values()):
            if happened == "opened" and record.phase == phase:
                if isinstance(made, Adaptive) and record in self.unproposed:
                    made.skip(record)
                else:
                    made.replay(record)
            elif happened == "closed" and _has_ended(record, self.spec):
                self._tell(phase, made, record)

    def _made(self, phase: str) -> Proposals:
        match phase:
            case "explore":
                return Designed(self.spec.of_phase(phase))
            case "optimise":
                explored = self.spec.of_phase("explore").n_configs if "explore" in self.spec.phase_names else 0
                study = self.store.study
                return Adaptive(
                    self.spec.of_phase(phase), study, first=design.first_after(explored), earlier=study.earlier if study else ()
                )
            case "confirm":
                return Race(self.spec, self.store)
            case _:
                return Ablation(self.spec, self.store)

    def _tell(self, phase: str, made: Proposals, record: TrialRecord) -> None:
        """Tell the proposals of a phase that a trial has ended."""
        if isinstance(made, Adaptive) and record in self.unproposed:
            if known := self.unproposed.learned(record):
                made.learn(known)
        elif record.phase == phase:
            made.closed(record)

    @cached_property
    def unproposed(self) -> Unproposed:
        return Unproposed(self.spec, self.store)


def _has_ended(record: TrialRecord, spec: StudySpec) -> bool:
    return record.closed is not None and not record.needs_run(spec.max_failures)
