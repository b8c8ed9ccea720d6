"""METRICS: the table of all metrics. To add a metric, write its function and register it: METRICS["name"] = Metric(...)."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, prod
from pathlib import Path
from typing import Literal

from scipy.stats import chi2

from analysis.metrics.bins import ndb
from analysis.metrics.classes import class_agreement, class_agreements, class_frechet_distance, class_frechet_distances
from analysis.metrics.comparison import PROJECTIONS, Comparison, Reference
from analysis.metrics.frechet import frechet_distance
from analysis.metrics.kernel import kid
from analysis.metrics.memorisation import memorisation
from analysis.metrics.modes import class_imbalance, excess_kl, forward_kl, high_quality, kl, modes_captured, modes_lost, modes_seen
from analysis.metrics.scores import inception_score
from analysis.metrics.similarity import ms_ssim_within
from analysis.metrics.transport import sliced_wasserstein
from analysis.metrics.vendi import vendi_score
from ganstudy.arguments import check_takes
from ganstudy.direction import Direction
from ganstudy.numbers import finite
from ganstudy.registry import Registry

Needs = Literal["features", "train", "modes", "mixture", "classes", "images", "labels", "labelled modes"]
OF_CLASSES: tuple[Needs, ...] = ("labels", "labelled modes")  # needs that only conditional generators meet
_PAIRS = 10  # of images per class


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A function of a `Comparison` that returns one number, and what to know about it. A plain "minimize" or "maximize" is converted."""

    of: Callable[[Comparison], float]
    description: str
    direction: Direction | None  # None: best at the real-data baseline, worse above and below
    source: str
    needs: Needs = "features"  # what the comparison must contain
    baseline: Callable[[Reference, int], float] | None = None  # score of n real samples; None if there is no closed form
    bounds: tuple[float, float] = (-inf, inf)  # least and greatest value that it can have

    def __post_init__(self) -> None:
        check_takes(self.of, ("comparison",), f"`of` of the metric {self.description!r}")
        if self.direction is not None:
            object.__setattr__(self, "direction", Direction(self.direction))


def _kid(c: Comparison) -> float:
    """One subset, as large as the smaller set."""
    on = c.operands
    return kid(on.features, on.points, subsets=1, subset_size=min(len(on.features), len(on.points))).mean


def _sliced(c: Comparison) -> float:
    on = c.operands
    return sliced_wasserstein(on.features, on.points, projections=PROJECTIONS, sorted_y=on.projected)


def _memorisation(c: Comparison) -> float:
    on = c.operands
    assert on.train is not None
    return memorisation(on.features, on.train, on.balls.points)


def _coverage_baseline(real: Reference, n: int) -> float:
    """Return 1 - P(none of n samples is among the k nearest of a real point): Naeem et al. 2020, generalised to unequal numbers."""
    n_real, k = len(real.balls.points), real.balls.k
    return 1 - prod((n_real - i) / (n_real + n - i) for i in range(1, k + 1))


def _memorisation_baseline(real: Reference, n: int) -> float:
    """Return the score of one half of the held-out data against the other. Not 0 if the features were fitted to the training data."""
    assert real.train is not None
    return memorisation(real.balls.points[::2], real.train, real.balls.points[1::2])


def _high_quality_baseline(real: Reference, n: int) -> float:
    assert real.mixture
    return float(chi2.cdf(9, real.mixture.centres.shape[1]))


def _agreement_baseline(real: Reference, n: int) -> float:
    """Return how often the classes of held-out data are recognised."""
    assert real.agreement is not None
    return real.agreement


_KYNKAANNIEMI, _NAEEM, _VEEGAN = "Kynkäänniemi et al. 2019", "Naeem et al. 2020", "Srivastava et al. 2017 (VEEGAN)"

