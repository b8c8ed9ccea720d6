from collections.abc import Iterator

import numpy as np
import pytest
from scipy import stats

from analysis import estimate

SEEDS = [3, 5]


def names(n_configs: int, n_seeds: int) -> np.ndarray:
    return np.repeat([f"c{i}" for i in range(n_configs)], n_seeds)


def test_means_on_the_log_scale_are_geometric_and_their_intervals_are_ratios() -> None:
    found = estimate.mean(np.array([1.0, 4.0, 3.0, 12.0]), names(2, 2), scale="log")
    assert found.value == pytest.approx(np.sqrt(12))  # of the means 2 and 6
    assert found.high / found.value == pytest.approx(found.value / found.low)
    assert np.log(found.high / found.value) == pytest.approx(stats.t.ppf(0.975, 1) * np.log(3) / 2)
    with pytest.raises(ValueError, match="positive"):
        estimate.mean(np.array([0.0, 1.0]), names(2, 1), scale="log")


def test_rate_with_single_seeds_is_the_wilson_interval() -> None:
    found = estimate.rate(np.array([True] * 2 + [False] * 8), names(10, 1))
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.0567, 0.5098), abs=1e-4)


def test_seeds_that_always_agree_count_as_one() -> None:
    six_of_two_configs = estimate.rate(np.zeros(6, dtype=bool), names(2, 3))
    assert (six_of_two_configs.low, six_of_two_configs.high) == pytest.approx((0, 0.658), abs=1e-3)  # Wilson's interval of 0 of 2
    alone, seeded = (estimate.rate(np.repeat(np.arange(20) % 2 == 0, n), names(20, n)) for n in (1, 3))
    assert (seeded.low, seeded.high) == pytest.approx((alone.low, alone.high))


def studies(rng: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Simulated events and their configs: 2 to 20 configs, 1 to 4 seeds each, any intraclass correlation."""
    for _ in range(300):
        n_configs = int(rng.integers(2, 21))
        sizes = rng.integers(1, 5, n_configs) if rng.random() < 0.5 else np.full(n_configs, rng.integers(1, 5))
        a, b = rng.uniform(0.1, 3, (2, n_configs))
        risk = rng.beta(a, b)
        yield rng.random(sizes.sum()) < np.repeat(risk, sizes), np.repeat([f"c{i}" for i in range(n_configs)], sizes)


@pytest.mark.parametrize("times", [2, 3, 10])
def test_repeated_trials_never_widen_the_interval_of_a_rate(times: int) -> None:
    for events, configs in studies(np.random.default_rng(6)):
        before, after = estimate.rate(events, configs), estimate.rate(np.tile(events, times), np.tile(configs, times))
        assert after.value == pytest.approx(before.value)
        assert before.low - 1e-9 <= after.low
        assert after.high <= before.high + 1e-9


def test_seeds_that_agree_with_their_config_never_widen_the_interval_of_a_rate() -> None:
    """Configs of which all trials agree get one more seed each, with the same outcome; all have as many seeds before."""
    rng = np.random.default_rng(7)
    for n_configs in (2, 3, 6, 20):
        for n_seeds in (1, 2, 3):
            for _ in range(20):
                one = rng.random(n_configs) < rng.random()
                before = estimate.rate(np.repeat(one, n_seeds), names(n_configs, n_seeds))
                after = estimate.rate(np.repeat(one, n_seeds + 1), names(n_configs, n_seeds + 1))
                assert after.high - after.low <= before.high - before.low + 1e-9


@pytest.mark.parametrize("n_seeds", SEEDS)
@pytest.mark.parametrize("icc", [0.0, 0.5])
def test_rate_intervals_cover(n_seeds: int, icc: float) -> None:
    """16 configs per group with risks of 0.2 and 0.5; `icc` is the intraclass correlation (beta-binomial)."""
    rng = np.random.default_rng(2)
    configs, group = names(32, n_seeds), np.repeat(np.arange(32) < 16, n_seeds)
    rates = []
    for _ in range(500):
        truth = np.where(np.arange(32) < 16, 0.5, 0.2)
        risk = rng.beta(truth * (1 / icc - 1), (1 - truth) * (1 / icc - 1)) if icc else truth
        events = rng.random(32 * n_seeds) < np.repeat(risk, n_seeds)
        rates.append(0.5 in estimate.rate(events[group], configs[group]))
    assert 0.92 < np.mean(rates) < 0.99  # standard error 0.01
