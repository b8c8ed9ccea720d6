"""The section about early stopping."""

import numpy as np

from analysis.report.content import Section, Table, Text
from analysis.report.findings import Findings
from analysis.stopped import stopped
from analysis.words import counted, percent
from ganstudy.ended import Ended


def early(found: Findings) -> Section | None:
    """How often a scheduler stopped trials, by the level of each setting."""
    shares = stopped(found.counted)
    if shares.empty:
        return None
    columns = ["Setting", "Level", "Trials", "Stopped", "Share", "95 % interval"]
    rows = [
        [
            str(row["setting"]),
            str(row["level"]),
            str(row["trials"]),
            str(row["stopped"]),
            counted(row["share"]),
            f"{percent(row['low'])} to {percent(row['high'])}",
        ]
        for row in shares.to_dict("records")
    ]
    n = int(np.sum(found.counted.ended == Ended.SCHEDULER.value))
    text = (
        f"A scheduler stopped {n} of {len(found.counted)} trials before the end. Where it stopped more, fewer runs reached their end, so less is known "
        "of how such settings do there. Settings whose shares differ most come first."
    )
    return Section(
        "Stopped early", [Text(text=text), Table(name="Share of trials stopped early", columns=columns, rows=rows, numbers=columns[2:])]
    )
