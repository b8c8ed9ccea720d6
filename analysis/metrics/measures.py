"""METRICS: everything that a set of samples is judged by, as one table. To add a metric: its function, and its line here."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Literal

from scipy.stats import chi2

from analysis.metrics.bins import ndb
from analysis.metrics.classes import class_agreement, class_agreements, class_frechet_distance, class_frechet_distances
from analysis.metrics.comparison import Comparison, Reference
from analysis.metrics.frechet import frechet_distance
from analysis.metrics.kernel import kid
from analysis.metrics.memorisation import memorisation
from analysis.metrics.modes import class_imbalance, excess_kl, forward_kl, high_quality, kl, modes_captured, modes_seen
from analysis.metrics.scores import inception_score
from analysis.metrics.similarity import ms_ssim_within
from analysis.metrics.transport import sliced_wasserstein
from analysis.metrics.vendi import vendi_score

Needs = Literal["features", "train", "modes", "mixture", "classes", "images", "labels", "labelled modes"]
OF_CLASSES: tuple[Needs, ...] = ("labels", "labelled modes")  # what only samples have whose classes were asked for
PROJECTIONS = 100  # of the sliced distance: its error is a hundredth of it, and it costs less than a forward pass
PAIRS = 10  # of images within a class


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One number of a `Comparison`."""

    of: Callable[[Comparison], float]
    description: str
    better: Literal["min", "max"] | None  # None: best where real data are, worse on both sides
    source: str
    needs: Needs = "features"  # what must be known of the data
    floor: Callable[[Reference, int], float] | None = None  # what n samples of the true data score; None: not known in closed form


def _kid(c: Comparison) -> float:
    """One subset, as large as the smaller side."""
    return kid(c.features, c.real.points, subsets=1, subset_size=min(len(c.features), len(c.real.points))).mean


def _coverage(real: Reference, n: int) -> float:
    """1 - P(none of n samples is among the k nearest of a real point): Naeem et al. 2020, for unequal numbers too."""
    there, k = len(real.balls.points), real.balls.k
    return 1 - prod((there - i) / (there + n - i) for i in range(1, k + 1))


def _memorisation(real: Reference, n: int) -> float:
    """Of half the held-out data beside the other half. Not 0 where the features themselves were fitted to the training data."""
    assert real.train is not None
    return memorisation(real.balls.points[::2], real.train, real.balls.points[1::2])


def _high_quality(real: Reference, n: int) -> float:
    assert real.mixture
    return float(chi2.cdf(9, real.mixture.centres.shape[1]))


def _agreement(real: Reference, n: int) -> float:
    """Of held-out data of known class: how often whoever tells the classes is right."""
    assert real.agreement is not None
    return real.agreement


KYNKAANNIEMI, NAEEM, VEEGAN = "Kynkäänniemi et al. 2019", "Naeem et al. 2020", "Srivastava et al. 2017 (VEEGAN)"

