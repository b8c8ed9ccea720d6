"""How a budget is best split between searching and confirming: replays of phases optimise and confirm with races of several sizes.

`python -m bench.split ring` or `digits`. Each column is a total budget in whole runs; a cell is the share of repetitions whose answer is within 5 % of the
best config, the flattery of the reported value, and how often its interval holds the true value, of the answers that have one (n). `--repeats N`: repetitions.
"""

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

from rich.console import Console
from rich.table import Table as Shown

from analysis.replays import Figure, of_answers
from study.simulate.compare import Outcome, Setup
from study.simulate.policies import POLICIES, Entry, phased
from study.simulate.read import of_file
from study.spec.phases import Confirm

_RACES = {f"race of {top}, up to {seeds} seeds": Confirm(top=top, seeds=seeds) for top, seeds in ((2, 2), (2, 5), (4, 3), (4, 5), (8, 5))}
_BUDGETS = (8, 12, 16, 24, 32, 48)


def _policy(name: str, race: Confirm) -> Entry:
    """A search that leaves the runs of the race, and one more for trials that still run when it ends."""
    return phased(name, race=lambda _: race, until=lambda runs: runs - race.top * race.seeds - 1)


POLICIES |= {name: _policy(name, race) for name, race in _RACES.items()}  # here, so that the processes have them too


def _outcomes(setup: Setup, job: tuple[str, int]) -> list[Outcome]:
    return setup.outcomes(*job)


def _held(figure: Figure) -> str:
    """A small race may tell no spread, so that its answer has no interval."""
    return f"{figure.value:.0%}, n = {figure.n}" if figure.n else "–"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table")
    parser.add_argument("--repeats", type=int, default=40)
    given = parser.parse_args()
    table = of_file(given.table)
    setup = Setup(table=table, budgets=[n * table.budget for n in _BUDGETS], slots=4)
    jobs = [(name, repetition) for name in _RACES for repetition in range(given.repeats)]
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        found = list(pool.map(partial(_outcomes, setup), jobs, chunksize=5))
    shown = Shown(title=f"{given.table}, n = {given.repeats}: within 5 % of the best / flattery / interval held")
    for column in ("", *(f"{n} runs" for n in _BUDGETS)):
        shown.add_column(column)
    for i, name in enumerate(_RACES):
        replays = of_answers(setup.budgets, found[i * given.repeats : (i + 1) * given.repeats])
        cells = zip(replays.within(0.05), replays.mean_flattery(), replays.coverage(), strict=True)
        shown.add_row(name, *(f"{share.value:.0%} / {flattery.value:.2f} / {_held(held)}" for share, flattery, held in cells))
    Console(width=200).print(shown)


if __name__ == "__main__":
    main()
