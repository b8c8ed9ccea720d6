"""Races of simulated configs: how often the best one leaves, what a race costs, and whether the winner's value is told truly.

`python -m bench.race`. A search has looked at many configs with two seeds each; the best ten are confirmed with up to five fresh seeds. `--repeats N`: races of each kind.
"""

import argparse

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from analysis import TrialTable
from analysis.race import contenders, survivors
from analysis.rank import rank
from analysis.table import Floats

_CONFIGS, _TOP, _SEEDS, _UNJUDGED, _ERROR = 60, 10, 5, 2, 0.05
_SPREAD, _NOISE = 0.4, 0.3  # standard deviations between configs and between seeds, of the logarithm
_KINDS = {"seeds differ for each config": 0.0, "half of the variance of seeds is common": 0.5, "most of it is common": 0.9}


def table(values: Floats, phase: str, first_seed: int) -> TrialTable:
    """values [C, S] of fd; NaN: no such trial."""
    of, seed = np.nonzero(np.isfinite(values))
    ids = pd.Index([f"c{i}-s{first_seed + j}" for i, j in zip(of, seed, strict=True)])
    n = len(ids)
    return TrialTable(
        trial_id=ids.to_numpy(dtype=np.str_), config_id=np.array([f"c{i}" for i in of]), seed=first_seed + seed, phase=np.full(n, phase),
        ended=np.full(n, "budget"), outcome=np.full(n, "healthy"), diagnosis=np.full(n, ""), onset_kimg=np.full(n, np.nan),
        settings=pd.DataFrame({"lr": 0.01 * of}, index=ids), final=pd.DataFrame({"fd": values[of, seed]}, index=ids), curves={},
        images=np.zeros((n, 0)), scientific=("lr",), nuisance=(), directions={"fd": "minimize"}, baselines={},  # type: ignore[dict-item]
    )  # fmt: skip


def one(rng: np.random.Generator, common: float) -> tuple[bool, int, bool, float, float]:
    """Return whether the best of the contenders left, runs, whether the winner's interval holds its true value, its flattery, and that of the search's winner."""
    true = _SPREAD * rng.standard_normal(_CONFIGS)

    def run(n: int) -> Floats:
        shared, own = rng.standard_normal((1, n)), rng.standard_normal((_CONFIGS, n))
        return np.asarray(np.exp(true[:, None] + _NOISE * (np.sqrt(common) * shared + np.sqrt(1 - common) * own)))

    searched = run(2)
    chosen = [int(config[1:]) for config in contenders(table(searched, "explore", 0), ["fd"], _TOP)]
    values, played = run(_SEEDS), np.full((_CONFIGS, _SEEDS), np.nan)
    racing = [f"c{i}" for i in chosen]
    for round_number in range(_SEEDS):
        rows = [int(config[1:]) for config in racing]
        played[rows, round_number] = values[rows, round_number]
        if _UNJUDGED <= round_number + 1 < _SEEDS and len(racing) > 1:
            error = _ERROR * (round_number + 2 - _UNJUDGED) / (_SEEDS - _UNJUDGED)
            racing = [config for config in survivors(table(played, "confirm", 100), ["fd"], error=error) if config in racing]
    best = min(chosen, key=lambda i: true[i])
    winner = rank(table(played, "confirm", 100)).iloc[0]
    truth = float(np.exp(true[int(winner["config_id"][1:])]))
    first = int(np.exp(np.log(searched).mean(axis=1)).argmin())
    naive = float(np.exp(true[first]) / np.exp(np.log(searched[first]).mean()))
    return (
        f"c{best}" not in racing,
        int(np.isfinite(played).sum()),
        bool(winner["low"] <= truth <= winner["high"]),
        truth / float(winner["estimate"]),
        naive,
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.race", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=100)
    given, console = parser.parse_args(), Console()
    shown = Table(
        title=f"{_TOP} of {_CONFIGS} configs, up to {_SEEDS} fresh seeds, error {_ERROR:.0%}; n = {given.repeats} races of each kind"
    )
    for column in (
        "seeds",
        f"the best left (≤ {_ERROR:.0%})",
        f"runs (of {_TOP * _SEEDS})",
        "95 % interval holds",
        "true / told value",
        "the same without a race",
    ):
        shown.add_column(column)
    for kind, common in _KINDS.items():
        found = np.array([one(np.random.default_rng(repeat), common) for repeat in range(given.repeats)], dtype=np.float64)
        lost, runs, held, flattery, naive = found.T
        shown.add_row(
            kind,
            f"{lost.mean():.1%}",
            f"{runs.mean():.1f}",
            f"{held.mean():.1%}",
            f"{np.exp(np.log(flattery).mean()):.3f}",
            f"{np.exp(np.log(naive).mean()):.3f}",
        )
    console.print(shown)


if __name__ == "__main__":
    main()
