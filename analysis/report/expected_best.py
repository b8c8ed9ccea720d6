"""The section on the best of k configs."""

import numpy as np

from analysis import plots
from analysis.interval import shown
from analysis.report.content import Chart, Charts, Section, Text, reason
from analysis.report.findings import Findings
from analysis.words import number, percent, plural


def expected_best(found: Findings) -> Section:
    """The expected best at a budget."""
    if found.expected is None:
        return Section("Expected best", [Text(text=reason(found.why["expected"]))])
    frame = found.expected.copy()
    frame["low"], frame["high"] = shown(frame["low"], frame["high"], found.objective, found.table.scale(found.objective))
    last, k = frame.iloc[-1], int(frame.index[-1])
    if np.isfinite(last["expected"]):
        interval = f" (95 % {number(last['low'])} to {number(last['high'])})" if np.isfinite(last["low"]) else ""
        failing = f", if a run does not fail; in {percent(last['p_none'])} of such searches all fail" if last["p_none"] > 0 else ""
        reached = f"is expected to reach {number(last['expected'])} in {found.objective}{interval}{failing}"
        text = f"The best of {plural(k, 'config')}, one run each, {reached}."
    else:
        text = f"Of {plural(k, 'config')} all may fail, so no {found.objective} can be expected."
    lines = np.isfinite(frame).sum() > 1  # one point is no line
    if not lines["expected"]:
        return Section("Expected best", [Text(text=text)])
    chart = Chart(
        name="expected",
        title=f"The best {found.objective} that a search over the same space finds",
        alt=f"Expected best {found.objective} against the number of configs tried; {number(last['expected'])} after {k}.",
        figure=plots.expected_best(frame, found.table),
    )
    notes = [
        "The band is the 95 % interval of the mean." if lines["low"] else "",
        "Between the dotted lines nine of ten searches end." if lines["likely_low"] and lines["likely_high"] else "",
        "One search in twenty is better than the dotted line." if lines["likely_low"] != lines["likely_high"] else "",
        "No line marks the worse end where more than one search in twenty has only failed runs." if np.isinf(frame).any(axis=None) else "",
        "Beyond a third of the configs the data say little.",
    ]
    return Section("Expected best", [Text(text=text), Charts(charts=[chart], note=" ".join(filter(None, notes)))])
