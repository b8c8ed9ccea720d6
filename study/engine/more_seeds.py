"""Which configs of a search get another seed: successive halving, with seeds in place of training time."""

from collections.abc import Sequence
from statistics import fmean

import numpy as np

from ganstudy.direction import Direction

_KEEP = 1 / 3  # of the configs with so many seeds, which get another one: ASHA's reduction factor


class MoreSeeds:
    """A config gets its next seed if its mean so far is within the best third of the configs that had as many seeds before it.

    So most configs have one seed, and those that may still win have more (Li et al. 2020, with seeds as the resource). Decisions depend on the order in
    which configs come.
    """

    def __init__(self, most: int, direction: Direction):
        self.most, self._sign = most, direction.sign
        self.means: list[list[float]] = [[] for _ in range(most)]  # of the configs with 1, 2, … seeds; less is better

    def another(self, values: Sequence[float]) -> bool:
        """Whether a config gets another seed after its newest value; it must be asked after each one. values: those of its seeds so far."""
        before, mean = self.means[len(values) - 1], self._sign * fmean(values)
        good = not before or mean <= float(np.quantile(before, _KEEP))
        before.append(mean)
        return good and len(values) < self.most
