"""Curves: the curves of one trial, and the quantities that a person reads from them, relative to real data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from analysis.table import Bools, Floats
from ganstudy import UserError
from ganstudy.units import to_kimg

_NO_BASELINE = 1e-4  # of the first distance: where the way to the data ends if they have no baseline above 0
_SAME_DATA = 1e-6  # Vendi score above 1 below which all real data are the same, up to rounding


@dataclass(frozen=True, eq=False)
class Curves:
    """One trial of K ticks. A first tick at 0 images shows the untrained networks. NaN marks values that were not measured."""

    images: Floats  # [K]: real images shown to D
    values: Mapping[str, Floats]  # metric or signal -> [K]
    baselines: Mapping[str, float]  # metric -> what real data score
    n_modes: int | None  # of the real data; None if unknown

    @classmethod
    def of(
        cls, images: Sequence[float], values: Mapping[str, Sequence[float | None]], *, baselines: Mapping[str, float], n_modes: int | None
    ) -> "Curves":
        """Convert lists, in which None marks a missing value. Raises UserError without ticks, or if a curve and `images` differ in length."""
        if not len(images):
            raise UserError("curves must hold at least one tick; none given")
        if wrong := {name: len(curve) for name, curve in values.items() if len(curve) != len(images)}:
            raise UserError(f"every curve must have one value for each of the {len(images)} ticks; given are {wrong}")
        arrays = {name: np.array([np.nan if v is None else v for v in curve], dtype=np.float64) for name, curve in values.items()}
        return cls(np.asarray(images, dtype=np.float64), arrays, baselines, n_modes)

    def __getitem__(self, name: str) -> Floats:
        """[K]: the curve; all NaN if it was not measured."""
        return self.values.get(name, np.full(len(self.images), np.nan))

    def __len__(self) -> int:
        return len(self.images)

    def baseline(self, name: str) -> float:
        """What real data score, if that is a number above 0 by which values can be divided; else NaN."""
        value = self.baselines.get(name, np.nan)
        return value if np.isfinite(value) and value > 0 else np.nan

    def relative(self, name: str) -> Floats:
        """[K]: the metric divided by its real-data baseline; NaN if the baseline is missing or not above 0."""
        return self[name] / self.baseline(name)

    @cached_property
    def modes(self) -> Floats:
        """[K]: modes found, as a share of those that as many real data show; 1 if modes are unknown."""
        if not self.n_modes or "modes" not in self.values:
            return np.ones(len(self))
        real = self.baseline("modes")
        return self["modes"] / (real if np.isfinite(real) else self.n_modes)

    @cached_property
    def modes_lost(self) -> Floats:
        """[K]: number of real modes that are missing beyond chance (the metric `modes_lost`); 0 if modes are unknown.

        Curves without this metric have only `modes`. There a mode is lost if it is not among them, provided that real data always show all
        modes, since the chance to miss one by sampling is then negligible (docs/diagnosis.md). Otherwise modes count as lost only if fewer
        than three quarters of those that real data show are found.
        """
        if not self.n_modes:
            return np.zeros(len(self))
        short = np.maximum(self.n_modes - self.n_modes * self.modes, 0).round(6)  # 10 - 9, not 10 (1 - 0.9)
        all_shown = self.baselines.get("modes", self.n_modes) >= self.n_modes
        return np.where(np.isfinite(self["modes_lost"]), self["modes_lost"], short if all_shown else np.where(self.modes < 0.75, short, 0))

    @cached_property
    def fd_ratio(self) -> Floats:
        """[K]: Fréchet distance divided by its real-data baseline."""
        return self.relative("fd")

    @cached_property
    def remaining(self) -> Floats:
        """[K]: remaining share of the way from the untrained networks (1) to real data (0), in the logarithm of the Fréchet distance.

        Without a baseline above 0, which data without spread do not have, the way ends at a ten-thousandth of the first distance.
        """
        known = self["fd"][np.isfinite(self["fd"])]
        first = float(known[0]) if len(known) else np.nan
        if not first > 0:
            return np.full(len(self), np.nan) if np.isnan(first) else np.zeros(len(self))
        end = self.baseline("fd")
        end = end if np.isfinite(end) else _NO_BASELINE * first
        ratio = np.log(np.maximum(self["fd"], end) / end)
        return np.asarray(ratio / max(np.log(max(first, end) / end), 1.0))

    @property
    def fall(self) -> float:
        """How many times smaller the Fréchet distance is than its first value; NaN if unknown."""
        known = self["fd"][np.isfinite(self["fd"])]
        return float(known[0] / max(known[-1], np.finfo(np.float64).tiny)) if len(known) else np.nan

    @cached_property
    def pointlike(self) -> bool:
        """Whether real data have no distance from real data: they have no spread, so no neighbourhood can be covered."""
        return self.baselines.get("fd", np.nan) <= 0

    @cached_property
    def reached(self) -> Floats:
        """[K]: coverage relative to real data; for data without spread the share of the way to them, if it is larger."""
        coverage = self.relative("coverage")
        return np.fmax(coverage, 1 - self.remaining) if self.pointlike else coverage

    @cached_property
    def diversity(self) -> Floats:
        """[K]: effective number of different samples (Vendi score) minus one, relative to real data; 0 if all samples are the same.

        NaN if all real data are the same.
        """
        real = self.baseline("vendi") - 1
        return (self["vendi"] - 1) / (real if real > _SAME_DATA else np.nan)

    @cached_property
    def accuracy(self) -> Floats:
        """[K]: accuracy of D, averaged over real and fake; NaN if the loss has no decision boundary."""
        return (self["d/real_accuracy"] + self["d/fake_accuracy"]) / 2

    @cached_property
    def logits(self) -> Floats:
        """[K]: the larger absolute value of D's mean logits on real and on fake."""
        return np.fmax(np.abs(self["d/real_logit"]), np.abs(self["d/fake_logit"]))

    def late_mean(self, curve: Floats) -> float:
        """Mean over the second half of the trained ticks; NaN if nothing was measured there."""
        trained = curve[self.images > 0]
        half = trained[len(trained) // 2 :]
        return float(np.nanmean(half)) if np.isfinite(half).any() else float("nan")

    def recent_gain(self, curve: Floats) -> float:
        """Increase over the last doubling of images."""
        return float(curve[-1] - np.interp(self.images[-1] / 2, self.images, curve))

    def turning_points(self, curve: Floats, *, swing: float) -> list[int]:
        """Ticks at which the curve turned between movements of at least `swing`; the first tick comes first."""
        turns, way = [0], 0.0
        for i, value in enumerate(curve):
            step = value - curve[turns[-1]]
            if way and np.sign(step) == way:
                turns[-1] = i
            elif abs(step) >= swing:
                turns.append(i)
                way = float(np.sign(step))
        return turns

    def onset(self, holds: Bools) -> float:
        """kimg of the first tick from which `holds` [K] stays true to the end; of the last tick if it is false there."""
        broken = np.flatnonzero(~holds)
        first = min(broken[-1] + 1, len(holds) - 1) if len(broken) else 0
        return to_kimg(float(self.images[first]))
