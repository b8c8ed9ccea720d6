"""Curves: what a person reads off the curves of one run, beside what real data score."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from analysis.table import Bools, Floats


@dataclass(frozen=True, eq=False)
class Curves:
    """One run of K ticks, the first of them (if it starts at 0 images) of the untrained networks. NaN where something was not measured."""

    images: Floats  # [K]: real images shown to D
    values: Mapping[str, Floats]  # metric or signal -> [K]
    floors: Mapping[str, float]  # metric -> what real data score
    n_modes: int | None  # of the real data; None: not known

    @classmethod
    def of(
        cls, images: Sequence[float], values: Mapping[str, Sequence[float | None]], *, floors: Mapping[str, float], n_modes: int | None
    ) -> "Curves":
        """From lists, None where something was not measured. Raises ValueError unless all are as long as `images`, and there is a tick."""
        if not len(images):
            raise ValueError("curves must hold a tick; given are none")
        if wrong := {name: len(curve) for name, curve in values.items() if len(curve) != len(images)}:
            raise ValueError(f"every curve must have one value for each of the {len(images)} ticks; given are {wrong}")
        arrays = {name: np.array([np.nan if v is None else v for v in curve], dtype=np.float64) for name, curve in values.items()}
        return cls(np.asarray(images, dtype=np.float64), arrays, floors, n_modes)

    def __getitem__(self, name: str) -> Floats:
        """[K]: NaN where it was not measured."""
        return self.values.get(name, np.full(len(self.images), np.nan))

    def __len__(self) -> int:
        return len(self.images)

    def share(self, name: str) -> Floats:
        """[K]: of what real data score."""
        return self[name] / self.floors.get(name, np.nan)

    @cached_property
    def modes(self) -> Floats:
        """[K]: share of the modes that as many real data show; 1 where they are not known."""
        return self["modes"] / self.floors.get("modes", self.n_modes) if self.n_modes and "modes" in self.values else np.ones(len(self))

    @cached_property
    def left(self) -> Floats:
        """[K]: share of the way from the untrained networks (1) to real data (0) that is left, on the log scale of the Fréchet distance."""
        floor = self.floors.get("fd", np.nan)
        ratio = np.log(np.maximum(self["fd"], floor) / floor)
        return np.asarray(ratio / max(ratio[0], 1.0))

    @cached_property
    def different(self) -> Floats:
        """[K]: the effective number of different samples (Vendi) less one, as a share of the real one: 0 where all samples are the same."""
        return (self["vendi"] - 1) / (self.floors.get("vendi", np.nan) - 1)

    @cached_property
    def accuracy(self) -> Floats:
        """[K]: of D over real and fake alike; NaN where the loss has no boundary between the two."""
        return (self["d/real_accuracy"] + self["d/fake_accuracy"]) / 2

    @cached_property
    def logits(self) -> Floats:
        """[K]: the larger of D's mean logits on real and on fake, without their sign."""
        return np.fmax(np.abs(self["d/real_logit"]), np.abs(self["d/fake_logit"]))

    def late(self, curve: Floats) -> float:
        """Its mean over the last half of the trained ticks; NaN where it was never measured."""
        trained = curve[self.images > 0]
        half = trained[len(trained) // 2 :]
        return float(np.nanmean(half)) if np.isfinite(half).any() else float("nan")

    def gained(self, curve: Floats) -> float:
        """What it won since half as many images."""
        return float(curve[-1] - np.interp(self.images[-1] / 2, self.images, curve))

    def swings(self, curve: Floats, least: float) -> list[int]:
        """The ticks at which it turned, after it had gone `least` one way, and before it went `least` the other way; the first one first."""
        turns, way = [0], 0.0
        for i, value in enumerate(curve):
            step = value - curve[turns[-1]]
            if way and np.sign(step) == way:
                turns[-1] = i
            elif abs(step) >= least:
                turns.append(i)
                way = float(np.sign(step))
        return turns

    def since(self, holds: Bools) -> float:
        """kimg of the first tick of those up to the end at which it holds; of the last tick if it does not hold there."""
        broken = np.flatnonzero(~holds)
        first = min(broken[-1] + 1, len(holds) - 1) if len(broken) else 0
        return float(self.images[first]) / 1000
