"""What is kept of a trial."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ganstudy.direction import Direction
from ganstudy.ended import Ended as Ended

HOPELESS = "nothing has come since"  # how the reason begins of a run that was ended for that


@dataclass(frozen=True, kw_only=True)
class Measurement:
    images: int  # real images shown to D
    seconds: float  # training so far, judging not included
    evaluation_seconds: float
    values: Mapping[str, float]  # metrics and signals, always finite


@dataclass(frozen=True, kw_only=True)
class Saved:
    images: int
    path: str  # a checkpoint folder, seen from the study's


@dataclass(frozen=True, kw_only=True)
class Closed:
    ended: Ended
    reason: str = ""  # what went non-finite and when, since when nothing has come any more, or a traceback

    @property
    def finite(self) -> bool:
        """Whether a dead run was ended since nothing would come any more, its numbers finite to the end."""
        return self.reason.startswith(HOPELESS)


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    trial_id: str
    number: int  # the order of proposal, from 0
    flat: Mapping[str, Any]  # the config as asked, the switches that are off included
    variants: Mapping[str, str] = field(default_factory=dict)  # the names of the bundles that some of it came from
    phase: str = "explore"
    effective: Mapping[str, Any] = field(default_factory=dict)  # read back from what trained
    measurements: tuple[Measurement, ...] = ()  # images strictly increase
    saved: tuple[Saved, ...] = ()
    closed: Closed | None = None  # None while it is unfinished
    failures: int = 0

    @property
    def settings(self) -> dict[str, Any]:
        """As asked, the names of the variants among them: what tables, W&B and Optuna show."""
        return {**self.variants, **self.flat}

    @property
    def last(self) -> Measurement | None:
        return self.measurements[-1] if self.measurements else None

    @property
    def config_id(self) -> str:
        """All settings but the seed."""
        return self.trial_id.rpartition("-s")[0]

    def best_images(self, metric: str, direction: Direction) -> int:
        """The images at which the metric was best, among the ticks that were saved."""
        scores = {m.images: m.values[metric] for m in self.measurements}
        return min((saved.images for saved in self.saved), key=lambda images: direction.sign * scores[images])

    def needs_run(self, max_failures: int) -> bool:
        """Unfinished, or failed and still worth another try, or finished without the checkpoint of its last tick."""
        if self.closed is None:
            return True
        if self.closed.ended is Ended.ERROR:
            return self.failures <= max_failures
        if self.closed.ended is Ended.BUDGET:
            assert self.last
            return not self.saved or self.saved[-1].images < self.last.images
        return False


@dataclass(frozen=True, kw_only=True)
class StudyRecord:
    """What all trials of a folder share; written when a driver starts that has trials to run."""

    spec: Mapping[str, Any]  # StudySpec.as_dict()
    protocol: Mapping[str, Any]
    baselines: Mapping[str, float]
    n_modes: int | None
    accuracy: float | None = None  # of the evaluation protocol's classifier on held-out images
    created: str = ""  # when the folder's first driver started: what tells it from another study of the same name
    provenance: Mapping[str, str] = field(default_factory=dict)  # of the driver that wrote this


def mark(study: StudyRecord) -> str:
    """The study's name and when its folder was made: another study of this name is another one in W&B and Optuna."""
    return f"{study.spec['name'][:24]}-{hashlib.sha256(study.created.encode()).hexdigest()[:6]}"
