"""`python -m bench.samplers [SAMPLER …] [--repeats 40]`: what each sampler makes of a space, and of trials that die, beside random draws.

Prints the tables of docs/search.md. Nothing is trained: the value of a config is a known function of its settings plus noise. A study of 45 configs is
driven as the engine drives it, with two trials at a time; the best is the smallest true value of a trial that reached its budget. Spaces:

* cliff: four ranges. Trials die above a learning rate of D, in 40 % of the space; the optimum is just below.
* conditional: three ranges, and a switch that is worth it only with the right values of its two settings.
* choices: two ranges and three choices, of 4, 3 and 2 values.
* stopped: the ranges of `cliff`, of which nothing dies; two of three trials are stopped after a third of the budget, by a noisy value there. A stopped trial counts
  as a third of a config.
"""

import argparse
import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna.trial import TrialState

from study.engine.adaptive import Adaptive
from study.spec.study_spec import StudySpec
from study.store.records import Closed, Ended, Measurement, TrialRecord

CONFIGS = 45
SLOTS = 2
NOISE = 0.02  # standard deviation of a value
LR = {"low": 1e-5, "high": 1e-2, "log": True}
RANGES = {"d.lr": LR, "g.lr": LR, "beta1": {"low": 0.0, "high": 0.9}, "beta2": {"low": 0.9, "high": 0.999}}
SAMPLERS: dict[str, Any] = {
    "random": "random",
    "qmc": "qmc",
    "tpe": "tpe",
    "gp": "gp",
    "cmaes": "cmaes",
    "nsga2": {"name": "nsga2", "population_size": 10},
    "nsga3": {"name": "nsga3", "population_size": 10},
}

Flat = Mapping[str, Any]


def _lr(flat: Flat, name: str) -> float:
    """Where a learning rate is in its range, from 0 to 1."""
    return float(math.log10(flat[name]) + 5) / 3


def _ranges(flat: Flat) -> float:
    return float(
        4 * (_lr(flat, "d.lr") - 0.62) ** 2
        + 2 * (_lr(flat, "g.lr") - 0.3) ** 2
        + (flat["beta1"] / 0.9 - 0.7) ** 2
        + 0.5 * ((flat["beta2"] - 0.9) / 0.099 - 0.5) ** 2
    )


def _conditional(flat: Flat) -> float:
    value: float = 0.3 + 2 * (_lr(flat, "d.lr") - 0.3) ** 2 + 2 * (_lr(flat, "g.lr") - 0.7) ** 2 + 0.5 * (flat["beta1"] / 0.9 - 0.5) ** 2
    if flat["r1"]:
        value += 2 * (math.log10(flat["r1.gamma"]) / 3 + 1 / 3 - 0.8) ** 2 + (flat["r1.warmup"] / 0.5 - 0.2) ** 2 - 0.3
    return float(value)


def _choices(flat: Flat) -> float:
    return float(
        2 * (_lr(flat, "d.lr") - 0.3) ** 2
        + 2 * (_lr(flat, "g.lr") - 0.7) ** 2
        + {"hinge": 0.3, "nonsaturating": 0.2, "least_squares": 0.0, "wasserstein": 0.4}[flat["loss"]]
        + {"relu": 0.0, "elu": 0.1, "tanh": 0.3}[flat["g.activation"]]
        + (0.1 if flat["d.norm"] == "layer" else 0.0)
    )


@dataclass(frozen=True)
class Case:
    space: Mapping[str, Any]
    value: Callable[[Flat], float]
    dies: Callable[[Flat], bool] = lambda flat: False
    stopped: bool = False


