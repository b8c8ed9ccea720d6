"""Curves: the curves of one trial, and the quantities that a person reads from them, relative to real data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from analysis.table import Bools, Floats
from ganstudy import UserError
from ganstudy.units import to_kimg


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

    def relative(self, name: str) -> Floats:
        """[K]: the metric divided by its real-data baseline."""
        return self[name] / self.baselines.get(name, np.nan)

    @cached_property
    def modes(self) -> Floats:
        """[K]: modes found, as a share of those that as many real data show; 1 if modes are unknown."""
        if not self.n_modes or "modes" not in self.values:
            return np.ones(len(self))
        return self["modes"] / self.baselines.get("modes", self.n_modes)

    @cached_property
    def remaining(self) -> Floats:
        """[K]: remaining share of the way from the untrained networks (1) to real data (0), in the logarithm of the Fréchet distance."""
        baseline = self.baselines.get("fd", np.nan)
        ratio = np.log(np.maximum(self["fd"], baseline) / baseline)
        return np.asarray(ratio / max(ratio[0], 1.0))

    @cached_property
    def diversity(self) -> Floats:
        """[K]: effective number of different samples (Vendi score) minus one, relative to real data; 0 if all samples are the same."""
        return (self["vendi"] - 1) / (self.baselines.get("vendi", np.nan) - 1)

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
