"""Table: recorded runs as arrays, the distance between configs, and which seeds a policy may see."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt
from optuna.distributions import CategoricalDistribution

from analysis.outcomes import POOR_FIT
from analysis.ranked import FIT
from analysis.words import listed, plural
from ganstudy import UserError
from ganstudy.units import to_images
from study.simulate.run import Run
from study.spec.domains import position
from study.spec.space import Proposal
from study.spec.study_spec import StudySpec
from trainables.config import settings

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

SINGLE = "of configs with a single run (nothing tells their true value)"  # trials that are left out
LEAST_SEEDS = 2  # of a config: one that a policy may see, and one that tells its true value


def told(left_out: Mapping[str, int]) -> str:
    """Return how many trials are left out for each reason."""
    return listed([f"{plural(n, 'trial')} {which}" for which, n in left_out.items() if n])


@dataclass(frozen=True, eq=False)
class Table:
    """Runs of C configs with up to S seeds each. A run of a config and a seed that was not recorded is None."""

    spec: StudySpec
    settings: Sequence[Mapping[str, Any]]  # [C]: settings of the space that apply, and variants
    runs: Sequence[Sequence[Run]]  # [C][seeds of the config]
    places: Floats  # [C, settings of the space]: position of each setting in its domain, NaN where it does not apply
    own_failures: bool = False  # whether runs failed by the study's own definition, and not by their outcomes
    left_out: Mapping[str, int] = field(default_factory=dict)  # trials that are not among the runs: in words which ones, and how many

    @classmethod
    def of(cls, runs: Sequence[Run], spec: StudySpec, *, own_failures: bool = False, left_out: Mapping[str, int] = {}) -> "Table":
        """Raises UserError for runs that no policy can be measured on. Configs with fewer than two seeds are left out.

        left_out: trials that are not among `runs`.
        """
        of_config: dict[int, list[Run]] = {}
        for run in sorted(runs, key=lambda run: (run.config, run.seed)):
            of_config.setdefault(run.config, []).append(run)
        known = [mine for mine in of_config.values() if len(mine) >= LEAST_SEEDS]
        if len(known) < 2:
            others = f". Left out: {told(left_out)}" if any(left_out.values()) else ""
            raise UserError(
                f"a replay needs at least 2 configs with {LEAST_SEEDS} finished trials each, one to show and one to tell the true value; "
                f"given {plural(len(known), 'such config')} of {len(of_config)}{others}. Run the study with seeds: {LEAST_SEEDS} or more"
            )
        metric = spec.objective.metric
        least = min((run.values[metric][-1] for mine in known for run in mine if not run.dead), default=0.0)
        if least < 0:
            raise UserError(
                f"a replay compares values as ratios, so they must not be below 0; {metric} is {least:g} in one of the runs. Use another objective"
            )
        given = [mine[0].settings for mine in known]
        places = np.array([[_place(spec, name, each) for name in spec.space.domains] for each in given])
        left_out = {**left_out, SINGLE: len(runs) - sum(map(len, known))}
        return cls(spec, given, known, places, own_failures, left_out)

    def __len__(self) -> int:
        return len(self.runs)

    @property
    def budget(self) -> int:
        """The images of a whole run."""
        return to_images(self.spec.budget_kimg)

    @cached_property
    def proposals(self) -> list[Proposal]:
        """[C]: each config as a sampler would have proposed it."""
        return [self.spec.asked(each, seed=0) for each in self.settings]

    def number(self, flat: Mapping[str, Any]) -> int:
        """Return the number of the config with these settings, whatever the seed."""
        return self._numbers[_key(flat)]

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {_key(proposal.flat): i for i, proposal in enumerate(self.proposals)}

    @property
    def failed(self) -> float:
        """The share of runs that failed."""
        return float(np.mean([run.failed for mine in self.runs for run in mine]))

    def lost(self, run: Run) -> bool:
        """Whether a ranking counts a run as failed: `analysis.ranked` has the rule."""
        by_value = not self.own_failures and self.spec.objective.metric in FIT and run.outcome == POOR_FIT and not run.dead
        return run.failed and not by_value

    @property
    def tick(self) -> int:
        """The images between two ticks."""
        return to_images(float(self.spec.base.get("tick_kimg", settings()["tick_kimg"])))

    @cached_property
    def untrained(self) -> float:
        """The median over runs of the first value of the objective. Networks that have had no step have no signals, so it is not always at the first tick."""
        metric = self.spec.objective.metric
        return float(np.nanmedian([next(filter(isfinite, run.values.get(metric, ())), np.nan) for mine in self.runs for run in mine]))

    def value(self, run: Run) -> float:
        """The objective at the end of a run. A dead run counts as untrained."""
        return self.untrained if run.dead else run.values[self.spec.objective.metric][-1]

    def nearest(self, settings: Mapping[str, Any], free: Bools) -> int:
        """Return the config that is nearest to some settings, among those that are free [C]. The first one if several are.

        The squared distance is the sum over the settings that apply in both: of the squared difference of their positions in their domains,
        or 1 for two different choices.
        """
        here = np.array([_place(self.spec, name, settings) for name in self.spec.space.domains])
        squares = (self.places[free] - here) ** 2
        choices = np.array([isinstance(domain, CategoricalDistribution) for domain in self.spec.space.domains.values()])
        squares[:, choices] = np.sign(squares[:, choices])
        return int(np.flatnonzero(free)[np.nansum(squares, axis=1).argmin()])


def _key(flat: Mapping[str, Any]) -> str:
    return json.dumps({**flat, "seed": None}, sort_keys=True)


def _place(spec: StudySpec, name: str, settings: Mapping[str, Any]) -> float:
    return position(spec.space.domains[name], settings[name]) if name in settings else np.nan


@dataclass(frozen=True, eq=False)
class Split:
    """The order in which a policy may see the seeds of each config in one repetition."""

    seen: Sequence[Sequence[Run]]  # [C]: those that it may see; the others only tell the true value
    values: Sequence[Floats]  # [C]: the value of each seed, in this order
    best: int  # the config with the best mean over all seeds, among those with the most seeds

    @classmethod
    def of(cls, table: Table, rng: np.random.Generator) -> "Split":
        """Draw the order. A policy may see half of the seeds, one more if their number is odd."""
        orders = [[mine[i] for i in rng.permutation(len(mine))] for mine in table.runs]
        values = [np.array([table.value(run) for run in order]) for order in orders]
        most, sign = max(map(len, orders)), table.spec.objective.direction.sign
        best = min((i for i, order in enumerate(orders) if len(order) == most), key=lambda i: sign * values[i].mean())
        return cls([order[: (len(order) + 1) // 2] for order in orders], values, best)

    def truth(self, config: int, seen: int) -> float:
        """Return the true value of a config: the mean over all its seeds but the first ones, which a policy has seen."""
        return float(self.values[config][seen:].mean())

    def error(self, config: int, seen: int) -> float:
        """Return the standard error of a true value: from the spread within the seeds that a policy has seen and within the others. 0 if unknown."""
        parts = [part for part in np.split(self.values[config], [seen]) if len(part)]
        df = sum(len(part) - 1 for part in parts)
        variance = sum(float(((part - part.mean()) ** 2).sum()) for part in parts) / max(df, 1)
        return float(np.sqrt(variance / len(parts[-1])))
