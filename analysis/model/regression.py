"""Least squares of one response on any subset of terms, for the data and for permuted data, from one table of products.

Units without a value, or in which a term does not live, are left out, so terms fall into groups that share their rows. In each group all
columns are centred, and the products of columns with columns (`gram`) and with the response are enough for every fit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from scipy import linalg, special

from analysis.model.outcomes import Response
from analysis.model.terms import CELL, Name, Term
from analysis.table import Bools, Floats

_INFLATION = 10.0  # a comparison whose variance other terms inflate more than this cannot be separated from them (Marquardt 1970)


@dataclass(frozen=True, eq=False)
class Fit:
    """The m contrasts of one term: estimates, standard errors, and t statistics as standard normal scores."""

    estimate: Floats  # [m]; NaN where it cannot be estimated
    error: Floats  # [m]
    score: Floats  # [m]
    df: int


@dataclass(eq=False)
class _Group:
    rows: npt.NDArray[np.int64]
    columns: Floats  # [n, K], centred
    gram: Floats  # [K, K]
    products: Floats  # [K], with the values
    total: float  # sum of squares of the values
    scored: Floats  # [K], with the values that scores are computed from
    scored_total: float
    permuted: Floats = field(default_factory=lambda: np.empty((0, 0)))  # [K, B]


class Regression:
    """One response and all terms."""

    def __init__(self, response: Response, terms: Mapping[Name, Term]):
        self.response, self.terms = response, terms
        self.at: dict[Name, slice] = {}
        start = 0
        for name, term in terms.items():
            self.at[name] = slice(start, start + term.columns.shape[1])
            start += term.columns.shape[1]
        self.all = np.hstack([term.columns for term in terms.values()]) if terms else np.empty((len(response.values), 0))
        self.groups: dict[bytes, _Group] = {}

    def group(self, term: Term) -> _Group:
        """The units of a term that have a value, and their products."""
        rows = term.rows & np.isfinite(self.response.values)
        key = rows.tobytes()
        if key not in self.groups:
            self.groups[key] = self._grouped(rows)
        return self.groups[key]

    def _grouped(self, rows: Bools) -> _Group:
        at = np.flatnonzero(rows)
        columns = self.all[at]
        columns = columns - columns.mean(axis=0) if len(at) else columns
        y, scored = (values[at] - values[at].mean() if len(at) else values[at] for values in (self.response.values, self.response.scored))
        return _Group(at, columns, columns.T @ columns, columns.T @ y, float(y @ y), columns.T @ scored, float(scored @ scored))

    def fit(self, term: Term, adjust: Sequence[Name]) -> Fit | None:
        """The term adjusted for others, or None if too few units are left."""
        group = self.group(term)
        fit = self._solved(term, adjust, group.products[:, None], group.total, floor=self.response.floor)
        if self.response.ties is not None:
            scored = self._solved(term, adjust, group.scored[:, None], group.scored_total, floor=self.response.floor)
            fit = replace(fit, score=scored.score) if fit and scored else None
        return fit if fit is None else self._spread(fit, term, adjust)

    def _spread(self, fit: Fit, term: Term, adjust: Sequence[Name]) -> Fit:
        """Widen errors, and shrink scores, of contrasts whose own sides spread more than all units together do.

        Rates near one half spread more than rates of 0 or 1, and a level in few units may spread more than the others. The error of a
        contrast is then that of Welch 1947, from the residuals on its own sides.
        """
        group = self.group(term)
        at = np.concatenate([np.arange(self.at[name].start, self.at[name].stop) for name in (*adjust, term.name)])
        y = self.response.values[group.rows]
        columns = group.columns[:, at]
        residual = y - y.mean() - columns @ (_inverse(group.gram[np.ix_(at, at)])[0] @ group.products[at])
        pooled = max(float(residual @ residual) / fit.df, self.response.floor**2)
        wider = np.ones(len(term.contrasts))
        for i, contrast in enumerate(term.contrasts):
            sides = [residual[side[group.rows]] for side in contrast.cells or (contrast.inside, contrast.outside)]
            if min(map(len, sides)) >= CELL and pooled > 0:
                own = sum(max(float(side.var(ddof=1)), self.response.floor**2) / len(side) for side in sides)
                wider[i] = max(1.0, np.sqrt(own / (pooled * sum(1 / len(side) for side in sides))))
        return replace(fit, error=fit.error * wider, score=fit.score / wider)

    def permuted(self, term: Term, adjust: Sequence[Name]) -> Floats | None:
        """[m, B]: the scores of the same fit to permuted data."""
        group = self.group(term)
        fit = self._solved(term, adjust, group.permuted, group.scored_total, floor=self.response.floor)
        return None if fit is None else fit.score

    def combined(self, weights: Mapping[Name, Floats], adjust: Sequence[Name]) -> tuple[float, float, int]:
        """The estimate, standard error and degrees of freedom of a sum over columns of several terms, in units where all of them live."""
        rows = np.logical_and.reduce([self.terms[name].rows for name in weights])
        group = self._grouped(rows & np.isfinite(self.response.values))
        names = [*weights, *adjust]
        at = np.concatenate([np.arange(self.at[name].start, self.at[name].stop) for name in names])
        inverse, rank = _inverse(group.gram[np.ix_(at, at)])
        vector = np.concatenate([weights.get(name, np.zeros(self.at[name].stop - self.at[name].start)) for name in names])
        products = group.products[at]
        coefficients = inverse @ products
        df = len(group.rows) - 1 - rank
        residual = group.total - coefficients @ products
        deviation = max(np.sqrt(max(residual, 0.0) / max(df, 1)), self.response.floor)
        return float(vector @ coefficients), float(deviation * np.sqrt(vector @ inverse @ vector)), df

    def _solved(self, term: Term, adjust: Sequence[Name], products: Floats, total: float, *, floor: float = 0.0) -> Fit | None:
        """`products` [K, B]. For B = 1 the results are [m], else [m, B]. `floor` is the least standard deviation of the residuals."""
        if not term.contrasts:
            return None
        group = self.group(term)
        own = self.at[term.name]
        other = (
            np.concatenate([np.arange(self.at[name].start, self.at[name].stop) for name in adjust]) if adjust else np.empty(0, dtype=int)
        )
        other = other[np.diag(group.gram)[other] > 1e-12]
        gram, against, right = group.gram[own, own], group.gram[own, :][:, other], products[own]
        inner, rank = _inverse(group.gram[np.ix_(other, other)])
        explained = (products[other] * (inner @ products[other])).sum(axis=0)
        left = gram - against @ inner @ against.T
        right = right - against @ inner @ products[other]
        inverse, own_rank = _inverse(left, scale=np.diag(gram))
        df = len(group.rows) - 1 - rank - own_rank
        if df < 2 or own_rank == 0 or total <= 0:
            return None
        coefficients = inverse @ right
        residual = total - explained - (coefficients * right).sum(axis=0)
        deviation = np.maximum(np.sqrt(np.maximum(residual, 1e-12 * total) / df), floor)
        weights = np.array([contrast.weights for contrast in term.contrasts])
        variance = np.einsum("mk,kl,ml->m", weights, inverse, weights)
        alone = _inverse(gram)[0]
        # estimable: within the span of what is left of the columns, and not inflated beyond use
        lost = np.abs(weights - weights @ left @ inverse).max(axis=1) > 1e-6
        lost |= variance > _INFLATION * np.einsum("mk,kl,ml->m", weights, alone, weights)
        lost |= [not contrast.carried(group.rows) for contrast in term.contrasts]
        estimate = weights @ coefficients
        spread = np.sqrt(np.where(lost, np.nan, variance))[:, None] * deviation
        score = normal_scores(estimate / spread, df)
        if products.shape[1] == 1:
            return Fit(np.where(lost, np.nan, estimate[:, 0]), spread[:, 0], score[:, 0], df)
        return Fit(estimate, spread, score, df)


def permute(
    regressions: Sequence[Regression],
    used: Sequence[Sequence[Term]],
    *,
    residual_of: Sequence[Sequence[Name]],
    strata: npt.NDArray[np.int64],
    n: int,
    seed: int,
) -> None:
    """Fill the permuted products of every group that the terms `used` by each regression need, from the same permutations of units.

    Whole units are permuted, so outcomes of one unit stay together, and with them the correlation between outcomes. What is permuted is the
    residual of the terms `residual_of` (Freedman & Lane 1983). Units change places within their stratum [U] only: a mean of one trial and a
    mean of five are not exchangeable.
    """
    size = len(strata)
    rng = np.random.default_rng(seed)
    jobs: list[tuple[_Group, Floats]] = []
    for regression, terms, names in zip(regressions, used, residual_of, strict=True):
        for group in {id(g): g for g in map(regression.group, terms)}.values():
            y = regression.response.scored[group.rows]
            y = y - y.mean() if len(y) else y
            columns = np.hstack([np.empty((len(y), 0)), *(group.columns[:, regression.at[name]] for name in names)])
            if columns.shape[1]:
                y = y - columns @ linalg.lstsq(columns, y)[0]
            group.permuted = np.empty((group.columns.shape[1], n))
            # the residual is scaled to the total of the data, which the fits subtract from
            norm = float(y @ y)
            jobs.append((group, y * np.sqrt(group.scored_total / norm) if norm > 0 else y))
    batch = max(1, min(n, 2_000_000 // max(size, 1)))
    for start in range(0, n, batch):
        keys = rng.random((min(batch, n - start), size))
        keys += strata  # sorts by stratum, and at random within each
        orders: dict[bytes, npt.NDArray[np.int64]] = {}
        for group, y in jobs:
            key = group.rows.tobytes()
            if key not in orders:
                orders[key] = np.argsort(keys[:, group.rows], axis=1)
            places = np.argsort(strata[group.rows], kind="stable")
            group.permuted[:, start : start + len(keys)] = group.columns[places].T @ y[orders[key]].T


def normal_scores(t: Floats, df: int) -> Floats:
    """Return the standard normal quantile of Student's t with the same tail. Wallace 1959, within .06, and within .02 for df >= 8."""
    return np.asarray(np.sign(t) * np.sqrt(df * np.log1p(t * t / df)) * (8 * df + 1) / (8 * df + 3))


def t_value(score: float, df: float) -> float:
    """Return the value of Student's t with the same tail as a positive standard normal score."""
    return float("inf") if np.isinf(score) else -float(special.stdtrit(df, float(special.ndtr(-score))))


def _inverse(gram: Floats, scale: Floats | None = None) -> tuple[Floats, int]:
    """The pseudo-inverse of a symmetric matrix and its rank; directions below 1e-6 of `scale` count as absent."""
    if not len(gram):
        return gram, 0
    size = np.sqrt(np.maximum(np.diag(gram) if scale is None else scale, 1e-300))
    values, vectors = np.linalg.eigh(gram / np.outer(size, size))
    kept = values > 1e-6
    inner = (vectors[:, kept] / values[kept]) @ vectors[:, kept].T
    return inner / np.outer(size, size), int(kept.sum())
