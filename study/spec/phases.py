"""Phases: the parts of a study that run one after another in one folder.

explore is a randomised design, optimise a search; confirm trains the best configs again with fresh seeds, and ablate trains each of them with one
setting at a time back at its default. A study file without `phases` has one phase, explore or optimise by its goal.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, SerializeAsAny, ValidationError, model_validator

from ganstudy.registry import nearest
from ganstudy.written import shown
from study.spec import design
from study.spec.errors import SpecError
from study.spec.planned import GOALS, OF_A_PHASE
from study.spec.sampling import Sampling, read_sampler
from study.spec.schedulers import Scheduler, read_scheduler
from study.spec.space import Space
from trainables.messages import unknown_key_first, validation_message
from trainables.sections import Section

PhaseName = Literal["explore", "optimise", "confirm", "ablate"]

Seeds = Annotated[int, Field(ge=1, le=1_000)]


class Explore(Section):
    """A randomised design."""

    sampler: str = "balanced"
    """the design"""
    n_configs: Annotated[int, Field(ge=1, le=design.MAX_CONFIGS)] | None = None
    """number of configs; may be left out with sampler: factorial"""
    seeds: Seeds = 1
    """trials of each config"""


class Optimise(Section):
    """A search, which also learns from the trials of explore."""

    sampler: Sampling = "tpe"
    """the sampler of Optuna, whose arguments may be given"""
    n_configs: Annotated[int, Field(ge=1, le=design.MAX_CONFIGS)]
    """number of configs, beside those of explore"""
    seeds: Seeds = 1
    """trials of each config, at most: those that may still win get more than one"""
    scheduler: SerializeAsAny[Scheduler] | None = None
    """what stops bad trials early"""

    @model_validator(mode="before")
    @classmethod
    def _read(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        read = {"sampler": read_sampler, "scheduler": read_scheduler}
        return {**given, **{key: read[key](given[key]) for key in read if given.get(key) is not None}}


class Confirm(Section):
    """The best configs again, with fresh seeds, as a race."""

    top: Annotated[int, Field(ge=1, le=1_000)] = 10
    """number of configs: the most likely best ones of the phases before"""
    seeds: Annotated[int, Field(ge=2, le=400)] = 5
    """fresh seeds of each config, at most; a config leaves when it can hardly be the best any more"""
    error: Annotated[float, Field(gt=0, le=0.5)] = 0.05
    """the accepted probability that the best of these configs leaves"""


class Ablate(Section):
    """Each setting of the best confirmed configs back at its default, one at a time, with the seeds of confirm."""

    of: Annotated[int, Field(ge=1, le=100)] = 1
    """number of confirmed configs, from the best one"""


class Phases(Section):
    """The phases of a study. They run in this order."""

    explore: Explore | None = None
    """a randomised design, which supports claims about causes"""
    optimise: Optimise | None = None
    """a search for good settings"""
    confirm: Confirm | None = None
    """the best configs again, with fresh seeds"""
    ablate: Ablate | None = None
    """each setting of the best confirmed configs back at its default, one at a time"""

    @model_validator(mode="after")
    def _in_order(self) -> "Phases":
        if not (self.explore or self.optimise):
            raise SpecError((), "phases must have explore or optimise, which propose configs; it has neither")
        if self.ablate and not self.confirm:
            raise SpecError(("ablate",), "phases.ablate needs phases.confirm, whose configs and seeds it uses; add confirm")
        return self

    @property
    def names(self) -> list[PhaseName]:
        """The phases that the study has, in order."""
        return [name for name in ("explore", "optimise", "confirm", "ablate") if getattr(self, name) is not None]


_SECTIONS: dict[str, type[Section]] = {"explore": Explore, "optimise": Optimise, "confirm": Confirm, "ablate": Ablate}


def read_phases(given: Any) -> Phases:
    """Read {"explore": {...}, "confirm": {}}. Raises SpecError, with the path of keys."""
    if isinstance(given, Phases):
        return given
    if not isinstance(given, Mapping):
        raise SpecError(
            ("phases",), f"phases must be a mapping such as {{explore: {{n_configs: 32}}, confirm: {{top: 10}}}}; given {shown(given)}"
        )
    given = {name: {} if phase is None else phase for name, phase in given.items()}  # `confirm:` with nothing after it
    try:
        return Phases.model_validate(given)
    except ValidationError as error:
        first = unknown_key_first(error)
        if isinstance(inner := first.get("ctx", {}).get("error"), SpecError):
            within = ("optimise",) if inner.where[:1] in (("sampler",), ("scheduler",)) else ()
            raise SpecError(("phases", *within, *inner.where), str(inner)) from None
        where = ("phases", *(str(part) for part in first["loc"]))
        if first["type"] == "missing":
            raise SpecError(where[:-1], f"{'.'.join(where[:-1])} must have the key {where[-1]}; it is missing") from None
        if first["type"] == "extra_forbidden":
            model = Phases if len(where) == 2 else _SECTIONS[where[1]]
            known = list(model.model_fields)
            raise SpecError(where, f"no key {'.'.join(where)!r}; {nearest(where[-1], known)}{'.'.join(where[:-1])} has {known}") from None
        raise SpecError(where, validation_message(error, prefix="phases.")) from None


def first_phase(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the phases of a study with `phases`, and the keys of its first one. Raises SpecError."""
    for key in OF_A_PHASE:
        if key in given:
            raise SpecError(
                (key,),
                f"a study with phases must have no key {key}, since each phase has its own; move it into phases.explore or phases.optimise",
            )
    phases, space = read_phases(given["phases"]), given.get("space")
    if phases.explore and phases.explore.n_configs is None:
        if phases.explore.sampler not in design.FACTORIAL:
            raise SpecError(("phases", "explore"), "phases.explore must have the key n_configs; it is missing")
        if isinstance(space, Space):
            phases = phases.model_copy(update={"explore": phases.explore.model_copy(update={"n_configs": design.cells_of(space)})})
    return {**as_keys(phases, phases.names[0]), "phases": phases}


def as_keys(phases: Phases, phase: str) -> dict[str, Any]:
    """Return the phase explore or optimise as the keys of a study that has only this phase."""
    section = getattr(phases, phase)
    return {
        "phases": None,
        "goal": GOALS[phase],
        "scheduler": None,
        **{name: getattr(section, name) for name in type(section).model_fields},
    }
