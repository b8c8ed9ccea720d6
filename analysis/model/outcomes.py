"""The outcomes of a study as one number per unit: risks, the objective of runs that did not fail, and a summary that needs no limit."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import rankdata

from analysis.model.units import Units
from analysis.outcomes import FAILURES, RISKS, WIN
from analysis.table import Bools, Floats, Scale, TrialTable
from analysis.words import metrics_like
from ganstudy import UserError
from ganstudy.direction import Direction
from ganstudy.registry import nearest

FAILED = "failed"
_TIE = 1e-3  # standard deviation of a tie-breaking number: too little to change the order of two rates
OF_ALL = ("modes_lost", "onset_kimg", "seconds")  # metrics that failed trials have too
_RARE = 3  # a kind of failure with fewer events can show nothing

Part = Literal["risk", "objective", "win", "other"]


@dataclass(frozen=True, eq=False)
class Response:
    """One outcome of U units. Working values: rates, shares, or a metric on its own scale (logarithms on the "log" scale)."""

    name: str  # a key of RISKS, the name of a metric, or WIN
    part: Part  # its share of the error rate
    values: Floats  # [U]; NaN where a unit has none
    scale: Scale
    direction: Direction
    ties: Floats | None = None  # [U]: random numbers by which equal values are told apart in permutations
    floor: float = 0.0  # the least standard deviation of a unit's value: equal rates by luck are no certainty

    @property
    def scored(self) -> Floats:
        """[U]: the values that scores are computed from.

        Few rates are possible, so many permutations would tie with the data, and a claim would have to beat all of them. A random order of
        tied values keeps the error rate exact (a randomised test); no other outcome may settle it, since that may have effects of its own.
        """
        return self.values if self.ties is None else self.values + _TIE * self.ties

    @property
    def constant(self) -> bool:
        """Whether all units are equal, up to rounding."""
        known = self.values[np.isfinite(self.values)]
        return not len(known) or float(np.ptp(known)) <= 1e-9 * max(1e-300, float(np.abs(known).max()))


def refuse_unknown(outcome: object, table: TrialTable) -> None:
    """Raise UserError unless an outcome is "failed", a kind of failure, or a metric with a direction. Of runs of other programs, the kinds are those that occur."""
    kinds = [kind for kind in RISKS if kind == FAILED or not table.foreign or (table.outcome == kind).any()]
    metrics = sorted(table.directions)
    if outcome not in (*kinds, *metrics):
        raise UserError(
            f"an outcome must be {', '.join(kinds)} or a metric with a direction; got {outcome!r}; "
            f"{nearest(outcome, kinds).strip() or metrics_like(outcome, metrics)}"
        )


def responses(units: Units, outcomes: tuple[str, ...]) -> list[Response]:
    """Return the responses for these outcomes: "failed", a kind of failure, or metrics.

    A metric gives two responses: its value over runs that did not fail, and, for the first one, `WIN`. Runs that a scheduler stopped
    before they failed are censored: they are in no risk and in no metric.
    """
    found: list[Response] = []
    for outcome in outcomes:
        if outcome == FAILED:
            found.append(failing(units))
        elif outcome in RISKS:
            found.append(_risk(units, outcome, units.table.outcome == outcome, "other"))
        else:
            found.append(_objective(units, outcome))
    metrics = [outcome for outcome in outcomes if outcome in units.table.directions]
    if FAILED in outcomes and metrics:
        found.append(winning(units, metrics[0]))
    return found


def known(table: TrialTable, outcome: str) -> Bools:
    """[T]: the trials that count in an outcome.

    Censored trials are in none. A metric is over trials that did not fail.
    """
    if outcome in table.directions:
        return np.isfinite(survivors(table, outcome))
    return ~table.censored


def kinds(table: TrialTable) -> list[str]:
    """Return the kinds of failure that a study can speak about, if it has more than one kind."""
    present = [kind for kind in FAILURES if (table.outcome == kind).sum() >= _RARE]
    return present if len(present) > 1 else []


def failing(units: Units) -> Response:
    """The risk of failing."""
    return _risk(units, FAILED, units.table.failed, "risk")


def _risk(units: Units, name: str, events: Bools, part: Part) -> Response:
    values = np.where(known(units.table, name), np.asarray(events, dtype=np.float64), np.nan)
    n = float(np.isfinite(values).sum())
    # the variance of a rate that differs from 0 or 1 by one event in half of the trials
    spread = 1 / (n / 2 + 2)
    per_unit = n / max(len(units), 1)
    floor = float(np.sqrt(spread * (1 - spread) / max(per_unit, 1.0)))
    ties = np.random.default_rng(0).standard_normal(len(units))
    return Response(name, part, units.mean(values), "linear", Direction.MINIMIZE, ties=ties, floor=floor)


def _objective(units: Units, metric: str) -> Response:
    table = units.table
    values, scale = survivors(table, metric), table.scale(metric)
    return Response(metric, "objective", units.mean(np.log(values) if scale == "log" else values), scale, table.direction(metric))


def survivors(table: TrialTable, metric: str) -> Floats:
    """[T]: the metric of trials that completed their budget and did not fail; NaN for all others.

    What a failed trial lost, when it failed, and how long it took are known of failed trials too.
    """
    values = table.at_end(metric)
    return values if metric in OF_ALL else np.where(table.failed, np.nan, values)


def winning(units: Units, metric: str) -> Response:
    """The share of other runs that a run beats, failed runs last and ties counted half: the Mann-Whitney statistic of one run against all
    others. A difference of these shares is in (-1, 1).
    """
    table = units.table
    values = survivors(table, metric)
    if table.scale(metric) == "log":
        values, size = np.log(values), 1.0
    else:  # the usual size of a value: one huge value must not make ties of all others
        sizes = np.abs(values[np.isfinite(values) & (values != 0)])
        size = float(np.median(sizes)) if len(sizes) else 1.0
    values = np.asarray(np.round(values / size, 9), dtype=np.float64)  # scores that differ by rounding only are ties
    worth = np.where(table.failed, np.inf, table.direction(metric).sign * values)  # less is better
    ranked = ~np.isnan(worth)
    share = np.full(len(table), np.nan)
    if ranked.sum() > 1:
        share[ranked] = (ranked.sum() - rankdata(worth[ranked])) / (ranked.sum() - 1)
    return Response(WIN, "win", units.mean(share), "linear", Direction.MAXIMIZE)
