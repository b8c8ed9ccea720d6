"""Checks of a study whose keys are valid one by one: its goal, sampler, scheduler and numbers must fit each other and its space."""

from collections.abc import Mapping
from typing import Any, Protocol

from study.spec import checks, design
from study.spec.able import Searching, refuse_unable
from study.spec.errors import SpecError
from study.spec.planned import name_of
from study.spec.schedulers import Scheduler, refuse_stopping_by_another
from study.spec.space import Proposal
from trainables.config import settings


class Study(Searching, Protocol):
    """What is checked of a StudySpec."""

    @property
    def base(self) -> Mapping[str, Any]: ...
    @property
    def seeds(self) -> int: ...
    @property
    def scheduler(self) -> Scheduler | None: ...
    @property
    def budget_kimg(self) -> float: ...
    def designed(self) -> list[Proposal]: ...


def refuse_unsound(spec: Study) -> None:
    """Raise SpecError unless the keys of a study, or of one of its phases, fit each other."""
    refuse_unable(spec)
    if spec.goal == "explain" and spec.scheduler:
        raise SpecError(
            ("scheduler",),
            "scheduler must be left out with goal: explain, since stopping bad trials early biases the comparison; remove it, or use goal: optimise",
        )
    if name_of(spec.sampler) in design.FACTORIAL and spec.n_configs % design.cells_of(spec.space):
        raise SpecError(
            ("n_configs",),
            f"n_configs must be a multiple of the {design.cells_of(spec.space)} combinations of the scientific settings, or be left out; given {spec.n_configs}",
        )
    # each config once: the trials after them have the same settings but other seeds
    checks.check_settings(spec.space, spec.base, (lambda: spec.designed()[: spec.n_configs]) if spec.goal == "explain" else None)
    if spec.scheduler:
        spec.scheduler.check(budget_kimg=spec.budget_kimg, tick_kimg=float(spec.base.get("tick_kimg", settings()["tick_kimg"])))
        refuse_stopping_by_another(spec.scheduler, [each.metric for each in spec.objectives])
