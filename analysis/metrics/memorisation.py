"""Does a generator copy its training data? By whose points its samples are nearest to: those of training, or equally real ones never seen.

The idea of Meehan, Chaudhuri & Dasgupta 2020 (a test of data-copying), with the nearest neighbour of Lopez-Paz & Oquab 2017.
"""

import numpy as np
from numpy.typing import ArrayLike

from analysis.metrics.arrays import Floats, as_points, same_dimension
from analysis.metrics.neighbours import TIE, nearest


def memorisation(fake: ArrayLike, train: ArrayLike, heldout: ArrayLike) -> float:
    """(share - p)/(1 - p): share of `fake` [M, D] whose nearest real point is of `train` [N, D], not of `heldout` [H, D]; p = N/(N + H).

    1 for copies of the training data; 0 on average for a generator that has learned no more than the distribution, whatever N and H, since
    then each real point is equally likely to be a training point; at least -p/(1 - p). Less is better; values below 0 are chance, or
    samples that keep away from the training data. Where several real points are equally near, the share of the training points among them
    counts, as if one were drawn: so copies within the real data change nothing on average.

    Standard error around 0: sqrt(p/(1 - p)/M), as long as the samples are nearest to different real points. A collapsed generator scores 0
    on average too, but its error is that of as few samples as it has different ones: one point repeated scores either 1 or the minimum.

    The features must not tell training data from held-out data: those of a network that was fitted to the training data may.
    """
    samples, seen, unseen = as_points("fake", fake, least=1), as_points("train", train, least=1), as_points("heldout", heldout, least=1)
    same_dimension("fake", samples, "train", seen)
    same_dimension("fake", samples, "heldout", unseen)
    to_seen, to_unseen = nearest(samples, seen), nearest(samples, unseen)
    ties = np.abs(to_seen.squared - to_unseen.squared) <= TIE * to_seen.squared
    of_train: Floats = np.where(ties, to_seen.ties / (to_seen.ties + to_unseen.ties), to_seen.squared < to_unseen.squared)
    expected = len(seen) / (len(seen) + len(unseen))
    return float((of_train.mean() - expected) / (1 - expected))
