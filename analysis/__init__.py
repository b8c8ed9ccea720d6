"""A library that turns arrays into numbers, sentences and figures. It opens no file except the report that it writes, the runs of
other programs that `TrialTable.from_csv`, `from_wandb` and `from_ray` are given, and weights of pretrained features.
"""

from analysis import metrics
from analysis.answer import answer
from analysis.claim import Claim
from analysis.compare import Difference, compare, together
from analysis.diagnose import diagnose
from analysis.expected import expected_best
from analysis.explain import Explanation, explain
from analysis.feasible import feasibility
from analysis.importance import importance, optuna_importance
from analysis.pareto import pareto
from analysis.rank import rank
from analysis.report import report  # the function: from here on it hides the package of the same name
from analysis.rules import Diagnosis
from analysis.table import TrialTable
from ganstudy.direction import Direction

__all__ = [
    "Claim", "Diagnosis", "Difference", "Direction", "Explanation", "TrialTable", "answer", "compare", "diagnose", "expected_best", "explain",
    "feasibility", "importance", "metrics", "optuna_importance", "pareto", "rank", "report", "together",
]  # fmt: skip
