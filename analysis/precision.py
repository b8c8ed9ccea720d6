"""What a search and its race will be able to say: how well the winner is known, and which differences between configs a race sees."""

import math

from scipy import special

from analysis.words import number, plural

_LEVEL, _POWER = 0.975, 0.8
_FACTORS = "1.1 to 1.15"  # exp of the standard deviation between 12 seeds, of good configs of the recorded runs (ring 1.10, digits and fashion_mnist 1.15)


def known_to(seeds: int) -> float:
    """Return half the width of the winner's 95 % interval, in standard deviations between seeds. seeds: of each config, 2 or more.

    By Student's t, with the spread of two configs, as at least two are in a race to its end or the rest have left early.
    """
    return float(special.stdtrit(2 * (seeds - 1), _LEVEL) / math.sqrt(seeds))


def told_apart(seeds: int) -> float:
    """Return how much worse a config must be to leave a race in about four of five cases, in standard deviations between seeds."""
    df = 2 * (seeds - 1)
    return float((special.stdtrit(df, _LEVEL) + special.stdtrit(df, _POWER)) * math.sqrt(2 / seeds))


def race_statement(metric: str, seeds: int | None) -> str:
    """Return what a study will say of its best config, before it runs. seeds: up to how many fresh ones `confirm` gives a config; None without confirm."""
    if seeds is None:
        return (
            f"A search makes no claims about settings, and the {metric} of its first place looks better than a new run's, because it was chosen. "
            "A phase confirm, such as {top: 4, seeds: 5}, measures the best configs with fresh seeds."
        )
    return (
        f"With {plural(seeds, 'fresh seed')}, the {metric} of the winner is known to within {number(known_to(seeds))} standard deviations between seeds, "
        f"and a config that is worse by {number(told_apart(seeds))} of them leaves the race in four of five cases. In recorded runs of good configs, one "
        f"standard deviation is a factor of {_FACTORS} in fd."
    )