CASES = {
    "cliff": Case(RANGES, _ranges, dies=lambda flat: _lr(flat, "d.lr") > 0.6),
    "conditional": Case(
        {
            "r1": [False, True],
            "r1.gamma": {"low": 0.1, "high": 100.0, "log": True},
            "r1.warmup": {"low": 0.0, "high": 0.5},
            **{name: RANGES[name] for name in ("d.lr", "g.lr", "beta1")},
        },
        _conditional,
    ),
    "choices": Case(
        {
            "loss": ["hinge", "nonsaturating", "least_squares", "wasserstein"],
            "g.activation": ["relu", "elu", "tanh"],
            "d.norm": ["none", "layer"],
            "d.lr": LR,
            "g.lr": LR,
        },
        _choices,
    ),
    "stopped": Case(RANGES, _ranges, stopped=True),
}


def search(case: Case, sampler: Any, seed: int, *, fail: bool = False) -> tuple[float, float]:
    """Return the best true value that a study finds, and the share of its trials that died or were stopped. fail: tell dead trials as Optuna's FAIL."""
    spec = StudySpec.from_dict(
        {
            "name": "s",
            "question": "?",
            "goal": "optimise",
            "base": {"data": "ring8", "arch": "mlp"},
            "space": {"scientific": dict(case.space)},
            "n_configs": 3 * CONFIGS,
            "sampler": sampler,
            "design_seed": seed,
        }
    )
    adaptive, rng = Adaptive(spec), np.random.default_rng(seed)
    running, rungs = deque[TrialRecord](), list[float]()
    left, number, lost, best = float(CONFIGS), 0, 0, math.inf
    while left > 0 or running:
        if left > 0 and len(running) < SLOTS:
            proposal = adaptive.next(number)
            assert proposal
            adaptive.opened(str(number))
            running.append(TrialRecord(trial_id=str(number), number=number, flat=proposal.flat))
            number, left = number + 1, left - 1
            continue
        record = running.popleft()
        value, ended = case.value(record.flat), Ended.BUDGET
        measured = [_at(1_000, value + 0.3 + 0.08 * rng.standard_normal()), _at(3_000, value + NOISE * rng.standard_normal())]
        if case.dies(record.flat):
            ended, measured = Ended.DEAD, [_at(1_000, 2.5 + 0.1 * rng.random())]
        elif case.stopped:
            first = measured[0].values["fd"]
            if rungs and first > np.percentile(rungs, 100 / 3):
                ended, measured, left = Ended.SCHEDULER, measured[:1], left + 2 / 3
            rungs.append(first)
        for each in measured:
            adaptive.measured(record.trial_id, each)
        if fail and ended is Ended.DEAD:
            adaptive.study.tell(adaptive.trials[record.trial_id], state=TrialState.FAIL)
        else:
            adaptive.closed(record.changed(measurements=tuple(measured), closed=Closed(ended=ended)))
        lost += ended is not Ended.BUDGET
        best = min(best, value if ended is Ended.BUDGET else math.inf)
    return best, lost / number


def _at(images: int, value: float) -> Measurement:
    return Measurement(images=images, seconds=1.0, evaluation_seconds=0.0, values={"fd": float(value)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("samplers", nargs="*", choices=[[], *SAMPLERS], default=[])
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--cases", nargs="*", choices=CASES, default=list(CASES))
    parser.add_argument("--fail", action="store_true", help="tell dead trials as failed, as Optuna does")
    given = parser.parse_args()
    print(
        f"{CONFIGS} configs, {given.repeats} repeats, mean ± standard error\n\n| space | sampler | best value | died or stopped | seconds |"
    )
    print("|---|---|---|---|---|")
    for name in given.cases:
        for sampler in given.samplers or SAMPLERS:
            start = time.monotonic()
            found = np.array([search(CASES[name], SAMPLERS[sampler], seed, fail=given.fail) for seed in range(given.repeats)])
            mean, error = found.mean(0), found.std(0, ddof=1) / math.sqrt(given.repeats)
            print(
                f"| {name} | {sampler} | {mean[0]:.3f} ± {error[0]:.3f} | {mean[1]:.1%} ± {error[1]:.1%} | {(time.monotonic() - start) / given.repeats:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
