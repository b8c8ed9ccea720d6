"""The joint model: comparisons of all terms in all outcomes, and which of them may be claimed.

Claims are made one at a time, the strongest first. A claimed term enters the model of its outcome, so that later comparisons are adjusted
for it, and those of a study with many idle settings are not. At the end every claim must still hold beside all others.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import special

from analysis.model.adjustment import Rivals, adjust, rivals_of, straight
from analysis.model.multiplicity import ALONE, Limits, limits
from analysis.model.outcomes import Response
from analysis.model.regression import Regression, permute, t_value
from analysis.model.selection import Selection
from analysis.model.terms import SIZE, Contrast, Name, Term, is_range, size_term, terms_of
from analysis.model.units import Units
from analysis.table import Floats

_PERMUTATIONS = 4_999
_WORK = 20_000_000  # permutations times units, or columns, beyond which there are fewer permutations
_FEWEST = 1_999
_Key = tuple[str, Name, int]  # a response, a term, and the number of its contrast


@dataclass(frozen=True, eq=False)
class Comparison:
    """One contrast of one term in one outcome, on the working scale, adjusted for nuisance settings and for the claims beside it."""

    response: Response
    term: Term
    contrast: Contrast
    estimate: float
    error: float
    df: int
    score: float
    limit: float  # the score that a claim must pass
    family_p: float
    passed: bool  # it holds at the error rate of the whole
    selected: str  # it passed, but the failures of other runs may explain it: see `Selection.explains`
    role: str  # scientific or nuisance

    @property
    def claimed(self) -> bool:
        """Whether it may be claimed, if the study is randomised."""
        return self.passed and not self.selected

    @property
    def p(self) -> float:
        """The p value of this comparison alone."""
        return float(2 * special.ndtr(-abs(self.score)))

    def interval(self, *, family: bool) -> tuple[float, float]:
        """The 95 % interval: for this comparison alone, or for all of the family at once."""
        half = t_value(self.limit if family else ALONE, self.df) * self.error
        return self.estimate - half, self.estimate + half

    @cached_property
    def corrected(self) -> float:
        """The estimate corrected for selection: the mean of the likelihood, given that only scores beyond the limit are claimed.

        Zhong & Prentice 2008, their second estimator, for normal scores.
        """
        observed = abs(self.score)
        if not np.isfinite(observed) or observed <= self.limit:
            return self.estimate
        grid = np.linspace(observed - 8, observed + 8, 3201)
        passed = special.ndtr(grid - self.limit) + special.ndtr(-self.limit - grid)
        likelihood = np.exp(-0.5 * (observed - grid) ** 2) / passed
        return self.estimate * float((grid * likelihood).sum() / likelihood.sum() / observed)


@dataclass(frozen=True, eq=False)
class JointModel:
    """All comparisons, and the models behind them."""

    units: Units
    regressions: dict[str, Regression]  # response -> its regression
    terms: dict[Name, Term]
    chosen: dict[str, list[Name]]  # response -> the terms in its model: nuisance settings that matter, then claims
    comparisons: list[Comparison]
    limits: Limits
    rivals: Rivals

    def adjusted_for(self, response: str, term: Term) -> list[Name]:
        """The terms that a term is adjusted for in its final model."""
        return adjust(term, self.chosen[response], self.terms, self.rivals)

    def combination(self, response: str, weights: dict[Name, Floats], *, without: Collection[Name] = ()) -> tuple[float, float, int]:
        """The estimate, standard error and degrees of freedom of a sum over columns of several terms, all in one model `without` some.

        Averages are not adjusted for interactions of their own settings, as in `adjust`.
        """
        settings = [setting for name in weights for setting in self.terms[name].settings]
        averages = all(self.terms[name].kind != "interaction" for name in weights)
        beside: list[Name] = [*self.chosen[response], *(name for setting in settings for name in self.rivals[setting])]
        beside = [name for name in dict.fromkeys(beside) if not (averages and name[0] == "interaction" and {*settings} & {*name[1:]})]
        beside = straight([name for name in beside if name not in weights and name not in without], self.terms)
        return self.regressions[response].combined(weights, [name for name in beside if name not in weights])


def joint_model(
    units: Units, found: Sequence[Response], *, scientific: Sequence[str], nuisance: Sequence[str], seed: int = 0
) -> JointModel:
    """Fit all outcomes jointly. `seed` seeds the permutations of units."""
    scales = {name: units.table.setting_scale(name) for name in (*scientific, *nuisance) if is_range(units.settings[name])}
    terms = terms_of(units.settings, scientific, nuisance, scales)
    rivals = rivals_of(units.settings, terms, list(dict.fromkeys([*scientific, *nuisance])))
    sizes = units.sizes()
    if sizes.any():
        terms[SIZE] = size_term(sizes)
    regressions = {response.name: Regression(response, terms) for response in found if not response.constant}
    size = max(len(units), 2 * sum(term.columns.shape[1] for term in terms.values()), 1)
    n = int(np.clip(_WORK // size, _FEWEST, _PERMUTATIONS))
    asked = {name: term for name, term in terms.items() if term.settings and set(term.settings) <= set(scientific)}
    extra = {name: term for name, term in terms.items() if term.settings and name not in asked}
    # a mean of one trial and a mean of five are not exchangeable, so units are compared with units of about as many trials
    always: list[Name] = [SIZE] if SIZE in terms else []
    chosen: dict[str, list[Name]] = {name: [*always] for name in regressions}
    # nuisance settings that matter are adjusted for; they are no claims, so each outcome has an error rate of its own
    for name, regression in regressions.items():
        if extra:
            _claim({name: regression}, extra, chosen, rivals=rivals, strata=sizes, n=n, seed=seed, split=False)
    passed, bounds = _claim(regressions, asked, chosen, rivals=rivals, strata=sizes, n=n, seed=seed, split=True)
    comparisons = []
    selection = Selection(units, terms)
    for response, regression in regressions.items():
        for term in terms.values():
            role = "scientific" if term.name in asked else "nuisance"
            beside = adjust(term, chosen[response], terms, rivals)
            fit = regression.fit(term, beside)
            for i, contrast in enumerate(term.contrasts):
                if fit is None or not np.isfinite(fit.score[i]):
                    continue
                part, score, key = _part(regression.response, term), float(fit.score[i]), (response, term.name, i)
                limit, family_p = float("nan"), float("nan")
                if role == "scientific":
                    limit, family_p = passed.get(key, (bounds.limit.get(part, float("nan")), bounds.adjusted_p(part, score)))
                comparisons.append(
                    Comparison(
                        regression.response,
                        term,
                        contrast,
                        float(fit.estimate[i]),
                        float(fit.error[i]),
                        fit.df,
                        score,
                        limit,
                        family_p,
                        key in passed,
                        selection.explains(regression.response, term, i, score, beside) if key in passed else "",
                        role,
                    )
                )
    return JointModel(units, regressions, terms, chosen, comparisons, bounds, rivals)


def _part(response: Response, term: Term) -> str:
    """Bends and interactions share the part of secondary outcomes."""
    return response.part if term.kind in ("levels", "trend") else "other"


def _claim(
    regressions: dict[str, Regression],
    terms: dict[Name, Term],
    chosen: dict[str, list[Name]],
    *,
    rivals: Rivals,
    strata: npt.NDArray[np.int64],
    n: int,
    seed: int,
    split: bool,
) -> tuple[dict[_Key, tuple[float, float]], Limits]:
    """Choose the claims and add their terms to `chosen`. Return the limit that each claim passed and its adjusted p value, and the limits
    of the rest.
    """
    passed: dict[_Key, tuple[float, float]] = {}
    start = {name: list(names) for name, names in chosen.items()}

    def part_of(response: str, term: Term) -> str:
        return _part(regressions[response].response, term) if split else "risk"

    every = next(iter(regressions.values())).terms if regressions else {}
    known: dict[tuple[Name, ...], dict[_Key, float]] = {}  # an outcome with its terms -> scores

    def scored() -> dict[_Key, float]:
        found: dict[_Key, float] = {}
        for response, regression in regressions.items():
            key = (response, *chosen[response])
            if key not in known:
                fits = {term.name: regression.fit(term, adjust(term, chosen[response], every, rivals)) for term in terms.values()}
                known[key] = {
                    (response, name, i): abs(float(s))
                    for name, fit in fits.items()
                    if fit
                    for i, s in enumerate(fit.score)
                    if np.isfinite(s)
                }
            found |= known[key]
        return found

    def permuted_scores() -> dict[tuple[str, Name], Floats]:
        permute(
            list(regressions.values()),
            [[term for term in terms.values() if term.contrasts] for _ in regressions],
            residual_of=[straight(chosen[name], every) for name in regressions],
            strata=strata,
            n=n,
            seed=seed,
        )
        found = {}
        for response, regression in regressions.items():
            for term in terms.values():
                if (score := regression.permuted(term, adjust(term, chosen[response], every, rivals))) is not None:
                    found[response, term.name] = score
        return found

    def limits_of(permuted: dict[tuple[str, Name], Floats], left: dict[_Key, float]) -> Limits:
        rows: dict[str, list[Floats]] = {}
        kept: dict[tuple[str, Name], list[int]] = {}
        for response, term, i in left:
            kept.setdefault((response, term), []).append(i)
        for (response, term), which in kept.items():
            if (response, term) in permuted:
                rows.setdefault(part_of(response, terms[term]), []).append(permuted[response, term][which])
        return limits(rows)

    permuted = permuted_scores()
    while True:
        left = {key: score for key, score in scored().items() if key not in passed}
        bounds = limits_of(permuted, left)
        limit = {key: bounds.limit[part_of(key[0], terms[key[1]])] for key in left}
        best = max(left, key=lambda key: left[key] / limit[key], default=None)
        if best is None or left[best] <= limit[best]:
            break
        # adjusted p values never fall along the sequence of claims
        before = max((p for _, p in passed.values()), default=0.0)
        passed[best] = limit[best], max(before, bounds.adjusted_p(part_of(best[0], terms[best[1]]), left[best]))
        if best[1] not in chosen[best[0]]:
            chosen[best[0]].append(best[1])
    # what no longer holds beside the other claims is no claim
    while True:
        scores = scored()
        weak = [key for key, (limit, _) in passed.items() if scores.get(key, 0.0) <= limit]
        if not weak:
            return passed, bounds
        del passed[min(weak, key=lambda key: scores.get(key, 0.0))]
        for name in chosen:
            chosen[name] = list(dict.fromkeys([*start[name], *(term for response, term, _ in passed if response == name)]))
