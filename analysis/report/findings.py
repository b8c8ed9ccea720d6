"""Everything that a report says, computed once: HTML, Markdown and JSON are made from it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from analysis import plots
from analysis.ablation import Ablated, ablations
from analysis.answer import answer
from analysis.cells import Cells, interactions
from analysis.confirmed import ABLATE
from analysis.cost import SECONDS, cost
from analysis.estimate import rate
from analysis.expected import expected_best
from analysis.explain import Explanation, all_outcomes, explain
from analysis.feasible import Feasibility, feasibility
from analysis.importance import importance
from analysis.outcomes import OUTCOMES, WIN
from analysis.pareto import pareto
from analysis.rank import rank
from analysis.report.notes import caveats, design
from analysis.shape import Shape, shapes
from analysis.table import TrialTable
from analysis.winner import winner
from analysis.words import listed
from ganstudy import UserError
from ganstudy.limits import Limit

_SECOND = ("coverage", "recall", "precision", SECONDS)  # what the objective is traded against: the first that there is


@dataclass(frozen=True, kw_only=True, eq=False)
class Findings:
    """The results of one study. A frame is None where `why` gives the reason."""

    table: TrialTable
    objectives: Sequence[str]  # the main one first
    question: str
    explanation: Explanation
    answer: Sequence[str]
    outcomes: pd.DataFrame
    ranking: pd.DataFrame | None
    importances: Mapping[str, pd.DataFrame | None]  # outcome -> frame, for the risk of failure and the objective
    expected: pd.DataFrame | None
    pareto: pd.DataFrame | None
    feasibility: Feasibility | None  # None without constraints
    cost: pd.DataFrame | None
    shapes: Sequence[Shape]
    cells: Sequence[Cells]
    ablations: Sequence[Ablated]
    why: Mapping[str, str]  # "ranking", "importance for fd", … -> why there is none
    design: Mapping[str, str]
    caveats: Sequence[str]
    provenance: Mapping[str, str]
    defaults: Mapping[str, object] = field(default_factory=dict)  # of the settings that vary; empty if unknown
    recipes: Mapping[str, str] = field(default_factory=dict)  # trial id -> YAML that runs its config again
    images: Mapping[str, bytes] = field(default_factory=dict)  # trial id -> PNG of its sample grid
    real: bytes | None = None  # PNG of real data

    @property
    def objective(self) -> str:
        """The main objective."""
        return self.objectives[0]

    @property
    def recommended(self) -> list[str]:
        """The configs of the ranking that keep to the constraints, best first; of several objectives, those on the front."""
        if len(self.objectives) > 1:
            return [] if self.pareto is None else self.pareto["config_id"][self.pareto["on_front"]].tolist()
        if self.ranking is None:
            return []
        ranked = self.ranking.dropna(subset="place")["config_id"]
        return ranked[ranked.isin(self.feasibility.kept)].tolist() if self.feasibility else ranked.tolist()

    @property
    def counted(self) -> TrialTable:
        """The trials that are evidence."""
        return self.table.where(self.table.evidence)

    @property
    def leading(self) -> list[str]:
        """The scientific settings: those of claims first, then the most important, then in the order of the study file."""
        claimed = [name for claim in self.explanation if claim.claimed for name in claim.settings]
        frames = [frame for frame in self.importances.values() if frame is not None]
        shares = pd.concat([pd.Series(dtype=np.float64), *(frame["share"] for frame in frames)]).groupby(level=0).max()
        ordered = [*claimed, *map(str, shares.sort_values(ascending=False).index), *self.table.scientific]
        return [name for name in dict.fromkeys(ordered) if name in self.table.scientific]

    def described(self, config: Mapping[Any, Any]) -> str:
        """The first of the leading settings of a config as text: "r1 on, loss hinge"."""
        return plots.described(config, self.leading)


def findings(
    table: TrialTable,
    *,
    objectives: Sequence[str],
    limits: Sequence[Limit] = (),
    question: str = "",
    explanation: Explanation | None = None,
    given_design: Mapping[str, str] | None = None,
    given_caveats: Sequence[str] = (),
    provenance: Mapping[str, str] | None = None,
    defaults: Mapping[str, object] | None = None,
    recipes: Mapping[str, str] | None = None,
    images: Mapping[str, bytes] | None = None,
    real: bytes | None = None,
) -> Findings:
    """Compute everything. The arguments are those of `analysis.report`."""
    objective = objectives[0]
    if explanation is None:
        explanation = explain(table, all_outcomes(table, objective))
    why: dict[str, str] = {}

    def attempt(name: str, compute: Callable[[], pd.DataFrame]) -> pd.DataFrame | None:
        try:
            return compute()
        except UserError as reason:  # too few trials; the message says what would be needed
            why[name] = str(reason)
            return None

    second = next((name for name in _SECOND if name != objective and name in table.directions and _known(table, name)), None)
    of_front = objectives if len(objectives) > 1 else [objective, second] if second else []
    if not of_front:
        why["pareto"] = f"A Pareto front needs a second metric beside {objective}; this study has none."
    return Findings(
        table=table,
        objectives=objectives,
        question=question or f"How {listed(list(table.scientific)) or 'the settings'} affect {objective} and the risk of failure",
        explanation=explanation,
        answer=[*filter(None, [winner(table, objectives, limits=limits)]), *answer(explanation).splitlines()],
        outcomes=outcomes(table, explanation),
        ranking=attempt("ranking", lambda: rank(table, objective)),
        importances={
            name: attempt(f"importance for {name}", partial(importance, explanation.table, name))
            for name in dict.fromkeys(("failed", objective))
        },
        expected=attempt("expected", lambda: expected_best(table, objective)),
        pareto=attempt("pareto", lambda: _front(table, of_front, limits)) if of_front else None,
        feasibility=feasibility(table, limits, by=objective) if limits else None,
        cost=attempt("cost", lambda: cost(table)),
        shapes=[shape for outcome in ("failed", objective) for shape in shapes(explanation, outcome)],
        cells=_cells(explanation, objective),
        ablations=ablations(table, objective, defaults=defaults) if ABLATE in table.phase[table.evidence] else [],
        why=why,
        design=design(table, given_design or {}),
        caveats=[*caveats(table, explanation, objective), *given_caveats],
        provenance=dict(provenance or {}),
        defaults=defaults or {},
        recipes=recipes or {},
        images=images or {},
        real=real,
    )


def outcomes(table: TrialTable, explanation: Explanation) -> pd.DataFrame:
    """Return one row per outcome that occurs: its trials, its share of the trials that are evidence with a 95 % interval over the
    units of the answer, and its onset.

    Columns: trials, share, low, high, onset_median, onset_low, onset_high (kimg; the last two are the range). Index: outcome.
    """
    counted = table.where(table.evidence)
    present = Counter(map(str, table.outcome))
    rows = {}
    for outcome in OUTCOMES.values():
        if not present[outcome.name] and (outcome.name != "healthy" or table.foreign):
            continue
        share = rate(counted.outcome == outcome.name, explanation.units(counted)) if outcome.name and len(counted) else None
        onsets = table.onset_kimg[(table.outcome == outcome.name) & np.isfinite(table.onset_kimg)]
        ends = (np.median(onsets), onsets.min(), onsets.max()) if len(onsets) else (np.nan,) * 3
        shares = (share.value, share.low, share.high) if share else (np.nan,) * 3
        rows[outcome.name] = [present[outcome.name], *map(float, (*shares, *ends))]
    columns = ["trials", "share", "low", "high", "onset_median", "onset_low", "onset_high"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("outcome")


def _cells(explanation: Explanation, objective: str) -> list[Cells]:
    """All pairs with an interaction in the model, in the risk of failing and the objective; in other outcomes those that are claimed."""
    claimed = [(claim.outcome, claim.settings) for claim in explanation if claim.claimed and claim.kind == "interaction"]
    others = [outcome for outcome in dict.fromkeys(outcome for outcome, _ in claimed) if outcome not in ("failed", objective, WIN)]
    found = [each for outcome in ("failed", objective, *others) for each in interactions(explanation, outcome)]
    return [each for each in found if each.outcome in ("failed", objective) or (each.outcome, (each.rows, each.columns)) in claimed]


def _known(table: TrialTable, metric: str) -> bool:
    return metric in table.final and bool(np.isfinite(table.at_end(metric)).any())


def _front(table: TrialTable, metrics: Sequence[str], limits: Sequence[Limit]) -> pd.DataFrame:
    found = pareto(table, *metrics, limits=limits)
    if len(found) < 2:
        raise UserError(
            f"a Pareto front needs two configs with values of {listed(list(metrics))}; there {'is 1' if len(found) else 'are 0'}"
        )
    return found
