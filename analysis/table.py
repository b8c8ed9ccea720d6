"""TrialTable: what every function of this package takes. Trials in rows, ticks in columns, NaN where something is not there."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

Strings = npt.NDArray[np.str_]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Direction = Literal["min", "max"]
Scale = Literal["linear", "log"]

ENDED = ("budget", "scheduler", "dead", "error", "")
FAILURES = (
    "mode_collapse",
    "late_collapse",
    "oscillating",
    "discriminator_too_strong",
    "discriminator_failed",
    "diverged",
    "memorising",
)
OUTCOMES = ("healthy", "undertrained", *FAILURES, "")  # what analysis.diagnose says


@dataclass(frozen=True, kw_only=True, eq=False)
class TrialTable:
    """T trials, K ticks. Raises ValueError when the shapes or the vocabulary do not fit.

    Only here may NaN stand for "not there": a run that ended early, a metric that was not judged, a knob that was not live.
    """

    trial_id: Strings  # [T], unique
    config_id: Strings  # [T]; trials of one config differ in their seed only
    seed: npt.NDArray[np.int64]  # [T]
    phase: Strings  # [T]: explore, optimise, confirm, ablate
    ended: Strings  # [T]: budget, scheduler, dead, error; "" while unfinished
    outcome: Strings  # [T]: one of OUTCOMES; "" unknown: unfinished or error
    diagnosis: Strings  # [T]: the sentence with the evidence for it
    onset_kimg: Floats  # [T]: since when; NaN where nothing is wrong
    knobs: pd.DataFrame  # [T x knobs], index trial_id; NaN or None where a conditional knob is not live
    final: pd.DataFrame  # [T x metrics], index trial_id: the values at each trial's last tick
    curves: Mapping[str, Floats]  # metric or signal -> [T, K]
    images: Floats  # [T, K]: real images shown to D at each tick
    scientific: tuple[str, ...]  # the knobs that the study asks about
    nuisance: tuple[str, ...]  # the knobs varied so that the comparison is fair
    better: Mapping[str, Direction]  # metric -> which way is better
    floors: Mapping[str, float]  # metric -> what real data score

    def __post_init__(self) -> None:
        for name in ("trial_id", "config_id", "phase", "ended", "outcome", "diagnosis"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.str_))
        object.__setattr__(self, "seed", np.asarray(self.seed, dtype=np.int64))
        for name in ("onset_kimg", "images"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.float64))
        n = len(self.trial_id)
        if n == 0:  # no trial has named a knob or a metric yet
            object.__setattr__(self, "knobs", self.knobs.reindex(columns=[*self.scientific, *self.nuisance]))
            object.__setattr__(self, "final", self.final.reindex(columns=list(self.better)))
        for name in ("trial_id", "config_id", "seed", "phase", "ended", "outcome", "diagnosis", "onset_kimg"):
            _same(f"{name} must hold one value per trial", getattr(self, name).shape, (n,))
        if len(set(self.trial_id)) < n:
            raise ValueError(f"trial ids must be unique; {n - len(set(self.trial_id))} of {n} are repeats")
        if self.images.ndim != 2 or len(self.images) != n:
            raise ValueError(f"images must have shape [{n} trials, ticks]; got {self.images.shape}")
        for name, curve in self.curves.items():
            _same(f"curve {name!r} must have the shape of images", np.shape(curve), self.images.shape)
        for name in ("knobs", "final"):
            if list(getattr(self, name).index) != list(self.trial_id):
                raise ValueError(f"{name} must be indexed by trial_id, in its order; got {list(getattr(self, name).index)[:5]} …")
        _known("ended", self.ended, ENDED)
        _known("outcome", self.outcome, OUTCOMES)
        _known("better", self.better.values(), ("min", "max"))
        _known("scientific and nuisance", (*self.scientific, *self.nuisance), tuple(map(str, self.knobs.columns)))

    def __len__(self) -> int:
        return len(self.trial_id)

    @property
    def evidence(self) -> Bools:
        """[T]: trials that count. A run that the machine broke, or that still trains, says nothing about its settings."""
        return np.asarray(self.outcome != "")

    @property
    def failed(self) -> Bools:
        """[T]: came to one of FAILURES. A run that is merely undertrained has not failed."""
        return np.isin(self.outcome, FAILURES)

    @property
    def dead(self) -> Bools:
        """[T]: left the finite numbers, or was ended since nothing could come any more."""
        return np.asarray(self.ended == "dead")

    @property
    def fixed(self) -> dict[str, object]:
        """Knobs that hold one value wherever they live: the conditions under which any conclusion was drawn."""
        varied = {*self.scientific, *self.nuisance}
        values = {str(name): self.knobs[name].dropna().unique() for name in self.knobs.columns if name not in varied}
        return {
            name: found[0] for name, found in values.items() if len(found) == 1 and (self.knobs[name].notna() == self.lives(name)).all()
        }

    def lives(self, knob: str) -> Bools:
        """[T]: where a knob has a meaning: `r1.gamma` where `r1` is on, `lookahead.k` where `update` is lookahead, all others everywhere."""
        head, dot, _ = knob.partition(".")
        for switch, at in ((head, True), ("update", head)):
            if dot and switch in self.knobs and (on := np.array([value == at for value in self.knobs[switch]])).any():
                return on
        return np.ones(len(self), dtype=bool)

    def where(self, mask: Bools) -> Self:
        """The trials where `mask` [T] is true, as a table of the same study."""
        _same("mask must hold one truth value per trial", np.shape(mask), (len(self),))
        rows = np.flatnonzero(mask)
        arrays = {f.name: getattr(self, f.name)[rows] for f in fields(self) if isinstance(getattr(self, f.name), np.ndarray)}
        curves = {name: curve[rows] for name, curve in self.curves.items()}
        return replace(self, **arrays, knobs=self.knobs.iloc[rows], final=self.final.iloc[rows], curves=curves)

    def at_end(self, metric: str) -> Floats:
        """[T]: the metric of runs that spent their budget, NaN for all others.

        A run cut short is measured before its end, and for a dead run nothing is invented.
        """
        self._check(metric)
        values = self.final[metric].to_numpy(dtype=np.float64, na_value=np.nan)
        return np.where(self.ended == "budget", values, np.nan)

    def direction(self, metric: str) -> Direction:
        """Whether a smaller or a larger value is better. Raises ValueError for a metric without a direction."""
        if metric not in self.better:
            raise ValueError(f"no score named {metric!r}; those that are better the less, or the more, are {sorted(self.better)}")
        return self.better[metric]

    def scale(self, metric: str) -> Scale:
        """ "log" for a distance (less is better) that is never zero or negative, so that effects are ratios; else "linear"."""
        self._check(metric)
        values = self.final[metric].dropna()
        return "log" if self.better.get(metric) == "min" and len(values) > 0 and bool((values > 0).all()) else "linear"

    def _check(self, metric: str) -> None:
        if metric not in self.final.columns:
            raise ValueError(f"a score must be a metric of this table; got {metric!r}; there are {sorted(map(str, self.final.columns))}")


def _same(must: str, given: tuple[int, ...], allowed: tuple[int, ...]) -> None:
    if given != allowed:
        raise ValueError(f"{must}; got shape {given}, must be {allowed}")


def _known(what: str, given: object, allowed: tuple[str, ...]) -> None:
    unknown = sorted({str(value) for value in given} - set(allowed))  # type: ignore[attr-defined]
    if unknown:
        raise ValueError(f"{what} must be among {list(allowed)}; got {unknown}")
