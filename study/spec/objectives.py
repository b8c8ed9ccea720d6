"""Objectives and constraints: what a study optimises or ranks by, and the limits that a config must keep to."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from analysis import Direction
from analysis.metrics import METRICS
from ganstudy import UserError
from ganstudy.limits import FAILED, limits_of
from ganstudy.registry import nearest
from ganstudy.written import shown
from study.spec.errors import SpecError
from trainables.messages import validation_message
from trainables.sections import Section
from trainables.signal_names import signal_names


class Objective(Section):
    """The metric or signal to optimise or rank by, and its direction."""

    metric: str = "fd"
    """the metric, or the signal of training"""
    direction: Annotated[Direction, Field(strict=False)] = Direction.MINIMIZE  # a string in study files
    """minimize or maximize; a metric has its own, a signal needs one"""

    @model_validator(mode="before")
    @classmethod
    def _its_own_direction(cls, given: Any) -> Any:
        """Accept `coverage` and `{coverage: maximize}`, and take the direction from METRICS. A signal has none."""
        if not isinstance(given, (str, Mapping)):
            raise SpecError(("objective",), f"objective must be the name of a metric, or {{metric: …, direction: …}}; given {shown(given)}")
        given = {"metric": given} if isinstance(given, str) else dict(given)
        if len(given) == 1 and not given.keys() & cls.model_fields.keys():
            ((name, direction),) = given.items()
            given = {"metric": name, "direction": direction}
        if isinstance(name := given.get("metric", "fd"), str):
            try:
                refuse_unknown_value(name, METRICS)
            except UserError as error:
                raise SpecError(("objective", "metric"), str(error)) from None
            if name not in METRICS:
                if "direction" not in given:
                    raise SpecError(
                        ("objective",),
                        f"the objective {name} is a signal, which needs a direction: {{metric: {name}, direction: minimize}} or maximize",
                    )
                return given
            direction = METRICS[name].direction
            if direction is None:
                raise SpecError(
                    ("objective", "metric"), f"objective must be a metric with a direction; {name} is best near the real-data baseline"
                )
            if given.setdefault("direction", direction) in [other for other in Direction if other is not direction]:
                raise SpecError(
                    ("objective", "direction"),
                    f"objective.direction must be {direction} for {name} ({direction.phrase}); given {given['direction']}. Leave it out",
                )
        return given


def read_objectives(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return both keys `objective`, the first, and `objectives`, all, of a study file that has one of them or none. Raises SpecError."""
    several = given.get("objectives")
    if several is None:
        first = given.get("objective", {})
        return {"objective": first, "objectives": (first,)}
    if "objective" in given:
        raise SpecError(
            ("objective",),
            "a study must have objective or objectives; it has both. Put all into objectives, the main one first, and remove objective",
        )
    if not isinstance(several, (list, tuple)) or not several:
        raise SpecError(("objectives",), f"objectives must be a list such as [fd, coverage]; given {shown(several)}")
    found = tuple(_objective(each) for each in several)
    names = [each.metric for each in found]
    if twice := [name for name in names if names.count(name) > 1]:
        raise SpecError(("objectives",), f"objectives must be different metrics; {twice[0]} is given twice")
    return {"objective": found[0], "objectives": found}


def _objective(given: Any) -> Objective:
    if isinstance(given, Objective):
        return given
    try:
        return Objective.model_validate(given)
    except ValidationError as error:
        inner = error.errors()[0].get("ctx", {}).get("error")
        reason = str(inner) if isinstance(inner, SpecError) else validation_message(error, prefix="objectives.")
        raise SpecError(("objectives",), reason) from None


def read_constraints(given: Any) -> dict[str, str]:
    """Return the limits in one spelling. Raises SpecError for an unknown name, another form, or a limit that says nothing."""
    if not isinstance(given, Mapping):
        raise SpecError(("constraints",), f'constraints must be a mapping such as {{coverage: ">= 0.5"}}; given {shown(given)}')
    out = {}
    for name, text in given.items():
        try:
            refuse_unknown_value(str(name), [*METRICS, FAILED])
            (limit,) = limits_of({name: text})
        except UserError as error:
            raise SpecError(("constraints", str(name)), str(error)) from None
        if name == FAILED and (limit.operator != "<=" or not 0 <= limit.bound < 1):
            raise SpecError(
                ("constraints", name), f'failed is the risk of failure, which must be limited from above, such as "<= 0.2"; given {text!r}'
            )
        out[name] = limit.text
    return out


def refuse_unknown_value(name: str, metrics: Iterable[str]) -> None:
    """Raise UserError unless a tick can have a value of this name: one of `metrics`, or a signal."""
    known = [*metrics, *signal_names()]
    if name not in known:
        listed = "`ganstudy list metrics` and `ganstudy list signals` print all"
        raise UserError(f"no metric or signal named {shown(name)}; {nearest(name, known)}{listed}")
