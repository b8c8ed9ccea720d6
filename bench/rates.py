"""`python -m bench.rates`: how often the intervals of `analysis.estimate.rate` hold the truth.

Events are beta-binomial: trials of a config agree more than trials of different configs, by the intraclass correlation. Prints tables of
docs/ranking.md.
"""

import time
from itertools import product

import numpy as np

from analysis import estimate
from analysis.table import Bools

CONFIGS = 2, 3, 4, 6, 8, 12, 20, 40
SEEDS = 1, 2, 3, 5
RATES = 0.02, 0.1, 0.25, 0.5
CORRELATIONS = 0.0, 0.3, 0.8
REPLICATES = 400


def draw(rate: float, correlation: float, configs: int, seeds: int, rng: np.random.Generator) -> Bools:
    """Return the events [configs * seeds] of one group."""
    more = 1 / correlation - 1 if correlation else np.inf
    risk = rng.beta(rate * more, (1 - rate) * more, configs) if correlation else np.full(configs, rate)
    return np.asarray(rng.random(configs * seeds) < np.repeat(risk, seeds))


def main() -> None:
    rng, start = np.random.default_rng(0), time.monotonic()
    found: dict[int, list[float]] = {}
    for configs, seeds, rate, correlation in product(CONFIGS, SEEDS, RATES, CORRELATIONS):
        names = np.repeat(np.arange(configs).astype(str), seeds)
        covered = sum(rate in estimate.rate(draw(rate, correlation, configs, seeds, rng), names) for _ in range(REPLICATES))
        found.setdefault(configs, []).append(covered / REPLICATES)
    print("| configs | mean of cells | lowest cell | cells under 91 % |\n|---|---|---|---|")
    for configs, shares in found.items():
        print(f"| {configs} | {np.mean(shares):.1%} | {np.min(shares):.1%} | {int((np.array(shares) < 0.91).sum())} of {len(shares)} |")
    print(f"\nn = {REPLICATES} samples a cell; {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
