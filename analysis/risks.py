"""Hierarchical model of configs: the risk of failing. `analysis.hierarchy` says what such models are for."""

import numpy as np
import numpy.typing as npt
from scipy.special import betaln

from analysis.hierarchy import Ints
from analysis.table import Floats

_MEANS, _ICCS = (grid.ravel() for grid in np.meshgrid((np.arange(80) + 0.5) / 80, (np.arange(40) + 0.5) / 40))  # a grid over (0, 1)²


def draw_risks(
    failed: npt.ArrayLike, n: npt.ArrayLike, *, n_draws: int, rng: np.random.Generator, rows: Ints | slice = slice(None)
) -> tuple[Floats, Floats]:
    """Return the posterior mean [C] of each config's risk, from `failed` [C] among `n` [C] trials, and draws [n_draws, rows] of those in `rows`.

    Beta-binomial model: the risks of configs have a beta distribution, whose mean and intraclass correlation are uniform on (0, 1) a priori.
    Both are integrated over a grid.
    """
    failed, n = np.asarray(failed, dtype=np.float64), np.asarray(n, dtype=np.float64)
    pairs, of, counts = np.unique(np.column_stack([failed, n]), axis=0, return_inverse=True, return_counts=True)
    k, size = pairs[:, :1], pairs[:, 1:]
    weight = _weights(k, size, counts)
    a, b = _MEANS * (1 / _ICCS - 1), (1 - _MEANS) * (1 / _ICCS - 1)
    at = rng.choice(len(weight), size=n_draws, p=weight)
    draws = rng.beta(a[at, None] + failed[rows], b[at, None] + (n - failed)[rows])
    return (((a + k) / (a + b + size)) @ weight)[of.ravel()], draws


def rate_and_correlation(failed: npt.ArrayLike, n: npt.ArrayLike) -> tuple[float, float]:
    """Return the posterior means of the rate of failures and of the intraclass correlation, by the model of `draw_risks`."""
    pairs, counts = np.unique(np.column_stack([failed, n]).astype(np.float64), axis=0, return_counts=True)
    weight = _weights(pairs[:, :1], pairs[:, 1:], counts)
    return float(weight @ _MEANS), float(weight @ _ICCS)


def _weights(failed: Floats, n: Floats, counts: npt.NDArray[np.integer]) -> Floats:
    """Return the posterior weights of _MEANS and _ICCS, given `counts` configs with so many failures [C, 1] among n trials [C, 1]."""
    a, b = _MEANS * (1 / _ICCS - 1), (1 - _MEANS) * (1 / _ICCS - 1)
    log_likelihood = counts @ (betaln(a + failed, b + n - failed) - betaln(a, b))
    weight = np.exp(log_likelihood - log_likelihood.max())
    return np.asarray(weight / weight.sum())
