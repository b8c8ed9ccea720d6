"""Sections of a study file: objective, scheduler, evaluation, resources."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator, model_validator

from analysis import Direction
from analysis.metrics import METRICS
from ganstudy import UserError
from ganstudy.registry import nearest
from study.spec.errors import SpecError
from study.spec.features import refuse_unknown_features
from trainables.messages import validation_message
from trainables.sections import Count, Positive, Section


class Objective(Section):
    metric: str = "fd"
    direction: Annotated[Direction, Field(strict=False)] = Direction.MINIMIZE  # a word in study files

    @model_validator(mode="before")
    @classmethod
    def _its_own_direction(cls, given: Any) -> Any:
        """`objective: coverage` is enough: METRICS knows which way is better."""
        if not isinstance(given, (str, Mapping)):
            raise SpecError(("objective",), f"objective must be the name of a metric, or {{metric: …, direction: …}}; given {given!r}")
        given = {"metric": given} if isinstance(given, str) else dict(given)
        if isinstance(name := given.get("metric", "fd"), str):
            if name not in METRICS:
                raise SpecError(("objective",), f"no metric named {name!r}; {nearest(name, METRICS)}there are {sorted(METRICS)}")
            direction = METRICS[name].direction
            if direction is None:
                raise SpecError(("objective",), f"objective must be a metric with a direction; {name} is best near what real data score")
            given.setdefault("direction", direction)
        return given


class EvaluationConfig(Section):
    """How samples are judged: the evaluation protocol of the study."""

    features: str = "auto"  # what distances are measured in; `ganstudy list` prints all
    weights: str | None = None  # a file of weights for pretrained features; None: from torch's cache, or downloaded into it
    samples: Annotated[int, Field(ge=100)] | None = None  # generated samples judged at each tick; None: by data set

    @field_validator("features")
    @classmethod
    def _known(cls, features: str) -> str:
        try:
            refuse_unknown_features(features)
        except UserError as error:
            raise SpecError(("evaluation", "features"), str(error)) from None
        return features


class Resources(Section):
    """Of one trial."""

    cpu: Positive = 1.0
    gpu: Annotated[float, Field(ge=0)] | None = None  # None: one where the cluster has any; below 1: a share of one
    memory_gb: Positive | None = None
    concurrent: Count | None = None  # trials at a time; None: as many as fit

    @field_validator("gpu")
    @classmethod
    def _whole_above_one(cls, gpu: float | None) -> float | None:
        if gpu is not None and gpu > 1 and gpu != int(gpu):
            raise SpecError(("resources", "gpu"), f"resources.gpu must be a share of one GPU or a whole number of them; given {gpu}")
        return gpu


def evaluation_as(own: Mapping[str, Any], *, features: str | None, weights: str | None, samples: int | None) -> EvaluationConfig:
    """A study's own way of judging, with what is given (not None) in its place. Raises UserError in words."""
    asked = {"features": features, "weights": weights, "samples": samples}
    given = {**own, **{name: value for name, value in asked.items() if value is not None}}
    if features and not weights:
        given["weights"] = None  # those of the study's own features
    try:
        return EvaluationConfig.model_validate(given)
    except ValidationError as error:
        inner = error.errors()[0].get("ctx", {}).get("error")
        raise UserError(str(inner) if isinstance(inner, SpecError) else validation_message(error, prefix="evaluation.")) from None
