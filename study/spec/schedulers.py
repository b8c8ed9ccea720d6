"""Schedulers: what stops trials early. A scheduler is a section of the study file and a rule that does not depend on Ray.

To add one, here or in a plugin: a subclass of Scheduler with `@SCHEDULERS.register("name")` whose fields are its keys and whose `start` returns
the rule. The engine connects the rule to Ray Tune and replays old measurements to it when a study resumes.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Protocol

import numpy as np
from pydantic import Field, SerializerFunctionWrapHandler, ValidationError, model_serializer

from ganstudy import UserError
from ganstudy.direction import Direction
from ganstudy.registry import Registry, nearest
from ganstudy.units import KIMG, to_images, to_kimg
from study.spec.errors import SpecError
from trainables.messages import shown, unknown_key_first, validation_message
from trainables.sections import Kimg, Section


class Rule(Protocol):
    def should_continue(self, trial_id: str, images: int, value: float) -> bool:
        """Whether a trial trains on after it measured this value of the objective. Called once for each measurement of a trial, in order.

        When a study resumes, old measurements come again, trial by trial; what is returned then is ignored.
        """


class Scheduler(Section):
    """The keys under `scheduler:` of a study file."""

    name: str
    objective: str | None = None
    """the objective by which it stops, of a study with several"""

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out the objective if there is none, as records of studies with one objective do."""
        return {name: value for name, value in handler(self).items() if name != "objective" or value is not None}

    def check(self, *, budget_kimg: float, tick_kimg: float) -> None:
        """Raise SpecError for keys with which no trial is ever stopped. A trial is measured, and may be stopped, at ticks before its budget."""

    def start(self, *, budget_kimg: float, direction: Direction) -> Rule:
        """A rule without a past."""
        raise NotImplementedError  # a pydantic model cannot be abstract


SCHEDULERS: Registry[type[Scheduler]] = Registry("scheduler")


@SCHEDULERS.register("asha")
class Asha(Scheduler):
    """Asynchronous successive halving, with the names that Ray Tune has. Li et al. 2020"""

    name: str = "asha"
    grace_kimg: Kimg
    """thousands of images that every trial gets: the first rung. Trials are compared at the first tick after a rung"""
    reduction_factor: Annotated[float, Field(ge=1.1, le=1e9)] = 3.0
    """one trial of so many continues from a rung"""

    def check(self, *, budget_kimg: float, tick_kimg: float) -> None:
        last = last_tick(budget_kimg=budget_kimg, tick_kimg=tick_kimg)
        if self.grace_kimg > last:
            raise SpecError(
                ("scheduler", "grace_kimg"),
                f"scheduler.grace_kimg must be at most {last:g}, the last tick before the budget of {budget_kimg:g} kimg, or no trial is ever "
                f"stopped; given {self.grace_kimg:g}"
                if last
                else f"a scheduler needs a tick before the end, to stop trials there; tick_kimg is {tick_kimg:g} and budget_kimg {budget_kimg:g}. "
                "Lower tick_kimg",
            )

    def start(self, *, budget_kimg: float, direction: Direction) -> "Halving":
        return Halving(self, budget_kimg=budget_kimg, direction=direction)


def last_tick(*, budget_kimg: float, tick_kimg: float) -> float:
    """Return the thousands of images of the last tick before the budget; 0 if there is none. Ticks are at multiples of tick_kimg."""
    budget, tick = to_images(budget_kimg), to_images(tick_kimg)
    return to_kimg((budget - 1) // tick * tick)


class Halving:
    """At each rung a trial continues if it is within the best 1/reduction_factor of the trials that reached the rung before it.

    The stopping variant of Li et al. 2020; it decides as Ray's ASHAScheduler does.
    """

    def __init__(self, settings: Asha, *, budget_kimg: float, direction: Direction):
        self._sign, self._keep = -direction.sign, 1 / settings.reduction_factor  # more is better here
        self.rungs: dict[int, dict[str, float]] = {}  # images -> trial id -> signed value
        images = KIMG * settings.grace_kimg
        while images < KIMG * budget_kimg:
            self.rungs[round(images)] = {}
            images *= settings.reduction_factor

    def should_continue(self, trial_id: str, images: int, value: float) -> bool:
        rung = max((r for r in self.rungs if r <= images), default=None)
        if rung is None or trial_id in self.rungs[rung]:
            return True
        before = list(self.rungs[rung].values())
        self.rungs[rung][trial_id] = self._sign * value
        return not before or bool(self._sign * value >= np.percentile(before, 100 * (1 - self._keep)))


def refuse_stopping_by_another(scheduler: Scheduler, objectives: Sequence[str]) -> None:
    """Raise SpecError unless a scheduler stops by one of the objectives, and says by which if there are several."""
    by = scheduler.objective
    if by is None and len(objectives) > 1:
        raise SpecError(
            ("scheduler", "objective"),
            f"scheduler.objective must name the objective by which trials are stopped, one of {list(objectives)}, since a trial can be good in one "
            "and bad in another; it is not given. Stopped trials have no place on the front",
        )
    if by is not None and by not in objectives:
        raise SpecError(("scheduler", "objective"), f"scheduler.objective must be one of {list(objectives)}; given {by!r}")


def read_scheduler(given: Any) -> Scheduler:
    """{"grace_kimg": 5} or {"name": "asha", …} -> Scheduler. Raises SpecError."""
    if isinstance(given, Scheduler):
        return given
    if given == "pbt" or (isinstance(given, Mapping) and given.get("name") == "pbt"):
        raise SpecError(
            ("scheduler",),
            "population-based training is not supported: a trial whose settings change while it trains has no config and explains nothing",
        )
    if not isinstance(given, Mapping):
        raise SpecError(("scheduler",), f"scheduler must be a mapping such as {{name: asha, grace_kimg: 5}}; given {shown(given)}")
    if not isinstance(name := given.get("name", "asha"), str):
        raise SpecError(("scheduler", "name"), f"scheduler.name must be text; given {shown(name)}")
    try:
        cls = SCHEDULERS.pick(name)
    except UserError as error:
        raise SpecError(("scheduler", "name"), str(error)) from None
    try:
        return cls.model_validate(given)
    except ValidationError as error:
        first = unknown_key_first(error)
        key = str(first["loc"][0]) if first["loc"] else ""
        if first["type"] == "missing":
            raise SpecError(("scheduler",), f"scheduler: {cls.__name__.lower()} needs {key}; it is not given") from None
        if first["type"] == "extra_forbidden":
            known = list(cls.model_fields)
            raise SpecError(("scheduler", key), f"there is no 'scheduler.{key}'; {nearest(key, known)}scheduler has {known}") from None
        raise SpecError(("scheduler", key), validation_message(error, prefix="scheduler.")) from None
