"""Records of a study and its trials."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from ganstudy.direction import Direction
from ganstudy.ended import Ended as Ended
from ganstudy.limits import Limit, limits_of
from study.spec.planned import planned_trials

HOPELESS = "no progress since"  # the beginning of Closed.reason of a trial that was stopped as hopeless


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurement:
    """The results of one tick of a trial."""

    images: int  # real images shown to D
    seconds: float  # total training time, without evaluation
    evaluation_seconds: float
    values: Mapping[str, float]  # metrics and signals, always finite


@dataclass(frozen=True, kw_only=True, slots=True)
class Saved:
    """A checkpoint of a trial."""

    images: int
    path: str  # the checkpoint folder, relative to the study folder

    def __post_init__(self) -> None:
        """Raise ValueError for a path that leads out of the study folder."""
        parts = set(self.path.split("/"))  # a PurePath would take a tenth of the time of reading a study
        if self.path.startswith("/") or ".." in parts or parts <= {"", "."}:
            raise ValueError(f"{self.path!r} leads out of the study folder")


@dataclass(frozen=True, kw_only=True)
class Closed:
    """How a trial ended."""

    ended: Ended
    reason: str = ""  # which values became non-finite and when, since when the trial is hopeless, or a traceback
    node: str = field(default="", compare=False)  # the address of the node that trained it; "" if unknown

    @property
    def finite(self) -> bool:
        """Whether a dead trial was stopped as hopeless, with finite values until its end."""
        return self.reason.startswith(HOPELESS)


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """All that is recorded about a trial."""

    trial_id: str
    number: int  # the order of proposal, from 0
    flat: Mapping[str, Any]  # the proposed settings, switches that are off included
    variants: Mapping[str, str] = field(default_factory=dict)  # name -> variant, for settings that come from variants
    phase: str = "explore"
    effective: Mapping[str, Any] = field(default_factory=dict)  # the settings that the networks and optimisers actually had
    eager: str = ""  # why a GPU did not replay rounds of updates; "" if it did, or on a CPU
    codes: tuple[str, ...] = ()  # hashes of the code of ours that trained it; () in records of ganstudy before 0.2
    measurements: tuple[Measurement, ...] = ()  # images strictly increase
    saved: tuple[Saved, ...] = ()  # images strictly increase
    closed: Closed | None = None  # None while the trial is unfinished
    failures: int = 0  # how often it ended in an error, without faults of the machine (study.engine.faults)
    launch: int = field(default=0, compare=False)  # the one that proposed it, from 0: each launch has a StudyRecord
    opened_at: int = field(default=0, compare=False)  # the line of the records, to order what happened to different trials
    closed_at: int = field(default=0, compare=False)

    def changed(self, **changes: Any) -> Self:
        """Return a copy with these fields: `dataclasses.replace`, which takes half of the time of reading a study."""
        copy = object.__new__(type(self))
        vars(copy).update(vars(self) | changes)
        return copy

    @property
    def settings(self) -> dict[str, Any]:
        """The proposed settings and the variants, as tables, W&B and Optuna show them."""
        return {**self.variants, **self.flat}

    @property
    def last(self) -> Measurement | None:
        return self.measurements[-1] if self.measurements else None

    @property
    def config_id(self) -> str:
        """The id of the config, shared by trials that differ only in the seed."""
        return self.trial_id.rpartition("-s")[0]

    def best_images(self, metric: str, direction: Direction) -> int:
        """Return the images of the checkpoint with the best value of the metric; of the newest if none has a value.

        Untrained networks have no signals.
        """
        values = {m.images: m.values[metric] for m in self.measurements if metric in m.values}
        measured = [saved.images for saved in self.saved if saved.images in values]
        return min(measured, key=lambda images: direction.sign * values[images], default=self.saved[-1].images)

    @property
    def saved_images(self) -> int:
        """The images of the newest checkpoint; -1 without one."""
        return self.saved[-1].images if self.saved else -1

    def needs_run(self, max_failures: int) -> bool:
        """Whether the trial must run again, from its newest checkpoint: see the function `needs_run`."""
        return needs_run(
            ended=self.closed.ended.value if self.closed else "",
            failures=self.failures,
            images=self.last.images if self.last else 0,
            saved_images=self.saved_images,
            max_failures=max_failures,
        )


def in_order(records: Iterable[TrialRecord]) -> list[tuple[Literal["opened", "closed"], TrialRecord]]:
    """Return the beginnings and the ends of trials in the order in which they happened. A trial that has not ended has no end."""
    events: list[tuple[int, Literal["opened", "closed"], TrialRecord]] = []
    for record in records:
        events.append((record.opened_at, "opened", record))
        if record.closed:
            events.append((record.closed_at, "closed", record))
    return [(happened, record) for _, happened, record in sorted(events, key=lambda event: event[0])]


def needs_run(*, ended: str, failures: int, images: int, saved_images: int, max_failures: int) -> bool:
    """Whether a trial must run again: it is unfinished, may retry after an error, or lacks the checkpoint of its last tick.

    ended: a value of `Ended`, or "" for an unfinished trial.
    """
    if ended == Ended.ERROR:
        return failures <= max_failures
    return not ended or (ended == Ended.BUDGET and saved_images < images)


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """A finished trial of another study that the sampler knows, by `warm_start`."""

    study: str
    trial_id: str
    values: Mapping[str, Any]  # of the settings of the space that apply
    results: tuple[float, ...]  # of the objectives at the end of the budget; () for a trial that failed
    excess: Mapping[str, float] = field(default_factory=dict)  # how far it is beyond each constraint of the study that learns


@dataclass(frozen=True, kw_only=True)
class StudyRecord:
    """What all trials of a folder share. Each driver that has trials to train writes one."""

    spec: Mapping[str, Any]  # StudySpec.as_dict()
    protocol: Mapping[str, Any]
    baselines: Mapping[str, float]
    n_modes: int | None
    accuracy: float | None = None  # held-out accuracy of the evaluation protocol's classifier
    created: str = ""  # when the first driver of the folder started; distinguishes studies of the same name
    provenance: Mapping[str, str] = field(default_factory=dict)  # versions and machine of this driver
    plugin_folders: tuple[str, ...] = ()  # where the plugins were that are not installed
    sharing: Mapping[str, Any] = field(
        default_factory=dict
    )  # how many trials share a GPU and why (study.engine.sharing); {} if the study says it
    earlier: tuple[Earlier, ...] = ()  # what warm_start took when the study began
    n_trials: int | None = None  # how many trials there turned out to be, once nothing was left to run; None if the spec tells it

    @property
    def planned(self) -> int:
        """How many trials the study has; before it is complete, at most."""
        return planned_trials(self.spec) if self.n_trials is None else self.n_trials

    @property
    def objectives(self) -> dict[str, Direction]:
        """The objectives with their directions, the main one first."""
        given = self.spec.get("objectives") or [self.spec["objective"]]
        return {each["metric"]: Direction(each["direction"]) for each in given}

    @property
    def limits(self) -> tuple[Limit, ...]:
        """The constraints."""
        return limits_of(self.spec.get("constraints", {}))  # older studies do not have them


def mark(study: StudyRecord) -> str:
    """Return a name for the study in W&B and Optuna that differs from other studies of the same name."""
    return f"{study.spec['name'][:24]}-{hashlib.sha256(study.created.encode()).hexdigest()[:6]}"
