"""What repeated replays of a policy say: how often it is right, how wrong it is, and how much better its answer looks than it is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from statsmodels.stats.proportion import proportion_confint

from analysis.table import Floats

_BOOTSTRAPS = 2000
_TAILS = (0.025, 0.975)
_HALF = 0.5


@dataclass(frozen=True)
class Figure:
    """An estimate with its 95 % interval over repetitions.

    NaN: there is nothing to estimate; infinity: beyond the largest budget; minus infinity: at the smallest budget or before.
    """

    value: float
    low: float
    high: float
    n: int  # repetitions that it is from


@dataclass(frozen=True, eq=False)
class Replays:
    """R repetitions of one policy, with its answer at each of B budgets. NaN where it had no answer yet."""

    budgets: Floats  # [B] images, increasing
    regret: Floats  # [R, B]: true value of the answer relative to the best config; 0.05 is 5 % worse
    flattery: Floats  # [R, B]: how many times better the reported value is than the true one; 1 is honest
    covered: Floats  # [R, B]: 1 if the reported interval holds the true value, 0 if not; NaN if none is reported

    def __len__(self) -> int:
        return len(self.regret)

    def within(self, tolerance: float) -> list[Figure]:
        """Return the share of repetitions whose answer is at most `tolerance` worse than the best config, at each budget. Wilson 1927"""
        return [_share(column) for column in self._successes(tolerance).T]

    def images_until(self, tolerance: float) -> Figure:
        """Return the images after which half of the repetitions have an answer at most `tolerance` worse than the best config.

        The share is interpolated linearly in the logarithm of the budget, between budgets only: where half are right at the smallest one already,
        it is not known when they were. It is taken to grow: a later fall is averaged with what came before (isotonic regression). Bootstrap over
        repetitions.
        """
        successes = self._successes(tolerance).astype(np.float64)
        again = [self._crossing(successes[rows].mean(0)) for rows in self._resampled()]
        low, high = np.quantile(again, _TAILS, method="nearest")
        return Figure(self._crossing(successes.mean(0)), float(low), float(high), len(self))

    def median_regret(self) -> list[Figure]:
        """Return the median regret at each budget. Without an answer, it is infinite. Bootstrap over repetitions."""
        return [self._median(column) for column in np.nan_to_num(self.regret, nan=np.inf, posinf=np.inf).T]

    def mean_flattery(self) -> list[Figure]:
        """Return the geometric mean of the flattery at each budget. Bootstrap over repetitions with an answer whose flattery is neither 0 nor infinite.

        It is so if one of the reported and the true value is 0. A geometric mean would then be 0 or infinite, whatever the others are.
        """
        return [self._geometric(column[np.isfinite(column) & (column > 0)]) for column in self.flattery.T]

    def coverage(self) -> list[Figure]:
        """Return how often the reported interval holds the true value, at each budget, where one is reported. Wilson 1927"""
        return [_share(column[np.isfinite(column)] > 0) for column in self.covered.T]

    def _successes(self, tolerance: float) -> npt.NDArray[np.bool_]:
        return np.nan_to_num(self.regret, nan=np.inf, posinf=np.inf) <= tolerance

    def _resampled(self) -> npt.NDArray[np.int64]:
        return np.random.default_rng(0).integers(len(self), size=(_BOOTSTRAPS, len(self)))

    def _median(self, values: Floats) -> Figure:
        low, high = np.quantile(np.median(values[self._resampled()], axis=1), _TAILS, method="nearest")
        return Figure(float(np.median(values)), float(low), float(high), len(self))

    def _geometric(self, values: Floats) -> Figure:
        if not len(values):
            return Figure(np.nan, np.nan, np.nan, 0)
        logs = np.log(values)
        rows = np.random.default_rng(0).integers(len(logs), size=(_BOOTSTRAPS, len(logs)))
        low, high = np.quantile(logs[rows].mean(1), _TAILS)
        return Figure(float(np.exp(logs.mean())), float(np.exp(low)), float(np.exp(high)), len(values))

    def _crossing(self, shares: Floats) -> float:
        """Return the budget at which a share reaches a half; infinity if it does not, minus infinity if it is a half at the smallest budget."""
        shares = _isotonic(shares)
        at = int(np.searchsorted(shares, _HALF))
        if at == len(shares):
            return np.inf
        if at == 0:
            return -np.inf
        part = (_HALF - shares[at - 1]) / (shares[at] - shares[at - 1])
        return float(self.budgets[at - 1] * (self.budgets[at] / self.budgets[at - 1]) ** part)


def _share(events: npt.NDArray[np.bool_]) -> Figure:
    if not len(events):
        return Figure(np.nan, np.nan, np.nan, 0)
    low, high = proportion_confint(int(events.sum()), len(events), method="wilson")
    return Figure(float(events.mean()), float(low), float(high), len(events))


def _isotonic(values: Floats) -> Floats:
    """Return the closest values that never fall, by pooling neighbours. Barlow et al. 1972"""
    sums: list[float] = []
    sizes: list[int] = []
    for value in values.tolist():
        sums.append(value)
        sizes.append(1)
        while len(sums) > 1 and sums[-2] * sizes[-1] > sums[-1] * sizes[-2]:
            sums[-2:], sizes[-2:] = [sums[-2] + sums[-1]], [sizes[-2] + sizes[-1]]
    return np.repeat(np.divide(sums, sizes), sizes)


def of_answers(budgets: Sequence[float], answers: Sequence[Sequence[tuple[float, float, float]]]) -> Replays:
    """Return replays from (regret, flattery, covered) of each repetition and budget."""
    return Replays(
        np.asarray(budgets, dtype=np.float64), *np.moveaxis(np.array(answers, dtype=np.float64).reshape(-1, len(budgets), 3), 2, 0)
    )
