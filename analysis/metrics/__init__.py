"""Metrics as pure functions of arrays: how close generated samples are to real data, and what real data score themselves."""

from analysis.metrics.baselines import Baseline, baseline, baselines
from analysis.metrics.bins import Bins, Ndb, bins_of, ndb
from analysis.metrics.classes import class_agreement, class_agreements, class_frechet_distance, class_frechet_distances
from analysis.metrics.comparison import Comparison, Mixture, Operands, Reference, Samples
from analysis.metrics.frechet import FrechetStatistics, frechet_distance, frechet_statistics
from analysis.metrics.kernel import Kid, kid
from analysis.metrics.measures import METRICS, Metric, measure, measure_by_class
from analysis.metrics.memorisation import memorisation
from analysis.metrics.modes import (
    class_imbalance,
    class_imbalance_baseline,
    excess_kl,
    forward_kl,
    high_quality,
    kl,
    kl_baseline,
    modes_captured,
    modes_lost,
    modes_seen,
    nearest_centre,
    shares,
)
from analysis.metrics.neighbours import Balls, balls, prdc
from analysis.metrics.scores import InceptionScore, inception_score
from analysis.metrics.similarity import ms_ssim, ms_ssim_within
from analysis.metrics.spread import Spread, mode_spread, mode_traces
from analysis.metrics.transport import sliced_wasserstein
from analysis.metrics.vendi import vendi_score, vendi_score_of_kernel

__all__ = [
    "METRICS",
    "Balls",
    "Baseline",
    "Bins",
    "Comparison",
    "FrechetStatistics",
    "InceptionScore",
    "Kid",
    "Metric",
    "Mixture",
    "Ndb",
    "Operands",
    "Reference",
    "Samples",
    "Spread",
    "balls",
    "baseline",
    "baselines",
    "bins_of",
    "class_agreement",
    "class_agreements",
    "class_frechet_distance",
    "class_frechet_distances",
    "class_imbalance",
    "class_imbalance_baseline",
    "excess_kl",
    "forward_kl",
    "frechet_distance",
    "frechet_statistics",
    "high_quality",
    "inception_score",
    "kid",
    "kl",
    "kl_baseline",
    "measure",
    "measure_by_class",
    "memorisation",
    "mode_spread",
    "mode_traces",
    "modes_captured",
    "modes_lost",
    "modes_seen",
    "ms_ssim",
    "ms_ssim_within",
    "ndb",
    "nearest_centre",
    "prdc",
    "shares",
    "sliced_wasserstein",
    "vendi_score",
    "vendi_score_of_kernel",
]
