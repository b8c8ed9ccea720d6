"""Proposals: what each phase of a study is. `Designed` lists all trials beforehand; `Adaptive` of adaptive.py asks an Optuna sampler."""

from abc import ABC, abstractmethod

from study.spec.space import Proposal
from study.spec.study_spec import StudySpec
from study.store.records import Measurement, TrialRecord


class Proposals(ABC):
    """The proposals of one phase, which may learn how its trials go. A trial is told in this order: opened or replay, measured, closed."""

    @abstractmethod
    def next(self, number: int) -> Proposal | None:
        """Return the next new trial; None if there is none until an open trial ends, or at all. number: how many trials were proposed before."""

    def opened(self, trial_id: str) -> None:  # noqa: B027  # a design learns nothing
        """Set the id of the trial that `next` returned last."""

    def replay(self, record: TrialRecord) -> None:  # noqa: B027
        """Add a trial of an earlier driver, with its measurements. Its end is reported with `closed`."""

    def measured(self, trial_id: str, measurement: Measurement) -> None:  # noqa: B027
        """Add a measurement of a running trial."""

    def closed(self, record: TrialRecord) -> None:  # noqa: B027
        """Add the end of a trial that will not be run again."""


class Designed(Proposals):
    """Every trial of a design, once. Ignores results, so settings stay randomised and their effects are causal."""

    def __init__(self, spec: StudySpec):
        # by seed, which identifies a trial of a design; the next one is the last
        self.remaining = {proposal.flat["seed"]: proposal for proposal in reversed(spec.designed())}

    def next(self, number: int) -> Proposal | None:
        return self.remaining.popitem()[1] if self.remaining else None

    def replay(self, record: TrialRecord) -> None:
        self.remaining.pop(record.flat["seed"], None)