METRICS: Registry[Metric] = Registry("metric")
METRICS |= {
    "fd": Metric(
        of=lambda c: frechet_distance(c.operands.features, c.operands.statistics),
        description="Fréchet distance between the features of generated and real data",
        direction=Direction.MINIMIZE,
        source="Heusel et al. 2017, eq. 6; Dowson & Landau 1982",
        bounds=(0, inf),
    ),
    "kid": Metric(
        of=_kid,
        description="kernel distance (squared maximum mean discrepancy), unbiased, so it can be below 0; on equally many points of each set",
        direction=Direction.MINIMIZE,
        source="Bińkowski et al. 2018",
        baseline=lambda real, n: 0.0,
    ),
    "swd": Metric(
        of=_sliced,
        description="mean earth mover's distance along random directions",
        direction=Direction.MINIMIZE,
        source="Rabin et al. 2011; Bonneel et al. 2015",
        bounds=(0, inf),
    ),
    "precision": Metric(
        of=lambda c: c.prdc["precision"],
        description="share of generated samples within the real data",
        direction=Direction.MAXIMIZE,
        source=_KYNKAANNIEMI,
        bounds=(0, 1),
    ),
    "recall": Metric(
        of=lambda c: c.prdc["recall"],
        description="share of real data within the generated samples",
        direction=Direction.MAXIMIZE,
        source=_KYNKAANNIEMI,
        bounds=(0, 1),
    ),
    "density": Metric(
        of=lambda c: c.prdc["density"],
        description="how densely real data surround the generated samples; 1 for real data, above 1 for modes that are too narrow",
        direction=Direction.MAXIMIZE,
        source=_NAEEM,
        baseline=lambda real, n: 1.0,
        bounds=(0, inf),
    ),
    "coverage": Metric(
        of=lambda c: c.prdc["coverage"],
        description="share of real data with a generated sample in their neighbourhood",
        direction=Direction.MAXIMIZE,
        source=_NAEEM,
        baseline=_coverage_baseline,
        bounds=(0, 1),
    ),
    "vendi": Metric(
        of=lambda c: vendi_score(c.operands.features, centre=c.operands.statistics.mean),
        description="effective number of different samples, by the cosine of their features relative to the real mean",
        direction=Direction.MAXIMIZE,
        source="Friedman & Dieng 2023",
        bounds=(1, inf),
    ),
    "ndb": Metric(
        of=lambda c: ndb(c.real.bins, c.features).share,
        description="share of k-means bins of the real data whose share of samples differs by more than 3 standard errors",
        direction=Direction.MINIMIZE,
        source="Richardson & Weiss 2018",
        bounds=(0, 1),
    ),
    "memorisation": Metric(
        of=_memorisation,
        description="whether samples are closer to training data than to held-out data; 0 for new samples, 1 for copies",
        direction=Direction.MINIMIZE,
        source="Meehan et al. 2020, by nearest neighbours",
        needs="train",
        baseline=_memorisation_baseline,
    ),
    "modes": Metric(
        of=lambda c: float(modes_captured(c.shares)),
        description="number of modes with at least a fifth of a uniform share of the generated samples",
        direction=Direction.MAXIMIZE,
        source=f"{_VEEGAN}, with a share instead of one sample",
        needs="modes",
        bounds=(0, inf),
    ),
    "modes_seen": Metric(
        of=lambda c: float(modes_seen(c.shares)),
        description="number of modes with any generated sample; grows with the number of samples",
        direction=Direction.MAXIMIZE,
        source=_VEEGAN,
        needs="modes",
        bounds=(0, inf),
    ),
    "modes_lost": Metric(
        of=lambda c: modes_lost(c.clear_counts, c.real_clear_counts),
        description="number of real modes missing beyond chance: shares significantly below a fifth of the real ones, among clearly recognised samples",
        direction=Direction.MINIMIZE,
        source="Przyborowski & Wilenski 1940, level 5 % for each mode",
        needs="modes",
        bounds=(0, inf),
    ),
    "kl": Metric(
        of=lambda c: kl(c.shares, c.real_shares),
        description="KL divergence of the generated shares of the modes from the real ones, nats",
        direction=Direction.MINIMIZE,
        source="Lin et al. 2018 (PacGAN), there called reverse KL",
        needs="modes",
        bounds=(0, inf),
    ),
    "excess_kl": Metric(
        of=lambda c: excess_kl(c.shares, c.real_shares, n=len(c.features)),
        description="kl minus its mean for as many samples of the true shares, nats; can be below 0",
        direction=Direction.MINIMIZE,
        source="(K - 1)/(2N), Miller 1955",
        needs="modes",
    ),
    "forward_kl": Metric(
        of=lambda c: forward_kl(c.shares, c.real_shares, n=len(c.features)),
        description="KL divergence of the real shares of the modes from the generated ones (half a sample added to each), nats",
        direction=Direction.MINIMIZE,
        source="Kullback & Leibler 1951; Jeffreys' prior",
        needs="modes",
        bounds=(0, inf),
    ),
    "class_imbalance": Metric(
        of=lambda c: class_imbalance(c.shares, c.real_shares),
        description="total variation distance of the generated from the real shares of the modes; 0 for equal shares, at most 1",
        direction=Direction.MINIMIZE,
        source="Levin & Peres 2017, prop. 4.2",
        needs="modes",
        bounds=(0, 1),
    ),
    "mode_spread": Metric(
        of=lambda c: c.spread.median,
        description="variance within a mode relative to real data, median over modes; below 1 if modes have shrunk, which coverage cannot detect",
        direction=None,
        source="per-mode ratio of covariance traces",
        needs="modes",
        baseline=lambda real, n: 1.0,
        bounds=(0, inf),
    ),
    "classifier_score": Metric(
        of=lambda c: inception_score(c.probabilities, splits=1).mean,
        description="Inception Score with the classifier of the data: high if each sample clearly has one class and classes are balanced; at most their number",
        direction=Direction.MAXIMIZE,
        source="Salimans et al. 2016",
        needs="classes",
        bounds=(1, inf),
    ),
    "ms_ssim": Metric(
        of=lambda c: ms_ssim_within(c.data, c.decisions, pairs=_PAIRS),
        description="structural similarity of two samples of one class; above the real-data baseline if classes lack variety",
        direction=Direction.MINIMIZE,
        source="Odena et al. 2017; Wang et al. 2003",
        needs="images",
    ),
    "hq": Metric(
        of=lambda c: high_quality(c.data, c.mixture.centres, std=c.mixture.std),
        description="share of generated samples within 3 standard deviations of the centre of a mode",
        direction=Direction.MAXIMIZE,
        source=_VEEGAN,
        needs="mixture",
        baseline=_high_quality_baseline,
        bounds=(0, 1),
    ),
    "class_fd": Metric(
        of=lambda c: class_frechet_distance(c.features, c.labels, c.real.points, c.real_labels),
        description="conditional generators: Fréchet distance within the requested class, mean over classes; biased upwards for few samples per class",
        direction=Direction.MINIMIZE,
        source="intra-FID, Miyato & Koyama 2018",
        needs="labels",
        bounds=(0, inf),
    ),
    "class_agreement": Metric(
        of=lambda c: class_agreement(c.decisions, c.labels),
        description="conditional generators: share of samples recognised as the requested class; at most the real-data baseline",
        direction=Direction.MAXIMIZE,
        source="Odena et al. 2017, by the classifier of the data or the nearest centre",
        needs="labelled modes",
        baseline=_agreement_baseline,
        bounds=(0, 1),
    ),
}


