"""What stops trials early, without Ray: a section of the study file, and a rule that it starts. The schedulers are listed in schedulers.py."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from pydantic import SerializerFunctionWrapHandler, model_serializer

from ganstudy.direction import Direction
from ganstudy.registry import Registry
from ganstudy.units import to_images, to_kimg
from study.spec.errors import SpecError
from trainables.sections import Section


class Rule(Protocol):
    def should_continue(self, trial_id: str, images: int, value: float) -> bool:
        """Whether a trial trains on after it measured this value of the objective. Called once for each measurement of a trial, in order.

        When a study resumes, old measurements come again, trial by trial; what is returned then is ignored.
        """


@runtime_checkable
class Informed(Rule, Protocol):
    """A rule that also asks for the settings of trials."""

    def begins(self, trial_id: str, settings: Mapping[str, Any]) -> None:
        """Learn the settings of a trial, before its first measurement. A study that resumes says them again."""


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


def check_grace(grace_kimg: float, *, budget_kimg: float, tick_kimg: float) -> None:
    """Raise SpecError if a trial is over before it could be stopped."""
    last = last_tick(budget_kimg=budget_kimg, tick_kimg=tick_kimg)
    if grace_kimg > last:
        raise SpecError(
            ("scheduler", "grace_kimg"),
            f"scheduler.grace_kimg must be at most {last:g}, the last tick before the budget of {budget_kimg:g} kimg, or no trial is ever "
            f"stopped; given {grace_kimg:g}"
            if last
            else f"a scheduler needs a tick before the end, to stop trials there; tick_kimg is {tick_kimg:g} and budget_kimg {budget_kimg:g}. "
            "Lower tick_kimg",
        )


def last_tick(*, budget_kimg: float, tick_kimg: float) -> float:
    """Return the thousands of images of the last tick before the budget; 0 if there is none. Ticks are at multiples of tick_kimg."""
    budget, tick = to_images(budget_kimg), to_images(tick_kimg)
    return to_kimg((budget - 1) // tick * tick)
