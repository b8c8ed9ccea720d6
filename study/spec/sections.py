"""Sections of a study file: evaluation and resources."""

import sys
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator

from ganstudy import UserError
from ganstudy.written import shown
from study.spec.errors import SpecError
from study.spec.features import refuse_unknown_features
from trainables.messages import validation_message
from trainables.sections import Count, Positive, Section


class EvaluationConfig(Section):
    """How generators are evaluated: the evaluation protocol of the study."""

    features: str = "auto"
    """the features for distances"""
    weights: str | None = None
    """file with weights of pretrained features; null: from torch's cache, or downloaded into it"""
    samples: Annotated[int, Field(ge=100, le=10_000_000)] | None = None
    """generated samples at each tick; null: depends on the data set"""

    @field_validator("features")
    @classmethod
    def _known(cls, features: str) -> str:
        try:
            refuse_unknown_features(features)
        except UserError as error:
            raise SpecError(("evaluation", "features"), str(error)) from None
        return features


class Resources(Section):
    """The resources of one trial."""

    cpu: Positive = 1.0
    """CPUs of a trial, and its threads"""
    gpu: Literal["auto"] | Annotated[float, Field(ge=0)] = "auto"
    """GPUs of a trial; below 1: a share of one GPU; auto: measured at the launch"""
    memory_gb: Positive | None = None
    """memory of a trial, for the scheduling of Ray; null: not asked for"""
    concurrent: Count | None = None
    """number of concurrent trials; null: as many as fit"""
    capture: Literal["auto", "off"] = "auto"
    """auto: a GPU replays recorded rounds of updates wherever they can be recorded"""
    deterministic: bool = False
    """whether a GPU repeats a trial bit for bit; refuses operations that cannot"""
    timeout_min: Positive | None = None
    """minutes that a trial may take to its next tick; then it is ended and tried again; null: no limit"""
    study_hours: Positive | None = None
    """after so many hours of a launch or resume, no trial is started, and running ones end at their next tick; null: no limit"""
    lanes: bool | None = None
    """whether one process trains all trials on a device, a thread each; null: if gpu is a share. On a CPU: all of a node"""

    @field_validator("gpu", mode="before")
    @classmethod
    def _auto_or_a_number(cls, gpu: Any) -> Any:
        """Accept None, as in older studies, for auto."""
        if gpu is None or gpu == "auto":
            return "auto"
        number = isinstance(gpu, (int, float)) and not isinstance(gpu, bool) and 0 <= gpu <= sys.float_info.max
        if not number or (gpu > 1 and gpu != int(gpu)):
            raise SpecError(
                ("resources", "gpu"), f"resources.gpu must be auto, a share of one GPU, or a whole number of them; given {shown(gpu)}"
            )
        return gpu


def evaluation_as(own: Mapping[str, Any], *, features: str | None, weights: str | None, samples: int | None) -> EvaluationConfig:
    """Return a study's evaluation section with the arguments that are not None in place of its values. Raises UserError."""
    changes = {"features": features, "weights": weights, "samples": samples}
    given = {**own, **{name: value for name, value in changes.items() if value is not None}}
    if features and not weights:
        given["weights"] = None  # the study's weights belong to other features
    try:
        return EvaluationConfig.model_validate(given)
    except ValidationError as error:
        inner = error.errors()[0].get("ctx", {}).get("error")
        raise UserError(str(inner) if isinstance(inner, SpecError) else validation_message(error, prefix="evaluation.")) from None