def named(name: str, metric: Metric) -> str:
    """Return how an error names a metric: that of a plugin with the file and the line of its function."""
    code = getattr(metric.of, "__code__", None)
    if code is None or Path(code.co_filename).is_relative_to(Path(__file__).parents[1]):
        return f"the metric {name}"
    return f"the metric {name} ({code.co_filename}, line {code.co_firstlineno})"


def measure(comparison: Comparison) -> dict[str, float]:
    """Return name -> value of all METRICS that can be computed for the comparison. Raises UserError if one is not a finite number."""
    return {
        name: finite(metric.of(comparison), named(name, metric)) for name, metric in METRICS.items() if metric.needs in comparison.known
    }


def measure_by_class(comparison: Comparison) -> dict[int, dict[str, float]]:
    """Return requested class -> {metric: value} of class_fd and class_agreement, where they can be computed."""
    of: dict[str, dict[int, float]] = {}
    if "labels" in comparison.known:
        of["class_fd"] = class_frechet_distances(comparison.features, comparison.labels, comparison.real.points, comparison.real_labels)
    if "labelled modes" in comparison.known:
        of["class_agreement"] = class_agreements(comparison.decisions, comparison.labels)
    classes = sorted({k for values in of.values() for k in values})
    return {k: {name: values[k] for name, values in of.items() if k in values} for k in classes}
