"""Accuracy of the diagnosis on trials with a known cause of failure, and cost and benefit of stopping hopeless trials.

`python -m bench.confusion tests/data/staged.jsonl.gz` prints the tables of docs/diagnosis.md.
"""

import gzip
import json
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scipy.stats import binomtest

from analysis.diagnose import diagnose, hopeless
from analysis.outcomes import FAILURES, OUTCOMES


@dataclass
class Rate:
    """k of n, with the 95 % interval of Clopper and Pearson."""

    k: int = 0
    n: int = 0

    def add(self, event: bool) -> None:
        self.k, self.n = self.k + event, self.n + 1

    @property
    def share(self) -> float:
        return self.k / self.n

    @property
    def low(self) -> float:
        return float(binomtest(self.k, self.n).proportion_ci(method="exact").low)

    @property
    def high(self) -> float:
        return float(binomtest(self.k, self.n).proportion_ci(method="exact").high)

    def __str__(self) -> str:
        return f"{self.k} of {self.n} ({self.share:.1%}, 95 % {self.low:.1%} to {self.high:.1%})" if self.n else "none"


@dataclass
class Confusion:
    """Counts over trials, see `bench.staged`."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)  # (true outcome, diagnosed outcome)
    right: Rate = field(default_factory=Rate)
    by_setting: dict[str, Rate] = field(default_factory=dict)
    false_alarms: Rate = field(default_factory=Rate)  # healthy and undertrained trials diagnosed as failed
    wrongly_ended: Rate = field(default_factory=Rate)  # healthy and undertrained trials stopped as hopeless
    rightly_ended: Rate = field(default_factory=Rate)  # failed trials stopped as hopeless
    kept_outcome: Rate = field(default_factory=Rate)  # stopped trials with the same diagnosis as without stopping
    images_saved: float = 0.0
    images_failed: float = 0.0  # of all failed trials
    wrong: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, runs: Iterable[dict[str, Any]]) -> "Confusion":
        confusion = cls()
        for run in runs:
            confusion.add(run)
        return confusion

    def add(self, run: dict[str, Any]) -> None:
        known = {"baselines": run["baselines"], "n_modes": run["n_modes"]}
        truth, diagnosis = run["truth"], diagnose(run["images"], run["curves"], ended=run["ended"], **known)
        self.counts[truth, diagnosis.outcome] += 1
        self.right.add(diagnosis.outcome == truth)
        self.by_setting.setdefault(run["settings"], Rate()).add(diagnosis.outcome == truth)
        if diagnosis.outcome != truth:
            self.wrong.append(f"{run['settings']}, {run['cause']}, seed {run['seed']}: {diagnosis.outcome}, {diagnosis.evidence}")
        failed = truth in FAILURES
        if not failed:
            self.false_alarms.add(diagnosis.outcome in FAILURES)
        at = _stopped_at(run)
        (self.rightly_ended if failed else self.wrongly_ended).add(at is not None)
        self.images_failed += failed * run["images"][-1]
        if at is not None:
            self.images_saved += run["images"][-1] - run["images"][at]
            curves = {name: curve[: at + 1] for name, curve in run["curves"].items()}
            stopped = diagnose(run["images"][: at + 1], curves, ended="dead", finite=True, **known)
            self.kept_outcome.add(stopped.outcome == diagnosis.outcome)

    def markdown(self) -> str:
        columns = [outcome for outcome in OUTCOMES if any(key[1] == outcome for key in self.counts)]
        rows = [["true ↓, diagnosed →", *columns], ["---", *["---:"] * len(columns)]]
        for truth in OUTCOMES:
            if any(key[0] == truth for key in self.counts):
                rows.append([truth, *(str(self.counts[truth, outcome] or "·") for outcome in columns)])
        table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
        settings = "\n".join(f"* {name}: {rate}" for name, rate in self.by_setting.items())
        return (
            f"{table}\n\n"
            f"Correct: {self.right}.\n"
            f"Healthy or undertrained trials diagnosed as failed: {self.false_alarms}.\n"
            f"Healthy or undertrained trials stopped as hopeless: {self.wrongly_ended}. Failed trials stopped as hopeless: {self.rightly_ended}, "
            f"which saves {self.images_saved / self.images_failed:.0%} of the images of all failed trials; "
            f"same outcome as without stopping: {self.kept_outcome}.\n\n"
            f"{settings}\n\nWrong diagnoses:\n\n" + "\n".join(f"* {line}" for line in self.wrong or ["none"])
        )


def _stopped_at(run: dict[str, Any]) -> int | None:
    """Index of the first tick at which a trial is hopeless; None if there is none before the last tick."""
    for i in range(1, len(run["images"]) - 1):
        curves = {name: curve[: i + 1] for name, curve in run["curves"].items()}
        known = {"baselines": run["baselines"], "n_modes": run["n_modes"]}
        if hopeless(run["images"][: i + 1], curves, budget=run["budget"], **known):
            return i
    return None


def main() -> None:
    with gzip.open(Path(sys.argv[1]), "rt") as lines:
        sys.stdout.write(Confusion.of(map(json.loads, lines)).markdown() + "\n")


if __name__ == "__main__":
    main()
