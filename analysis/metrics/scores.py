"""Scores from a classifier's probabilities for generated samples. They need no real data."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import entr

from analysis.metrics.arrays import Floats, as_points
from ganstudy import UserError


@dataclass(frozen=True)
class InceptionScore:
    """Mean and standard deviation over the splits (normalised by their number, as in papers)."""

    mean: float
    std: float


def inception_score(probabilities: ArrayLike, *, splits: int = 10, seed: int = 2020) -> InceptionScore:
    """Return exp(E KL(p(class | x) || p(class))) of `probabilities` [N, K], N >= `splits`. Salimans et al. 2016, section 4.

    With Inception's classes it is the Inception score; with a classifier of the data's own classes, it is the classifier score. It lies between
    1 and K; higher is better: each sample belongs clearly to one class, and classes are equally frequent. It ignores real data, is useless
    for data with one class, and misses collapse within classes: one perfect image per class scores K. With n = N / splits samples per
    split, the expected maximum is about K exp(-(K - 1) / (2 n)), because drawn classes are uneven by chance.

    Samples are shuffled before splitting, as torch-fidelity does for the same `seed`. Without that, splits of sorted samples would score 1.
    """
    p = as_points("probabilities", probabilities, least=1)
    if (p < 0).any() or not np.allclose(p.sum(axis=1), 1):
        raise UserError(
            f"probabilities must be at least 0 and each row must add up to 1; the least is {p.min():g}, "
            f"and the rows add up to {p.sum(axis=1).min():g} to {p.sum(axis=1).max():g}"
        )
    if not 1 <= splits <= len(p):
        raise UserError(f"splits must lie between 1 and the number of samples, {len(p)}; given is {splits}")
    order = np.random.RandomState(seed).permutation(len(p))
    scores = [_score(p[order[i * len(p) // splits : (i + 1) * len(p) // splits]]) for i in range(splits)]
    return InceptionScore(float(np.mean(scores)), float(np.std(scores)))


def _score(p: Floats) -> float:
    # The mean KL is the entropy of the mean minus the mean of the entropies, which needs no logarithm of 0 and no division.
    return float(np.exp(max(0.0, entr(p.mean(axis=0)).sum() - entr(p).sum(axis=1).mean())))
