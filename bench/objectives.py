"""Searches with two objectives of which a part of the space dies: `python -m bench.objectives`.

Compares what Optuna can be told of a run that died: PRUNED with the constraint `dead`, FAIL, or COMPLETE with infinite values and the constraint
(what study/engine/adaptive.py does). Prints for each sampler the share of its proposals that died, of the last half, and the hypervolume of
the front that it found, as a share of that of random search; each with the standard error over repeats.
"""

import sys
from collections.abc import Callable
from typing import Literal

import numpy as np
import optuna
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import TrialState

Told = Literal["pruned", "fail", "infinite"]

SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {
    "random": lambda seed: RandomSampler(seed=seed),
    "tpe": lambda seed: TPESampler(seed=seed),
    "nsga2": lambda seed: NSGAIISampler(population_size=16, seed=seed),
}
TRIALS, REPEATS = 80, 40
DIMENSIONS, DEAD = 4, 0.4  # settings, and the share of the space that dies: large values of the first
_WORST = 2.0  # of both objectives, from which the hypervolume is measured


def objectives(x: np.ndarray) -> tuple[float, float] | None:
    """Two objectives of settings x [DIMENSIONS] in [0, 1], less is better; None where a run dies.

    The front is at x[1:] = 0.5 and runs along x[0]; its better end in the second objective lies beside the dead part.
    """
    if x[0] > 1 - DEAD:
        return None
    far = float(((x[1:] - 0.5) ** 2).sum())
    along = x[0] / (1 - DEAD)
    return along + far, (1 - along) ** 2 + far


def search(sampler: BaseSampler, told: Told) -> tuple[float, float]:
    """Return the share of the last half of the proposals that died, and the hypervolume of all that did not."""
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
    died, found = [], []
    for _ in range(TRIALS):
        trial = study.ask()
        values = objectives(np.array([trial.suggest_float(f"x{i}", 0, 1) for i in range(DIMENSIONS)]))
        died.append(values is None)
        if values is not None:
            found.append(values)
            study.tell(trial, values)
        elif told == "fail":
            study.tell(trial, state=TrialState.FAIL)
        else:
            trial.set_constraint("dead", 1.0)
            if told == "pruned":
                study.tell(trial, state=TrialState.PRUNED)
            else:
                study.tell(trial, (np.inf, np.inf))
    return float(np.mean(died[TRIALS // 2 :])), hypervolume(np.array(found))


def hypervolume(points: np.ndarray) -> float:
    """Return the area [N, 2] that is dominated by points, up to _WORST."""
    area, least = 0.0, _WORST
    for x, y in sorted(map(tuple, points)):
        if x < _WORST and y < least:
            area += (_WORST - x) * (least - y)
            least = y
    return area


def main() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else REPEATS
    base = np.array([search(SAMPLERS["random"](seed), "pruned")[1] for seed in range(repeats)]).mean()
    print(f"{repeats} repeats of {TRIALS} trials, {DIMENSIONS} settings, {DEAD:.0%} of the space dies")
    for name, make in SAMPLERS.items():
        for told in ("pruned",) if name == "random" else ("pruned", "fail", "infinite"):
            found = np.array([search(make(seed), told) for seed in range(repeats)])  # type: ignore[arg-type]
            mean, error = found.mean(0), found.std(0, ddof=1) / np.sqrt(repeats)
            print(f"{name:7} {told:9} died {mean[0]:.2f} ± {error[0]:.2f}   hypervolume {mean[1] / base:.3f} ± {error[1] / base:.3f}")


if __name__ == "__main__":
    main()
