"""What the trials of a study cost on this machine: kinds of config are timed, each for a few batches."""

import math
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any, Self

import torch

from ganstudy import UserError
from ganstudy.units import to_images, to_kimg
from study.engine.prepare import Prepared, made_of
from study.spec.design import DESIGNS
from study.spec.study_spec import StudySpec
from trainables.config import TrialConfig
from trainables.loop import Diverged
from trainables.trial import Trial

_BATCHES = 40  # trained to measure the speed; the first half is warm-up
_SECONDS = 20.0  # after so long, no other kind of config is timed
_DRAWN = 32  # configs of a search, whose configs are not known before


@dataclass(frozen=True)
class Cost:
    """Cost of one trial on this machine."""

    images_per_second: float
    evaluation_seconds: float
    checkpoint_mb: float

    def seconds(self, config: TrialConfig) -> float:
        """How long a trial of this config takes."""
        ticks = 1 + math.ceil(config.budget_kimg / config.tick_kimg)
        return to_images(config.budget_kimg) / self.images_per_second + ticks * self.evaluation_seconds


@dataclass(frozen=True)
class Costs:
    """Cost of the trials of a study: the mean over its configs."""

    seconds: float  # of a trial
    checkpoint_mb: float
    kinds: int
    timed: Sequence[Cost]  # of the kinds that were timed and did not diverge

    @classmethod
    def measured(cls, configs: Sequence[TrialConfig], prepared: Prepared, *, seconds: float = _SECONDS) -> Self:
        """Time one config of each kind, in order, and no other kind after so many seconds; those that are not timed count as the mean.

        Configs of a kind differ only in numbers that are not whole, such as learning rates. Raises Diverged if all that are timed diverge.
        """
        kinds = Counter(made_of(config) for config in configs)
        first = {made_of(config): config for config in reversed(configs)}
        costs: dict[tuple[Any, ...], Cost] = {}
        reasons: list[Diverged] = []
        began = time.monotonic()
        for kind in kinds:
            if (costs or reasons) and time.monotonic() - began > seconds:
                break
            try:
                costs[kind] = probe(first[kind], prepared)
            except Diverged as reason:
                reasons.append(reason)
        if not costs:
            raise reasons[0]
        weights = [kinds[kind] for kind in costs]
        total = sum(weight * costs[kind].seconds(first[kind]) for weight, kind in zip(weights, costs, strict=True))
        return cls(total / sum(weights), mean(cost.checkpoint_mb for cost in costs.values()), len(kinds), list(costs.values()))

    def __str__(self) -> str:
        rates = _between([f"{cost.images_per_second:,.0f}" for cost in sorted(self.timed, key=lambda cost: cost.images_per_second)])
        evaluations = _between([f"{cost.evaluation_seconds:.2f}" for cost in sorted(self.timed, key=lambda cost: cost.evaluation_seconds)])
        of = f"{len(self.timed)} of {self.kinds} kinds of config" if self.kinds > 1 else "one trial"
        return f"{rates} images/s and {evaluations} s per evaluation, measured on this machine with {of}"


def _between(ordered: Sequence[str]) -> str:
    return ordered[0] if ordered[0] == ordered[-1] else f"{ordered[0]} to {ordered[-1]}"


def configs_of(spec: StudySpec, first: TrialConfig) -> list[TrialConfig]:
    """Return the configs of a design, or of a search its first one and random ones of its space."""
    if spec.goal == "explain":
        return [TrialConfig.from_flat(proposal.flat) for proposal in spec.designed()[: spec.n_configs]]
    configs = [first]
    for point in DESIGNS.pick("random")(spec.space, n_configs=_DRAWN, design_seed=spec.design_seed):
        with suppress(UserError):  # a search may propose settings that do not go together; it asks again
            configs.append(spec.config(point))
    return configs


def probe(config: TrialConfig, prepared: Prepared) -> Cost:
    """Measure the cost of a config by training a few batches on one thread. Raises Diverged."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        kimg = to_kimg(config.batch_size)
        short = config.model_copy(update={"budget_kimg": _BATCHES * kimg, "tick_kimg": _BATCHES // 2 * kimg})
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        trial = Trial(short, prepared.source, prepared.evaluator.on(device), device=device)
        ticks = []
        for _ in range(3):
            ticks.append(trial.advance())
            if ticks[-1].diverged:  # a trial that diverged has no further ticks
                raise Diverged(ticks[-1].diverged)
        _, warm, last = ticks
        with tempfile.TemporaryDirectory() as folder:
            trial.save(Path(folder))
            size = sum(path.stat().st_size for path in Path(folder).iterdir())
        return Cost(
            images_per_second=(last.images - warm.images) / (last.seconds - warm.seconds),
            evaluation_seconds=last.evaluation_seconds - warm.evaluation_seconds,
            checkpoint_mb=size / 2**20,
        )
    finally:
        torch.set_num_threads(threads)
