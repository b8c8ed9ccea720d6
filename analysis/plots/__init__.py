"""One function per figure: each takes a table, or what was computed from one, and returns a plotly figure."""

from analysis.plots.configs import expected_best, pareto_front, ranking
from analysis.plots.effects import cells, importance, shape
from analysis.plots.forest import forest
from analysis.plots.parallel import parallel
from analysis.plots.runs import curves, described, trade_off
from analysis.plots.settings import metric_by_setting, risk_by_setting, setting_rows

__all__ = [
    "cells",
    "curves",
    "described",
    "expected_best",
    "forest",
    "importance",
    "metric_by_setting",
    "parallel",
    "pareto_front",
    "ranking",
    "risk_by_setting",
    "setting_rows",
    "shape",
    "trade_off",
]
