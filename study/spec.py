"""StudySpec: what a study asks, and with what means. Read from a study file (YAML 1.2), checked before anything starts."""

import importlib
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Literal

from optuna.distributions import BaseDistribution, CategoricalDistribution
from pydantic import Field, ValidationError, field_validator, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from study import design
from study.mirrors import Tracking
from study.space import Space, SpecError, as_given, domain, extremes, live, trick_of
from trainables.config import Count, Positive, Section, Share, TrialConfig, in_words, refuse_unknown
from trainables.registry import nearest
from trainables.tricks import TRICKS

Sampler = Literal["sobol", "factorial", "random", "tpe"]
SAMPLERS: dict[str, tuple[str, ...]] = {"explain": ("sobol", "factorial", "random"), "optimise": ("tpe", "random")}


class Score(Section):
    metric: str = "fd"
    direction: Literal["minimize", "maximize"] = "minimize"


class Halving(Section):
    """Asynchronous successive halving: at each rung the best `keep` go on. Li et al. 2020."""

    grace_kimg: Positive  # the first rung
    keep: Annotated[float, Field(gt=0, lt=1)] = 1 / 3


class Resources(Section):
    """Of one trial."""

    cpu: Annotated[float, Field(gt=0)] = 1
    gpu: Annotated[float, Field(ge=0)] | None = None  # None: one where the cluster has any; below 1: a share of one
    memory_gb: Positive | None = None
    concurrent: Count | None = None  # trials at a time; None: as many as fit

    @field_validator("gpu")
    @classmethod
    def _whole_above_one(cls, gpu: float | None) -> float | None:
        if gpu is not None and gpu > 1 and gpu != int(gpu):
            raise ValueError(f"resources.gpu must be a share of one GPU or a whole number of them; given {gpu}")
        return gpu


class StudySpec(Section):
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    question: Annotated[str, Field(min_length=1)]
    goal: Literal["explain", "optimise"] = "explain"
    plugins: tuple[str, ...] = ()  # modules imported before the settings are looked at, on every worker too
    base: dict[str, Any] = Field(default_factory=dict)  # dotted settings that do not vary
    scientific: dict[str, Any] = Field(default_factory=dict)  # as in the file; `space` holds the distributions
    nuisance: dict[str, Any] = Field(default_factory=dict)
    n_configs: Annotated[int, Field(ge=1, le=10_000)]
    seeds: Annotated[int, Field(ge=1, le=1_000)] = 1  # runs of each configuration
    design_seed: Annotated[int, Field(ge=0)] = 0
    sampler: Sampler | None = None  # None: sobol to explain, tpe to optimise
    score: Score = Score()
    scheduler: Halving | None = None
    judge_samples: Annotated[int, Field(ge=100)] | None = None  # generated samples judged at each tick; None: by data set
    resources: Resources = Resources()
    max_failures: Annotated[int, Field(ge=0)] = 2  # a trial whose program or machine broke is tried this many times more
    tracking: Tracking = Tracking()
