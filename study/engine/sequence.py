"""The phases of a study, one after another. A phase begins when all trials of the phases before it have ended, and learns of its own from the records."""

from collections import Counter

from study.engine.ablation import Ablation
from study.engine.adaptive import Adaptive
from study.engine.earlier import earlier_of
from study.engine.race import Race
from study.engine.samplers import Designed, Proposals
from study.spec import design
from study.spec.planned import GOALS
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
        if proposals := self.proposals.get(self.store.trials[trial_id].phase):
            proposals.measured(trial_id, measurement)

    def closed(self, record: TrialRecord) -> None:
        """Add the end of a trial that will not be run again."""
        self.open.discard(record.trial_id)
        if proposals := self.proposals.get(record.phase):
            proposals.closed(record)

    def _begin(self, phase: str) -> None:
        """Make the proposals of a phase, from the trials that are recorded."""
        made: Proposals
        match phase:
            case "explore":
                made = Designed(self.spec.of_phase(phase))
            case "optimise":
                explored = self.spec.of_phase("explore").n_configs if "explore" in self.spec.phase_names else 0
                made = Adaptive(
                    self.spec.of_phase(phase),
                    self.store.study,
                    first=design.first_after(explored),
                    earlier=self.store.study.earlier if self.store.study else (),
                )
            case "confirm":
                made = Race(self.spec, self.store)
            case _:
                made = Ablation(self.spec, self.store)
        self.proposals[phase] = made
        for happened, record in in_order(self.store.trials.values()):
            if happened == "opened":
                if record.phase == phase:
                    made.replay(record)
            elif not _has_ended(record, self.spec):
                continue
            elif record.phase == phase:
                made.closed(record)
            elif isinstance(made, Adaptive) and record.phase in GOALS and (known := earlier_of(record, self.spec, self.store.study)):
                made.learn(known)


def _has_ended(record: TrialRecord, spec: StudySpec) -> bool:
    return record.closed is not None and not record.needs_run(spec.max_failures)
