"""METRICS: everything that a set of samples is judged by, as one table. To add a metric: its function, and its line here."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from analysis.metrics.arrays import Floats
from analysis.metrics.frechet import FrechetStatistics, frechet_distance
from analysis.metrics.modes import high_quality, kl, modes_captured
from analysis.metrics.neighbours import Balls, prdc


@dataclass(frozen=True, kw_only=True, eq=False)
class Reference:
    """The real side, prepared once: what all samples are compared with."""

    statistics: FrechetStatistics
    balls: Balls
    shares: Floats | None = None  # [K], all greater than 0; None where the modes are not known
    centres: Floats | None = None  # [K, D]; None where the data are no mixture of Gaussians
    std: float | None = None  # of each mode of the mixture


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """Samples beside the reference: `features` [M, F] (the points themselves, for a mixture) and their `shares` [K] of the modes."""

    real: Reference
    features: Floats
    shares: Floats | None = None

    @cached_property
    def prdc(self) -> dict[str, float]:
        """The four numbers of `prdc`, from one pass over the distances."""
        return prdc(self.real.balls, self.features, k=self.real.balls.k)

    @property
    def known(self) -> set[str]:
        """Which kinds of metric can be computed: "features" always, "modes" and "centres" where the real side has them."""
        return (
            {"features"}
            | ({"modes"} if self.real.shares is not None else set())
            | ({"centres"} if self.real.centres is not None else set())
        )


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One number of a `Comparison`. `needs` says what must be known."""

    of: Callable[[Comparison], float]
    description: str
    better: Literal["min", "max"]
    source: str
    needs: Literal["features", "modes", "centres"] = "features"


def _modes(c: Comparison) -> float:
    assert c.shares is not None
    return float(modes_captured(c.shares))


def _kl(c: Comparison) -> float:
    assert c.shares is not None
    assert c.real.shares is not None
    return kl(c.shares, c.real.shares)


def _hq(c: Comparison) -> float:
    assert c.real.centres is not None
    assert c.real.std is not None
    return high_quality(c.features, c.real.centres, std=c.real.std)


KYNKAANNIEMI, NAEEM = "Kynkäänniemi et al. 2019", "Naeem et al. 2020"

METRICS: dict[str, Metric] = {
    "fd": Metric(
        of=lambda c: frechet_distance(c.features, c.real.statistics),
        description="Fréchet distance between the features of generated and real data",
        better="min",
        source="Heusel et al. 2017, eq. 6; Dowson & Landau 1982",
    ),
    "precision": Metric(
        of=lambda c: c.prdc["precision"],
        description="share of generated samples that lie among the real data",
        better="max",
        source=KYNKAANNIEMI,
    ),
    "recall": Metric(
        of=lambda c: c.prdc["recall"],
        description="share of the real data that lie among the generated samples",
        better="max",
        source=KYNKAANNIEMI,
    ),
    "density": Metric(
        of=lambda c: c.prdc["density"],
        description="how densely the real data surround the generated samples; 1 for real data, more for too narrow modes",
        better="max",
        source=NAEEM,
    ),
    "coverage": Metric(
        of=lambda c: c.prdc["coverage"],
        description="share of the real data with a generated sample in their neighbourhood",
        better="max",
        source=NAEEM,
    ),
    "modes": Metric(
        of=_modes,
        description="number of modes with at least a fifth of an even share of the generated samples",
        better="max",
        source="Srivastava et al. 2017 (VEEGAN), with a share instead of one sample",
        needs="modes",
    ),
    "kl": Metric(
        of=_kl,
        description="KL divergence of the generated samples' shares of the modes from the real ones, nats",
        better="min",
        source="Lin et al. 2018 (PacGAN)",
        needs="modes",
    ),
    "hq": Metric(
        of=_hq,
        description="share of generated samples within 3 standard deviations of a mode's centre; at best 0.989 in the plane",
        better="max",
        source="Srivastava et al. 2017 (VEEGAN)",
        needs="centres",
    ),
}


def measure(comparison: Comparison) -> dict[str, float]:
    """All of METRICS that can be computed for the comparison: name -> value."""
    return {name: metric.of(comparison) for name, metric in METRICS.items() if metric.needs in comparison.known}
