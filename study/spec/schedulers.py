"""Schedulers: all that the package has, and how a study file names one.

To add one, here or in a plugin: a subclass of Scheduler with `@SCHEDULERS.register("name")` whose fields are its keys and whose `start` returns
the rule. The engine connects the rule to Ray Tune and replays old measurements to it when a study resumes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from ganstudy import UserError
from ganstudy.registry import nearest
from ganstudy.written import shown
from study.spec import gan_rule, halving, median  # noqa: F401  # they register themselves
from study.spec.errors import SpecError
from study.spec.rule import SCHEDULERS as SCHEDULERS
from study.spec.rule import Informed as Informed
from study.spec.rule import Rule as Rule
from study.spec.rule import Scheduler as Scheduler
from trainables.messages import unknown_key_first, validation_message


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
