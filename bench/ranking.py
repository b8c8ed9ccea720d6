"""`python -m bench.ranking [CONFIGS …]`: is the first place of a ranking as good as the ranking says?

Simulates studies with known objectives and prints, as a table of docs/ranking.md, the bias of the estimate of the first place (in log units:
−0.03 is 3 % too good) and how often its 95 % interval holds the truth. Beside it stand the same figures for the ranking that version
0.1 gave: by the worse end of Student's interval of the mean, pooled over configs.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy import stats

from analysis.hierarchy import draw_objectives
from analysis.rank import standing
from analysis.risks import draw_risks
from analysis.table import Floats

REPLICATES = 400
WITHIN = 0.2  # standard deviation of log fd between seeds: a factor of 1.22
CASES = {
    "equal": "normal, equal spreads",
    "spreads": "spreads differ by a factor of 4 between configs",
    "outliers": "a quarter of the configs has outliers (seeds with Student's t, 3 degrees of freedom)",
    "skewed": "objectives skewed toward bad configs (exponential)",
    "failing": "runs fail, bad configs more often (a third of all runs)",
}


@dataclass(frozen=True)
class Studies:
    """R simulated studies of C configs × S seeds."""

    truth: Floats  # [R, C], expected log fd of runs that do not fail
    values: Floats  # [R, C, S], log fd; NaN for failed runs


def simulate(case: str, configs: int, seeds: int, ratio: float, *, replicates: int, rng: np.random.Generator) -> Studies:
    """ratio: standard deviation between configs divided by that between seeds."""
    shape = replicates, configs
    z = rng.standard_exponential(shape) - 1 if case == "skewed" else rng.standard_normal(shape)
    spread = WITHIN * (2 ** rng.uniform(-1, 1, shape) if case == "spreads" else np.ones(shape))
    noise = rng.standard_normal((*shape, seeds))
    if case == "outliers":
        noise = np.where(rng.random((*shape, 1)) < 0.25, rng.standard_t(3, noise.shape), noise)
    values = (ratio * WITHIN * z)[..., None] + spread[..., None] * noise
    if case == "failing":
        values = np.where(rng.random(values.shape) < (1 / (1 + np.exp(0.8 - 1.2 * z)))[..., None], np.nan, values)
    return Studies(ratio * WITHIN * z, values)


def ours(studies: Studies, *, n_draws: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return the error of the estimate of each study's first place [R], and whether its interval holds the truth [R]."""
    n, mean, squares = _summary(studies.values)
    seeds = studies.values.shape[2]
    risks = [draw_risks(seeds - row, np.full(row.shape, seeds), n_draws=n_draws, rng=rng) for row in n]
    expected, objectives, spreads = draw_objectives(n, mean, squares, np.stack([each[0] for each in risks]), n_draws=n_draws, rng=rng)
    first = np.array([standing(objectives[:, i], spreads[:, i], risks[i][1], rng).mean(0).argmax() for i in range(len(n))])
    at = np.arange(len(n)), first
    low, high = np.quantile(objectives[:, *at], [0.025, 0.975], axis=0)
    return expected[at] - studies.truth[at], (low <= studies.truth[at]) & (studies.truth[at] <= high)


def before(studies: Studies) -> tuple[Floats, Floats]:
    """The same for the mean as it is, ordered by the worse end of its interval, configs with failed runs last."""
    n, mean, squares = _summary(studies.values)
    df = (n - (n > 0)).sum(1, keepdims=True)
    half = stats.t.ppf(0.975, df) * np.sqrt(squares.sum(1, keepdims=True) / df / np.maximum(n, 1))
    complete = n == studies.values.shape[2]
    order = np.where(n > 0, mean + half, np.inf) + np.where(complete | ~complete.any(1, keepdims=True), 0, 1e6)
    at = np.arange(len(n)), order.argmin(1)
    error = mean[at] - studies.truth[at]
    return error, np.abs(error) <= half[at]


def _summary(values: Floats) -> tuple[Floats, Floats, Floats]:
    alive = np.isfinite(values)
    n = alive.sum(2).astype(np.float64)
    total = np.where(alive, values, 0).sum(2)
    mean = np.where(n > 0, total / np.maximum(n, 1), np.nan)
    return n, mean, np.where(alive, (values - mean[..., None]) ** 2, 0).sum(2)


@dataclass(frozen=True)
class Cell:
    """Figures of one case and size: of our ranking, and of the one before."""

    case: str
    configs: int
    seeds: int
    ratio: float
    bias: float
    coverage: float
    bias_before: float
    coverage_before: float

    def __str__(self) -> str:
        before = f"{self.bias_before:+.3f} | {self.coverage_before:.1%}"
        return f"| {self.case} | {self.configs} | {self.seeds} | {self.ratio:g} | {self.bias:+.3f} | {self.coverage:.1%} | {before} |"


def summary(cells: list[Cell]) -> Iterator[str]:
    """Yield the lines of a table with one row per case and number of configs."""
    yield "| case | configs | bias | coverage | bias before | coverage before |\n|---|---|---|---|---|---|"
    for case, configs in dict.fromkeys(
        (cell.case, cell.configs) for cell in sorted(cells, key=lambda cell: (list(CASES).index(cell.case), cell.configs))
    ):
        mine = [cell for cell in cells if (cell.case, cell.configs) == (case, configs)]
        bias, before = ([getattr(cell, name) for cell in mine] for name in ("bias", "bias_before"))
        covered, covered_before = ([100 * getattr(cell, name) for cell in mine] for name in ("coverage", "coverage_before"))
        yield (
            f"| {case} | {configs} | {min(bias):+.3f} to {max(bias):+.3f} | {min(covered):.0f} to {max(covered):.0f} % | "
            f"{min(before):+.2f} to {max(before):+.2f} | {min(covered_before):.0f} to {max(covered_before):.0f} % |"
        )


def main() -> None:
    sizes, start = [int(arg) for arg in sys.argv[1:]] or [12, 24, 64, 200], time.monotonic()
    print(
        "| case | configs | seeds | between / within | bias | coverage | bias before | coverage before |\n|---|---|---|---|---|---|---|---|"
    )
    cells = []
    for configs, case, seeds, ratio in product(sizes, CASES, (2, 3, 5), (0.5, 1.0, 2.0)):
        rng = np.random.default_rng([configs, seeds, int(2 * ratio), *case.encode()])
        studies = simulate(case, configs, seeds, ratio, replicates=REPLICATES, rng=rng)
        figures = [*ours(studies, n_draws=600, rng=rng), *before(studies)]
        cells.append(Cell(case, configs, seeds, ratio, *(float(np.mean(figure)) for figure in figures)))
        print(cells[-1], flush=True)
    print("\n" + "\n".join(summary(cells)))
    print(f"\nn = {REPLICATES} studies a cell; {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
