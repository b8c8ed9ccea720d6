"""Tables of recorded runs whose answers are known, for replays."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from study.simulate.read import as_search
from study.simulate.replay import Policy, Step, Trial, replay
from study.simulate.run import Run
from study.simulate.table import Table

TICKS = 16
SPEC: dict[str, Any] = {
    "name": "toy",
    "question": "Which?",
    "goal": "optimise",
    "base": {"arch": "mlp", "budget_kimg": 16, "tick_kimg": 1},
    "space": {
        "scientific": {
            "g.lr": {"low": 1e-4, "high": 1e-2, "log": True},
            "d.lr": {"low": 1e-4, "high": 1e-2, "log": True},
            "r1": [False, True],
            "r1.gamma": {"low": 0.1, "high": 10.0, "log": True},
        }
    },
    "n_configs": 1,
}

Curve = Callable[[float], float]  # share of the budget -> value


def run(config: int, seed: int, curve: Curve, settings: dict[str, Any], *, dead_at: int | None = None, hopeless: int | None = None) -> Run:
    """Return a run with a value at each tick, up to the tick before its death."""
    ticks = range(TICKS + 1)[:dead_at]
    return Run(
        config=config,
        seed=seed,
        settings=settings,
        dead=dead_at is not None,
        failed=dead_at is not None,
        outcome="healthy" if dead_at is None else "diverged",
        hopeless=hopeless,
        images=[1000 * tick for tick in ticks],
        values={"fd": [curve(tick / TICKS) for tick in ticks]},
    )


def points(n: int, seed: int = 0) -> list[dict[str, Any]]:
    """Return settings of n configs, at random."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        settings = {"g.lr": float(10 ** rng.uniform(-4, -2)), "d.lr": float(10 ** rng.uniform(-4, -2)), "r1": bool(rng.random() < 0.5)}
        found.append({**settings, "r1.gamma": float(10 ** rng.uniform(-1, 1))} if settings["r1"] else settings)
    return found


def table(values: Sequence[float], *, seeds: int = 2, noise: float = 0.0, rise: float = 0.0) -> Table:
    """Return a table whose configs have these values at every tick, times a factor of each seed; with `rise`, they come down to them from a factor e^rise."""
    rng, settings = np.random.default_rng(1), points(len(values))
    runs = []
    for config, value in enumerate(values):
        for seed in range(seeds):
            end = value * float(np.exp(noise * rng.standard_normal()))
            runs.append(run(config, seed, lambda t, end=end: end * float(np.exp(rise * (1 - t))), settings[config]))  # type: ignore[misc]
    return Table.of(runs, as_search(SPEC))


ASHA = {"name": "asha", "grace_kimg": 1.0, "reduction_factor": 4.0}


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def trained(given: Table, policy: Policy, *, slots: int = 1, budget: int = 10**9) -> tuple[list[Trial], list[Step]]:
    """Replay a policy. Returns its trials in the order in which they ended, and its answers."""
    trials: list[Trial] = []
    closed = policy.closed

    def listening(trial: Trial) -> None:
        trials.append(trial)
        closed(trial)

    policy.closed = listening  # type: ignore[method-assign]
    return trials, replay(policy, given, slots=slots, budget=budget)
