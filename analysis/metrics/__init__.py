"""Pure functions of arrays: how near generated samples are to real data."""

from analysis.metrics.frechet import FrechetStatistics, frechet_distance, frechet_statistics
from analysis.metrics.measures import METRICS, Comparison, Metric, Reference, measure
from analysis.metrics.modes import high_quality, kl, modes_captured, nearest_centre, shares
from analysis.metrics.neighbours import Balls, balls, prdc

__all__ = [
    "METRICS",
    "Balls",
    "Comparison",
    "FrechetStatistics",
    "Metric",
    "Reference",
    "balls",
    "frechet_distance",
    "frechet_statistics",
    "high_quality",
    "kl",
    "measure",
    "modes_captured",
    "nearest_centre",
    "prdc",
    "shares",
]
