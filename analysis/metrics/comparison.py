"""What a metric sees: samples beside real data that were prepared once."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from analysis.metrics.arrays import Floats
from analysis.metrics.bins import Bins, bins_of
from analysis.metrics.classes import class_agreement
from analysis.metrics.distances import Singles
from analysis.metrics.frechet import FrechetStatistics, frechet_statistics
from analysis.metrics.modes import nearest_centre, shares
from analysis.metrics.neighbours import Balls, balls, prdc
from analysis.metrics.spread import Spread, mode_spread, mode_traces

T = TypeVar("T")

BINS, PER_BIN = 100, 50  # of NDB: fewer where there are fewer real data, since k-means fits itself to what it sees


@dataclass(frozen=True, kw_only=True, eq=False)
class Samples:
    """M samples, generated or real: `features` [M, F], and where they are needed the `probabilities` [M, K] of the classes and the samples
    themselves, `data`: images uint8 [M, C, H, W] or points [M, D]. `labels` [M]: their classes; of generated ones, those that were asked for."""

    features: Floats | Singles
    probabilities: Floats | None = None
    data: NDArray[Any] | None = None
    labels: NDArray[np.int64] | None = None

    def take(self, rows: NDArray[np.int64]) -> Self:
        """The samples of these rows."""
        names = ("features", "probabilities", "data", "labels")
        parts = {name: None if (part := getattr(self, name)) is None else part[rows] for name in names}
        return type(self)(**parts)  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True, eq=False)
class Mixture:
    """K Gaussians of one standard deviation: `centres` [K, D]."""

    centres: Floats
    std: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Reference:
    """The real side, prepared once. Make one with `of`."""

    points: Floats | Singles  # [N, F]: the features, of held-out data
    statistics: FrechetStatistics
    balls: Balls
    bins: Bins
    train: Floats | Singles | None  # [N, F], what the generators learn from; the rest is of data that they never see
    shares: Floats | None  # [K], all greater than 0; None where the modes are not known
    traces: Floats | None  # [K]: of the covariance of each mode's features
    mixture: Mixture | None
    labels: NDArray[np.int64] | None  # [N], the classes of `points`, where samples are to be judged by theirs
    agreement: float | None  # share of `points` that are told to be of their class

    @classmethod
    def of(
        cls, real: Samples, *, n: int, train: Floats | Singles | None = None, mixture: Mixture | None = None, k: int = 5, seed: int = 0
    ) -> Self:
        """From held-out data. Neighbours are sought among `n` of them, as many as there will be samples.

        Coverage by few samples of the small balls of many real data says little.
        """
        decisions = _decisions(real, mixture)
        some = np.random.default_rng(seed).permutation(len(real.features))[:n]
        statistics = frechet_statistics(real.features, name="the real features")
        statistics.factor  # noqa: B018  (computed here, it travels along)
        found: dict[str, Floats | None] = {"shares": None, "traces": None}
        if decisions is not None:
            modes = len(mixture.centres) if mixture else real.probabilities.shape[1]  # type: ignore[union-attr]
            found = {"shares": _smoothed(decisions, modes=modes), "traces": mode_traces(real.features, decisions, modes=modes)}
        return cls(
            points=real.features,
            statistics=statistics,
            balls=balls(real.features[some], k=k, name="the real features"),
            bins=bins_of(real.features, bins=max(2, min(BINS, len(real.features) // PER_BIN)), seed=seed),
            train=train,
            mixture=mixture,
            labels=real.labels,
            agreement=None if decisions is None or real.labels is None else class_agreement(decisions, real.labels),
            **found,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """Samples beside the reference. What several metrics need is computed once."""

    real: Reference
    fake: Samples

    @property
    def features(self) -> Floats | Singles:
        return self.fake.features

    @property
    def probabilities(self) -> Floats:
        return _there(self.fake.probabilities)

    @property
    def data(self) -> NDArray[Any]:
        return _there(self.fake.data)

    @property
    def train(self) -> Floats | Singles:
        assert self.real.train is not None
        return self.real.train

    @property
    def labels(self) -> NDArray[np.int64]:
        """[M]: the classes that were asked for."""
        return _there(self.fake.labels)

    @property
    def real_labels(self) -> NDArray[np.int64]:
        return _there(self.real.labels)

    @property
    def real_shares(self) -> Floats:
        return _there(self.real.shares)

    @property
    def mixture(self) -> Mixture:
        return _there(self.real.mixture)

    @cached_property
    def prdc(self) -> Mapping[str, float]:
        """The four numbers of `prdc`, from one pass over the distances."""
        return prdc(self.real.balls, self.features, k=self.real.balls.k)

    @cached_property
    def decisions(self) -> NDArray[np.int64]:
        """[M]: the mode of each sample."""
        return _there(_decisions(self.fake, self.real.mixture))

    @cached_property
    def shares(self) -> Floats:
        """[K]: of the samples in each mode."""
        return shares(self.decisions, modes=len(self.real_shares))

    @cached_property
    def spread(self) -> Spread:
        """How wide the modes are beside the real ones."""
        return mode_spread(self.features, self.decisions, _there(self.real.traces))

    @property
    def known(self) -> set[str]:
        """Which kinds of metric can be computed."""
        labelled = self.fake.labels is not None and self.real.labels is not None
        return {
            name
            for name, there in {
                "features": True,
                "train": self.real.train is not None,
                "modes": self.real.shares is not None,
                "mixture": self.real.mixture is not None,
                "classes": self.fake.probabilities is not None,
                "images": self.fake.data is not None and self.fake.data.ndim == 4 and self.real.shares is not None,
                "labels": labelled,
                "labelled modes": labelled and self.real.agreement is not None,
            }.items()
            if there
        }


def _there(part: T | None) -> T:
    """`known` says what is; METRICS asks for nothing else."""
    assert part is not None
    return part


def _decisions(samples: Samples, mixture: Mixture | None) -> NDArray[np.int64] | None:
    """The nearest centre, or the most probable class; None where neither is known."""
    if mixture:
        return nearest_centre(_there(samples.data), mixture.centres)
    return None if samples.probabilities is None else samples.probabilities.argmax(axis=1)


def _smoothed(decisions: NDArray[np.int64], *, modes: int) -> Floats:
    """With half a sample more in each mode (Jeffreys' prior): so divergences are finite where a mode has no held-out data."""
    counts = np.bincount(decisions, minlength=modes) + 0.5
    smoothed: Floats = counts / counts.sum()
    return smoothed
