"""Proposals: what to try next. `Designed` lists all trials beforehand; `Adaptive` of adaptive.py asks an Optuna sampler."""

from typing import Protocol

from study.spec.space import Proposal
from study.spec.study_spec import StudySpec
from study.store.records import Measurement, TrialRecord


class Proposals(Protocol):
    """What `Search` takes proposals from and reports results to."""

    def next(self, number: int) -> Proposal | None:
        """The next new trial; None if there are no more. number: how many trials were proposed before."""

    def replay(self, record: TrialRecord) -> None:
        """Add a trial of an earlier driver, with its measurements. Its end is reported with `closed`."""

    def measured(self, trial_id: str, measurement: Measurement) -> None:
        """Add a measurement of a running trial."""

    def closed(self, record: TrialRecord) -> None:
        """Add the end of a trial that will not be run again."""


class Designed:
    """Every trial of a design, once. Ignores results, so settings stay randomised and their effects are causal."""

    def __init__(self, spec: StudySpec):
        # by seed, which identifies a trial of a design; the next one is the last
        self.remaining = {proposal.flat["seed"]: proposal for proposal in reversed(spec.designed())}

    def next(self, number: int) -> Proposal | None:
        return self.remaining.popitem()[1] if self.remaining else None

    def replay(self, record: TrialRecord) -> None:
        self.remaining.pop(record.flat["seed"], None)

    def measured(self, trial_id: str, measurement: Measurement) -> None: ...

    def closed(self, record: TrialRecord) -> None: ...
