"""`python -m bench.rates`: how often the intervals of `analysis.estimate.rate` and `rate_difference` hold the truth.

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
    one: dict[int, list[float]] = {}
    two: dict[int, list[float]] = {}
    for configs, seeds, rate, correlation in product(CONFIGS, SEEDS, RATES, CORRELATIONS):
        names = np.repeat(np.arange(2 * configs).astype(str), seeds)
        group = np.arange(len(names)) < len(names) // 2
        covered, covered_difference = 0, 0
        for _ in range(REPLICATES):
            inside, outside = draw(rate, correlation, configs, seeds, rng), draw(rate / 2, correlation, configs, seeds, rng)
            covered += rate in estimate.rate(inside, names[group])
            covered_difference += rate / 2 in estimate.rate_difference(np.concatenate([inside, outside]), names, group)
        one.setdefault(configs, []).append(covered / REPLICATES)
        two.setdefault(configs, []).append(covered_difference / REPLICATES)
    print("| configs (in each group) | rate: mean of cells | lowest cell | cells under 91 % | difference: mean | lowest | under 91 % |")
    print("|---|---|---|---|---|---|---|")
    for configs in CONFIGS:
        cells = [
            f"{np.mean(x):.1%} | {np.min(x):.1%} | {int((np.array(x) < 0.91).sum())} of {len(x)}" for x in (one[configs], two[configs])
        ]
        print(f"| {configs} | {' | '.join(cells)} |")
    print(f"\nn = {REPLICATES} samples a cell; {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
