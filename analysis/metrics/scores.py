"""Scores of what a classifier says about generated samples, with no real data beside them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import entr

from analysis.metrics.arrays import Floats, as_points


@dataclass(frozen=True)
class InceptionScore:
    """Mean and standard deviation (divided by the number of splits, as printed in papers) over the splits."""

    mean: float
    std: float


def inception_score(probabilities: ArrayLike, *, splits: int = 10, seed: int = 2020) -> InceptionScore:
    """exp(E KL(p(class | x) || p(class))) of the classifier's `probabilities` [N, K], N >= `splits`. Salimans et al. 2016, section 4.

    With Inception's classes it is the Inception score; with a classifier of the data's own classes, the classifier score of these classes.
    Between 1 and K; higher is better: each sample clearly of one class, and all classes equally often. It never sees real data. It is useless
    where the data have one class, and blind to collapse within classes: one perfect picture per class scores K. With n = N / splits samples
    a split, the best to expect is about K exp(-(K - 1) / (2 n)), for the classes drawn are uneven by chance.

    The samples are shuffled before they are split, as torch-fidelity does for the same `seed`: sorted by class, each split would score 1.
    """
    p = as_points("probabilities", probabilities, least=1)
    if (p < 0).any() or not np.allclose(p.sum(axis=1), 1):
        raise ValueError(
            f"probabilities must be at least 0 and each row must add up to 1; the least is {p.min():g}, "
            f"and the rows add up to {p.sum(axis=1).min():g} to {p.sum(axis=1).max():g}"
        )
    if not 1 <= splits <= len(p):
        raise ValueError(f"splits must lie between 1 and the number of samples, {len(p)}; given is {splits}")
    order = np.random.RandomState(seed).permutation(len(p))
    scores = [_score(p[order[i * len(p) // splits : (i + 1) * len(p) // splits]]) for i in range(splits)]
    return InceptionScore(float(np.mean(scores)), float(np.std(scores)))


def _score(p: Floats) -> float:
    # The mean KL is the entropy of the mean less the mean of the entropies: no logarithm of 0, and no quotient.
    return float(np.exp(max(0.0, entr(p.mean(axis=0)).sum() - entr(p).sum(axis=1).mean())))
