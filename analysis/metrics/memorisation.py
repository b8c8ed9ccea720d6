"""Memorisation: whether samples are closer to training data than to held-out real data.

The idea of Meehan, Chaudhuri & Dasgupta 2020 (a test for data-copying), with the nearest neighbour of Lopez-Paz & Oquab 2017.
"""

import numpy as np
from numpy.typing import ArrayLike

from analysis.metrics.arrays import Floats, as_points, same_dimension
from analysis.metrics.neighbours import TIE, nearest


def memorisation(fake: ArrayLike, train: ArrayLike, heldout: ArrayLike) -> float:
    """Return (share - p)/(1 - p): 1 for copies of the training data, 0 on average for a generator of new samples.

    `share` is the share of `fake` [M, D] whose nearest real point is in `train` [N, D] and not in `heldout` [H, D]; p = N/(N + H). A
    generator that learned only the distribution scores 0 on average for any N and H, because each real point is equally likely to be a
    training point. Less is better; the minimum is -p/(1 - p). Values below 0 are chance, or samples that avoid the training data. If several
    real points are equally near, the share of training points among them counts, so duplicates in the real data change nothing on average.

    The standard error around 0 is sqrt(p/(1 - p)/M) if samples have different nearest neighbours. A collapsed generator also scores 0 on
    average, with the error of its few distinct samples: one repeated point scores either 1 or the minimum.

    The features must not separate training data from held-out data. Those of a network that was fitted to the training data may do so.
    """
    samples, seen, unseen = as_points("fake", fake, least=1), as_points("train", train, least=1), as_points("heldout", heldout, least=1)
    same_dimension("fake", samples, "train", seen)
    same_dimension("fake", samples, "heldout", unseen)
    to_seen, to_unseen = nearest(samples, seen), nearest(samples, unseen)
    ties = np.abs(to_seen.squared - to_unseen.squared) <= TIE * to_seen.squared
    of_train: Floats = np.where(ties, to_seen.ties / (to_seen.ties + to_unseen.ties), to_seen.squared < to_unseen.squared)
    expected = len(seen) / (len(seen) + len(unseen))
    return float((of_train.mean() - expected) / (1 - expected))