METRICS: dict[str, Metric] = {
    "fd": Metric(
        of=lambda c: frechet_distance(c.features, c.real.statistics),
        description="Fréchet distance between the features of generated and real data",
        better="min",
        source="Heusel et al. 2017, eq. 6; Dowson & Landau 1982",
    ),
    "kid": Metric(
        of=_kid,
        description="kernel distance (squared maximum mean discrepancy, unbiased, so it can be below 0) of as many of each side as the smaller has",
        better="min",
        source="Bińkowski et al. 2018",
        floor=lambda real, n: 0.0,
    ),
    "swd": Metric(
        of=lambda c: sliced_wasserstein(c.features, c.real.points, projections=PROJECTIONS),
        description="earth mover's distance along random directions, on average",
        better="min",
        source="Rabin et al. 2011; Bonneel et al. 2015",
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
        floor=lambda real, n: 1.0,
    ),
    "coverage": Metric(
        of=lambda c: c.prdc["coverage"],
        description="share of the real data with a generated sample in their neighbourhood",
        better="max",
        source=NAEEM,
        floor=_coverage,
    ),
    "vendi": Metric(
        of=lambda c: vendi_score(c.features, centre=c.real.statistics.mean),
        description="effective number of different samples, by the cosine of their features less the real mean",
        better="max",
        source="Friedman & Dieng 2023",
    ),
    "ndb": Metric(
        of=lambda c: ndb(c.real.bins, c.features).share,
        description="share of k-means bins of the real data with too many or too few samples, by 3 standard errors",
        better="min",
        source="Richardson & Weiss 2018",
    ),
    "memorisation": Metric(
        of=lambda c: memorisation(c.features, c.train, c.real.balls.points),
        description="how far samples keep to the training data rather than to held-out ones; 0 for new samples, 1 for copies",
        better="min",
        source="Meehan et al. 2020, by nearest neighbours",
        needs="train",
        floor=_memorisation,
    ),
    "modes": Metric(
        of=lambda c: float(modes_captured(c.shares)),
        description="number of modes with at least a fifth of an even share of the generated samples",
        better="max",
        source=f"{VEEGAN}, with a share instead of one sample",
        needs="modes",
    ),
    "modes_seen": Metric(
        of=lambda c: float(modes_seen(c.shares)),
        description="number of modes with any generated sample; grows with their number",
        better="max",
        source=VEEGAN,
        needs="modes",
    ),
    "kl": Metric(
        of=lambda c: kl(c.shares, c.real_shares),
        description="KL divergence of the generated samples' shares of the modes from the real ones, nats",
        better="min",
        source="Lin et al. 2018 (PacGAN), who call it reverse",
        needs="modes",
    ),
    "excess_kl": Metric(
        of=lambda c: excess_kl(c.shares, c.real_shares, n=len(c.features)),
        description="kl less what as many samples of the true shares score, nats; can be below 0",
        better="min",
        source="(K - 1)/(2N), Miller 1955",
        needs="modes",
    ),
    "forward_kl": Metric(
        of=lambda c: forward_kl(c.shares, c.real_shares, n=len(c.features)),
        description="KL divergence of the real shares of the modes from the generated ones (half a sample added to each), nats",
        better="min",
        source="Kullback & Leibler 1951; Jeffreys' prior",
        needs="modes",
    ),
    "class_imbalance": Metric(
        of=lambda c: class_imbalance(c.shares, c.real_shares),
        description="total variation between the generated and the real shares of the modes; 0 for even ones, at most 1",
        better="min",
        source="Levin & Peres 2017, prop. 4.2",
        needs="modes",
    ),
    "mode_spread": Metric(
        of=lambda c: c.spread.median,
        description="variance within a mode over the real one's, in the median mode; below 1: each mode has shrunk, which coverage cannot see",
        better=None,
        source="per-mode ratio of covariance traces",
        needs="modes",
        floor=lambda real, n: 1.0,
    ),
    "classifier_score": Metric(
        of=lambda c: inception_score(c.probabilities, splits=1).mean,
        description="Inception Score by the classifier of the data: sure of each sample, unsure of which comes next; at most the classes",
        better="max",
        source="Salimans et al. 2016",
        needs="classes",
    ),
    "ms_ssim": Metric(
        of=lambda c: ms_ssim_within(c.data, c.decisions, pairs=PAIRS),
        description="structural similarity of two samples of one class; more than real data: less variety within the classes",
        better="min",
        source="Odena et al. 2017; Wang et al. 2003",
        needs="images",
    ),
    "hq": Metric(
        of=lambda c: high_quality(c.data, c.mixture.centres, std=c.mixture.std),
        description="share of generated samples within 3 standard deviations of a mode's centre",
        better="max",
        source=VEEGAN,
        needs="mixture",
        floor=_high_quality,
    ),
    "class_fd": Metric(
        of=lambda c: class_frechet_distance(c.features, c.labels, c.real.points, c.real_labels),
        description="conditional runs: Fréchet distance within the class that was asked for, mean over classes; biased upwards by few samples a class",
        better="min",
        source="intra-FID, Miyato & Koyama 2018",
        needs="labels",
    ),
    "class_agreement": Metric(
        of=lambda c: class_agreement(c.decisions, c.labels),
        description="conditional runs: share of samples that are of the class that was asked for; at most what real data score",
        better="max",
        source="Odena et al. 2017, by the classifier of the data or the nearest centre",
        needs="labelled modes",
        floor=_agreement,
    ),
}


def measure(comparison: Comparison) -> dict[str, float]:
    """All of METRICS that can be computed for the comparison: name -> value."""
    return {name: metric.of(comparison) for name, metric in METRICS.items() if metric.needs in comparison.known}


def measure_by_class(comparison: Comparison) -> dict[int, dict[str, float]]:
    """Class that was asked for -> class_fd and class_agreement of its samples alone, as far as they can be computed for it."""
    of: dict[str, dict[int, float]] = {}
    if "labels" in comparison.known:
        of["class_fd"] = class_frechet_distances(comparison.features, comparison.labels, comparison.real.points, comparison.real_labels)
    if "labelled modes" in comparison.known:
        of["class_agreement"] = class_agreements(comparison.decisions, comparison.labels)
    classes = sorted({k for values in of.values() for k in values})
    return {k: {name: values[k] for name, values in of.items() if k in values} for k in classes}
