"""How often the answer of a study is wrong, and how often it finds what is there, in simulated studies whose truth is known.

`python -m bench.calibration` simulates every cell of CELLS and prints the table of docs/statistics.md. Configs come from the project's own
designs; a trial fails with the risk of its config, and seeds of one config agree more than others (beta-binomial).
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from scipy.special import ndtri

from analysis import Claim, Direction, TrialTable, explain
from study.spec.design import DESIGNS
from study.spec.space import Space

Floats = np.ndarray[Any, np.dtype[np.float64]]
Truth = Callable[[Claim], float]  # the working value of the true effect


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Studies of one kind. Settings are switches s0, s1, …, choices c0, … of four levels, and ranges x0, … on a log scale."""

    name: str
    configs: int
    seeds: int
    switches: int = 0
    choices: int = 0
    ranges: int = 0
    nuisance: int = 1  # ranges that vary so that the comparison is fair; the first has an effect of its own
    risk: float = 0.4  # of a run without effects
    risk_effect: float = 0.0  # of s0
    agree: float = 0.2  # correlation between the failures of seeds of one config
    factor: float = 1.0  # of s1 in fd
    interaction: float = 0.0  # of s0 and s1 in log fd: half the difference between agreeing and other cells
    valley: float = 0.0  # of x0 in log fd: standard deviation of its effect over the configs
    config_sd: float = 0.3  # of log fd
    seed_sd: float = 0.2
    single: float = 0.0  # share of configs that have one seed only
    tied: bool = False  # whether these are configs with s0
    spread: float = 1.0  # factor in both standard deviations of log fd with s1
    related: float = 0.0  # how much worse fd is, in standard deviations, where a run is about to fail
    replicates: int = 1


@dataclass
class Result:
    """Counts over the replicates of a cell."""

    studies: int = 0
    any_claim: int = 0
    false_claim: int = 0  # studies that claim an effect where there is none
    wrong_sign: int = 0  # studies that claim that a metric gets worse where it does not, or better where it does not
    found: Counter[str] = field(default_factory=Counter)  # planted effect -> studies that claim it
    single: list[bool] = field(default_factory=list)  # whether an interval, each taken alone, holds the truth
    claimed: list[bool] = field(default_factory=list)  # whether the interval of a claim holds the truth
    ratio: list[float] = field(default_factory=list)  # corrected effects over true ones, where claimed
    seconds: float = 0.0


def simulate(cell: Cell, rng: np.random.Generator) -> TrialTable:
    """Return one study of a cell."""
    scientific: dict[str, BaseDistribution] = {f"s{i}": CategoricalDistribution([False, True]) for i in range(cell.switches)}
    scientific |= {f"c{i}": CategoricalDistribution(["a", "b", "c", "d"]) for i in range(cell.choices)}
    scientific |= {f"x{i}": FloatDistribution(1e-4, 1e-2, log=True) for i in range(cell.ranges)}
    nuisance: dict[str, BaseDistribution] = {f"n{i}": FloatDistribution(1e-4, 1e-2, log=True) for i in range(cell.nuisance)}
    space = Space(scientific=scientific, nuisance=nuisance)
    rows = DESIGNS.pick("balanced")(space, n_configs=cell.configs, design_seed=int(rng.integers(2**31)))
    configs = pd.DataFrame(rows)
    position = {name: _position(configs[name], domain) for name, domain in space.domains.items() if isinstance(domain, FloatDistribution)}
    half = {f"s{i}": configs[f"s{i}"].to_numpy(dtype=float) - 0.5 for i in range(cell.switches)}
    risk = cell.risk + (cell.risk_effect * configs["s0"].to_numpy(dtype=float) if cell.risk_effect else 0.0) + np.zeros(cell.configs)
    if cell.nuisance:
        risk = np.clip(risk + 0.1 * (position["n0"] - 0.5), 0.0, 1.0)
    mean = np.zeros(cell.configs)
    if cell.factor != 1:
        mean += np.log(cell.factor) * half["s1"]
    if cell.interaction:
        mean += cell.interaction * 4 * half["s0"] * half["s1"]
    if cell.valley:
        curve = 4 * (position["x0"] - 0.5) ** 2
        mean += cell.valley * curve / np.sqrt(4 / 45)
    if cell.nuisance:
        mean += 0.3 * (position["n0"] - 0.5)
    between = rng.standard_normal(cell.configs)
    within = rng.standard_normal((cell.configs, cell.seeds))
    noise = (cell.config_sd * between)[:, None] + cell.seed_sd * within
    if cell.spread != 1:
        noise *= np.where(half["s1"] > 0, cell.spread, 1.0)[:, None]
    failed = _failures(cell, rng, risk, noise)
    table = _table(configs, failed, mean[:, None] + noise, tuple(scientific), tuple(nuisance))
    if not cell.single:
        return table
    order = rng.permutation(cell.configs) + (cell.configs * (half["s0"] < 0) if cell.tied else 0)
    few = np.argsort(np.argsort(order)) < cell.single * cell.configs
    return table.where(~np.repeat(few, cell.seeds) | (np.arange(len(table)) % cell.seeds == 0))


