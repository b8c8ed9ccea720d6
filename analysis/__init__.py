"""A library: arrays -> numbers, sentences, pictures. Opens no file but the report that it writes."""

from analysis import metrics
from analysis.diagnose import Diagnosis, diagnose
from analysis.explain import Claim, answer, explain
from analysis.rank import rank
from analysis.report import report
from analysis.table import TrialTable

__all__ = ["Claim", "Diagnosis", "TrialTable", "answer", "diagnose", "explain", "metrics", "rank", "report"]
