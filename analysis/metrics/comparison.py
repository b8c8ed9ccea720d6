"""Comparison: the input of a metric, samples together with real data that are prepared once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
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
from analysis.metrics.transport import projected

_T = TypeVar("_T")

PROJECTIONS = 100  # of the sliced distance: a relative error of 1 %, at less than the cost of a forward pass
_CLEAR = 0.9  # probability of a class from which a sample counts as clearly recognised
_BINS, _PER_BIN = 100, 50  # of NDB: fewer bins for fewer real data, because k-means overfits small bins


@dataclass(frozen=True, kw_only=True, eq=False)
class Samples:
    """M samples, generated or real.

    `features` [M, F]; if needed, class `probabilities` [M, K] and the samples themselves as `data` (images uint8 [M, C, H, W] or points
    [M, D]). `labels` [M] are the classes of real samples and the requested classes of generated ones.
    """

    features: Floats | Singles
    probabilities: Floats | None = None
    data: NDArray[Any] | None = None
    labels: NDArray[np.int64] | None = None

    def take(self, rows: NDArray[np.int64]) -> Self:
        """Return the samples of these rows."""
        names = ("features", "probabilities", "data", "labels")
        parts = {name: None if (part := getattr(self, name)) is None else part[rows] for name in names}
        return type(self)(**parts)  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True, eq=False)
class Mixture:
    """K Gaussians with `centres` [K, D] and a common standard deviation."""

    centres: Floats
    std: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Operands:
    """What the costly metrics compute with: the parts of the same names of a Reference, and the features of samples (None before there are any).

    Arrays, or tensors on a GPU: distances between thousands of features take seconds on a CPU.
    """

    points: Any
    projected: Any
    statistics: FrechetStatistics
    balls: Balls
    train: Any | None
    features: Any = None

    def map(self, convert: Callable[[Any], Any]) -> Self:
        """Return the same with other arrays, for example tensors on a device."""
        return replace(
            self,
            points=convert(self.points),
            projected=convert(self.projected),
            statistics=self.statistics.map(convert),
            balls=replace(self.balls, points=convert(self.balls.points), squared_radius=convert(self.balls.squared_radius)),
            train=None if self.train is None else convert(self.train),
            features=None if self.features is None else convert(self.features),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Reference:
    """The real data, prepared once. Create it with `of`."""

    points: Floats | Singles  # [N, F]: the features, of held-out data
    statistics: FrechetStatistics
    balls: Balls
    bins: Bins
    train: Floats | Singles | None  # [N, F], training data; everything else here is from held-out data
    shares: Floats | None  # [K], all greater than 0; None if modes are unknown
    clear_counts: NDArray[np.int64] | None  # [K]: clearly recognised samples in each mode
    traces: Floats | None  # [K]: trace of the covariance of each mode's features
    mixture: Mixture | None
    labels: NDArray[np.int64] | None  # [N], the classes of `points`; None for unconditional generators
    agreement: float | None  # share of `points` whose class is recognised

    @classmethod
    def of(
        cls, real: Samples, *, n: int, train: Floats | Singles | None = None, mixture: Mixture | None = None, k: int = 5, seed: int = 0
    ) -> Self:
        """Prepare held-out data. Neighbours are searched among `n` of them, as many as there will be samples.

        With many real points the balls are small, and coverage by few samples is not informative.
        """
        decisions = _decisions(real, mixture)
        some = np.random.default_rng(seed).permutation(len(real.features))[:n]
        statistics = frechet_statistics(real.features, name="the real features")
        statistics.factor  # noqa: B018  (a cached property, computed here so that it is pickled)
        found: dict[str, Any] = {"shares": None, "clear_counts": None, "traces": None}
        if decisions is not None:
            modes = len(mixture.centres) if mixture else real.probabilities.shape[1]  # type: ignore[union-attr]
            found = {
                "shares": _smoothed(decisions, modes=modes),
                "clear_counts": _clear_counts(real, decisions, modes=modes),
                "traces": mode_traces(real.features, decisions, modes=modes),
            }
        return cls(
            points=real.features,
            statistics=statistics,
            balls=balls(real.features[some], k=k, name="the real features"),
            bins=bins_of(real.features, bins=max(2, min(_BINS, len(real.features) // _PER_BIN)), seed=seed),
            train=train,
            mixture=mixture,
            labels=real.labels,
            agreement=None if decisions is None or real.labels is None else class_agreement(decisions, real.labels),
            **found,
        )

    @cached_property
    def projected(self) -> Floats:
        """[PROJECTIONS, N]: the points along each direction of the sliced distance, sorted. Of 10,000 points this takes longer than all else of an evaluation."""
        found: Floats = projected(self.points, projections=PROJECTIONS)
        return found

    @property
    def operands(self) -> Operands:
        """What costly metrics need of the real data."""
        return Operands(points=self.points, projected=self.projected, statistics=self.statistics, balls=self.balls, train=self.train)


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """Samples and the reference they are compared with. Intermediate results that several metrics need are cached.

    on_device: the operands of the same samples and reference on a GPU, if metrics are to be computed there.
    """

    real: Reference
    fake: Samples
    on_device: Operands | None = None

    @property
    def operands(self) -> Operands:
        """What costly metrics compute with; all else here are NumPy arrays."""
        return self.on_device or replace(self.real.operands, features=self.fake.features)

    @property
    def features(self) -> Floats | Singles:
        return self.fake.features

    @property
    def probabilities(self) -> Floats:
        return _present(self.fake.probabilities)

    @property
    def data(self) -> NDArray[Any]:
        return _present(self.fake.data)

    @property
    def train(self) -> Floats | Singles:
        assert self.real.train is not None
        return self.real.train

    @property
    def labels(self) -> NDArray[np.int64]:
        """[M]: the requested classes."""
        return _present(self.fake.labels)

    @property
    def real_labels(self) -> NDArray[np.int64]:
        return _present(self.real.labels)

    @property
    def real_shares(self) -> Floats:
        return _present(self.real.shares)

    @property
    def mixture(self) -> Mixture:
        return _present(self.real.mixture)

    @cached_property
    def prdc(self) -> Mapping[str, float]:
        """Precision, recall, density and coverage, from one pass over the distances."""
        on = self.operands
        return prdc(on.balls, on.features, k=on.balls.k)

    @cached_property
    def decisions(self) -> NDArray[np.int64]:
        """[M]: the mode of each sample."""
        return _present(_decisions(self.fake, self.real.mixture))

    @cached_property
    def shares(self) -> Floats:
        """[K]: share of the samples in each mode."""
        return shares(self.decisions, modes=len(self.real_shares))

    @property
    def clear_counts(self) -> NDArray[np.int64]:
        """[K]: clearly recognised samples in each mode."""
        return _clear_counts(self.fake, self.decisions, modes=len(self.real_shares))

    @property
    def real_clear_counts(self) -> NDArray[np.int64]:
        return _present(self.real.clear_counts)

    @cached_property
    def spread(self) -> Spread:
        """Variance within modes relative to the real modes."""
        return mode_spread(self.features, self.decisions, _present(self.real.traces))

    @property
    def known(self) -> set[str]:
        """The needs that are met: a metric can be computed if its `needs` is among them."""
        labelled = self.fake.labels is not None and self.real.labels is not None
        return {
            name
            for name, met in {
                "features": True,
                "train": self.real.train is not None,
                "modes": self.real.shares is not None,
                "mixture": self.real.mixture is not None,
                "classes": self.fake.probabilities is not None,
                "images": self.fake.data is not None and self.fake.data.ndim == 4 and self.real.shares is not None,
                "labels": labelled,
                "labelled modes": labelled and self.real.agreement is not None,
            }.items()
            if met
        }


def _present(part: _T | None) -> _T:
    """Return a part that is not None. `known` guards every metric, so a missing part is a bug."""
    assert part is not None
    return part


def _decisions(samples: Samples, mixture: Mixture | None) -> NDArray[np.int64] | None:
    """Return the nearest centre or the most probable class of each sample; None if neither is known."""
    if mixture:
        return nearest_centre(_present(samples.data), mixture.centres)
    return None if samples.probabilities is None else samples.probabilities.argmax(axis=1)


def _clear_counts(samples: Samples, decisions: NDArray[np.int64], *, modes: int) -> NDArray[np.int64]:
    """Return the number of samples in each mode, without those that a classifier does not recognise clearly.

    A classifier gives bad samples some class too, so that a class which is never generated would seem to be there.
    """
    clear = slice(None) if samples.probabilities is None else samples.probabilities.max(axis=1) >= _CLEAR
    return np.bincount(decisions[clear], minlength=modes)


def _smoothed(decisions: NDArray[np.int64], *, modes: int) -> Floats:
    """Return shares with half a sample added to each mode (Jeffreys' prior), so that divergences are finite for modes without held-out data."""
    counts = np.bincount(decisions, minlength=modes) + 0.5
    smoothed: Floats = counts / counts.sum()
    return smoothed