def _position(values: pd.Series, domain: FloatDistribution) -> Floats:
    low, high = np.log(domain.low), np.log(domain.high)
    return np.asarray((np.log(values.to_numpy(dtype=float)) - low) / (high - low))


def _failures(cell: Cell, rng: np.random.Generator, risk: Floats, badness: Floats) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Beta-binomial failures; with `related`, the share `risk` of runs with the worst mixture of chance and badness."""
    if cell.related:
        mixed = cell.related * badness / max(float(badness.std()), 1e-9) + rng.standard_normal(badness.shape)
        # each config fails where the mixture is in the upper part of its own risk
        return np.asarray(mixed > np.sqrt(1 + cell.related**2) * _upper(risk)[:, None])
    inner = np.clip(risk, 1e-6, 1 - 1e-6)
    if cell.agree:
        inner = rng.beta(inner * (1 / cell.agree - 1), (1 - inner) * (1 / cell.agree - 1))
    return np.asarray(rng.random((cell.configs, cell.seeds)) < np.where((risk > 0) & (risk < 1), inner, risk)[:, None])


def _upper(risk: Floats) -> Floats:
    return np.asarray(-ndtri(np.clip(risk, 1e-9, 1 - 1e-9)))


def _table(
    configs: pd.DataFrame,
    failed: np.ndarray[Any, np.dtype[np.bool_]],
    value: Floats,
    scientific: tuple[str, ...],
    nuisance: tuple[str, ...],
) -> TrialTable:
    n_configs, seeds = failed.shape
    of = np.repeat(np.arange(n_configs), seeds)
    ids = np.array([f"t{i:06d}" for i in range(len(of))])
    bad = failed.ravel()
    return TrialTable(
        trial_id=ids,
        config_id=np.array([f"c{i:06d}" for i in of]),
        seed=np.arange(len(of)),
        phase=np.full(len(of), "explore"),
        ended=np.full(len(of), "budget"),
        outcome=np.where(bad, "mode_collapse", "healthy"),
        diagnosis=np.full(len(of), ""),
        onset_kimg=np.full(len(of), np.nan),
        settings=configs.iloc[of].set_axis(pd.Index(ids)),
        final=pd.DataFrame({"fd": np.exp(3 + value.ravel())}, index=ids),
        curves={},
        images=np.ones((len(of), 1)),
        scientific=scientific,
        nuisance=nuisance,
        directions={"fd": Direction.MINIMIZE},
        baselines={},
    )


def truth(cell: Cell, claim: Claim) -> float | None:
    """The true effect on the working scale; None where it has no simple form (the summary, and curves of a range with a valley)."""
    if claim.outcome == "win":
        return None
    risky, metric = claim.outcome == "failed", claim.outcome == "fd"
    if claim.kind == "interaction":
        # half of what agreeing and other cells differ by, four times: twice in each of two differences
        return 4 * cell.interaction if metric and claim.settings == ("s0", "s1") else 0.0
    if claim.kind == "bend":
        return None if cell.valley and claim.setting == "x0" else 0.0
    if risky:
        return cell.risk_effect if claim.setting == "s0" else 0.0
    if metric:
        return float(np.log(cell.factor)) if claim.setting == "s1" else None if cell.valley and claim.setting == "x0" else 0.0
    return None


def planted(cell: Cell, claim: Claim) -> str:
    """The name of the planted effect that a claim speaks of; "" if it speaks of none."""
    if cell.risk_effect and claim.setting == "s0" and claim.outcome in ("failed", "win") and claim.kind == "levels":
        return "risk"
    if cell.factor != 1 and claim.setting == "s1" and claim.outcome in ("fd", "win") and claim.kind == "levels":
        return "factor"
    if cell.interaction and claim.settings == ("s0", "s1") and claim.outcome in ("fd", "win"):
        return "interaction"
    if cell.valley and claim.setting == "x0" and claim.kind == "bend" and claim.outcome in ("fd", "win"):
        return "valley"
    return ""


def run(cell: Cell, seed: int) -> Result:
    """Simulate and explain all replicates of a cell."""
    rng = np.random.default_rng(seed)
    result = Result()
    start = process_time()
    for _ in range(cell.replicates):
        claims = explain(simulate(cell, rng), ("failed", "fd"), seed=int(rng.integers(2**31)))
        made = [claim for claim in claims if claim.claimed]
        result.studies += 1
        result.any_claim += bool(made)
        result.false_claim += any(not planted(cell, claim) for claim in made)
        result.wrong_sign += any(_wrong_sign(cell, claim) for claim in made)
        # a risk that is found as a summary only is not found
        names = {planted(cell, claim) for claim in made if claim.outcome != "win"}
        result.found.update(name for name in names if name)
        for claim in claims:
            if claim.role == "nuisance" or (true := truth(cell, claim)) is None:
                continue
            at_scale = float(np.exp(true)) if claim.scale == "log" else true
            result.single.append(claim.low <= at_scale <= claim.high)
            if claim.claimed:
                result.claimed.append(claim.family_low <= at_scale <= claim.family_high)
                if true:
                    working = np.log(claim.corrected) if claim.scale == "log" else claim.corrected
                    result.ratio.append(float(working / true))
    result.seconds = process_time() - start
    return result


def _wrong_sign(cell: Cell, claim: Claim) -> bool:
    true = truth(cell, claim)
    if claim.outcome != "fd" or true is None:
        return False
    effect = np.log(claim.effect) if claim.scale == "log" else claim.effect
    return effect * true <= 0


_NULL = [
    Cell(name="null, demo", configs=24, seeds=2, switches=3),
    Cell(name="null, 12 × 1", configs=12, seeds=1, switches=4),
    Cell(name="null, 12 × 5", configs=12, seeds=5, switches=4),
    Cell(name="null, mixed", configs=24, seeds=2, switches=4, choices=2, ranges=3),
    Cell(name="null, many settings", configs=24, seeds=2, switches=20, choices=5, ranges=15, nuisance=0),
    Cell(name="null, 64 × 3", configs=64, seeds=3, switches=4, choices=1, ranges=2),
    Cell(name="null, 200 × 2", configs=200, seeds=2, switches=6, choices=2, ranges=4),
    Cell(name="null, 1000 × 1", configs=1000, seeds=1, switches=4, choices=1, ranges=2),
    Cell(name="null, rare failures", configs=32, seeds=2, switches=6, risk=0.06),
    Cell(name="null, overdispersed", configs=32, seeds=3, switches=6, agree=0.7),
    Cell(name="null, one seed in half of the configs", configs=32, seeds=5, switches=4, single=0.5),
    Cell(name="null, one seed where s0 is on", configs=32, seeds=5, switches=4, single=0.5, tied=True),
    Cell(name="null, spreads differ", configs=32, seeds=2, switches=6, spread=3.0),
    Cell(name="null, deaths related", configs=32, seeds=2, switches=6, related=1.0),
]
_PLANTED = [
    Cell(name="−50 points, 8 comparisons", configs=24, seeds=2, switches=4, risk=0.6, risk_effect=-0.5, agree=0.1),
    Cell(name="−50 points, 26 comparisons", configs=24, seeds=2, switches=13, risk=0.6, risk_effect=-0.5, agree=0.1),
    Cell(name="−50 points, agreeing seeds", configs=24, seeds=2, switches=4, risk=0.6, risk_effect=-0.5, agree=0.3),
    Cell(name="fd × 0.5, 8 comparisons", configs=24, seeds=2, switches=4, risk=0.1, factor=0.5, config_sd=0.2),
    Cell(name="fd × 0.5, 26 comparisons", configs=24, seeds=2, switches=13, risk=0.1, factor=0.5, config_sd=0.2),
    Cell(name="−30 points, 64 × 3", configs=64, seeds=3, switches=4, risk=0.4, risk_effect=-0.3, agree=0.1),
    Cell(name="interaction, 64 × 3", configs=64, seeds=3, switches=6, risk=0.1, interaction=0.3),
    Cell(name="valley, 64 × 3", configs=64, seeds=3, switches=3, ranges=3, risk=0.1, valley=0.3),
    Cell(name="both effects, mixed", configs=48, seeds=2, switches=5, choices=2, ranges=3, risk=0.5, risk_effect=-0.4, factor=0.6),
    Cell(name="deaths related", configs=32, seeds=2, switches=5, risk=0.6, risk_effect=-0.4, related=1.0),
    Cell(name="deaths related, 100 × 2", configs=100, seeds=2, switches=5, risk=0.6, risk_effect=-0.3, related=2.0),
]
CELLS = {cell.name: cell for cell in (*_NULL, *_PLANTED)}


def row(cell: Cell, found: Result) -> list[str]:
    """One row of the table."""

    def share(count: int) -> str:
        return f"{100 * count / found.studies:.1f}"

    def percent(hits: list[bool]) -> str:
        return f"{100 * np.mean(hits):.1f} ({len(hits)})" if hits else "–"

    shape = f"{cell.configs} × {cell.seeds}"
    settings = cell.switches + cell.choices + cell.ranges + cell.nuisance
    power = ", ".join(f"{name} {share(count)}" for name, count in sorted(found.found.items())) or "–"
    return [
        cell.name, shape, str(settings), str(found.studies), share(found.any_claim), share(found.false_claim), share(found.wrong_sign), power,
        percent(found.single), percent(found.claimed), f"{np.mean(found.ratio):.2f}" if found.ratio else "–", f"{found.seconds / found.studies:.2f}",
    ]  # fmt: skip


HEAD = [
    "studies", "configs × seeds", "settings", "n", "any claim", "false claim", "wrong sign", "found", "single intervals hold", "claims' intervals hold",
    "effect / truth", "s",
]  # fmt: skip


def main(arguments: Sequence[str]) -> None:
    """Print the table; with --out also write the counts as JSON lines."""
    parser = argparse.ArgumentParser(prog="python -m bench.calibration", description=__doc__)
    parser.add_argument("cells", nargs="*", help="names of cells, or the start of their names; default: all")
    parser.add_argument("--replicates", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args(arguments)
    chosen = [cell for cell in CELLS.values() if not given.cells or any(cell.name.startswith(start) for start in given.cells)]
    print("| " + " | ".join(HEAD) + " |\n|" + "---|" * len(HEAD), flush=True)
    for cell in chosen:
        cell = Cell(**{**vars(cell), "replicates": given.replicates})
        found = run(cell, given.seed)
        print("| " + " | ".join(row(cell, found)) + " |", flush=True)
        if given.out:
            with given.out.open("a") as file:
                file.write(json.dumps(dict(zip(HEAD, row(cell, found), strict=True)), ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
