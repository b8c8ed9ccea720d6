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


def test_rate_difference_reproduces_newcombes_example() -> None:
    events = np.array([True] * 56 + [False] * 14 + [True] * 48 + [False] * 32)  # Newcombe 1998, table II, (a): 56/70 - 48/80
    found = estimate.rate_difference(events, names(150, 1), np.arange(150) < 70)
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)


def test_seeds_that_always_agree_count_as_one() -> None:
    group = np.arange(60) < 30
    events = np.repeat(np.arange(20) % 2 == 0, 3)
    alone = estimate.rate_difference(events[::3], names(20, 1), group[::3])
    seeded = estimate.rate_difference(events, names(20, 3), group)
    assert (seeded.low, seeded.high) == pytest.approx((alone.low, alone.high))
    six_of_two_configs = estimate.rate(np.zeros(6, dtype=bool), names(2, 3))
    assert (six_of_two_configs.low, six_of_two_configs.high) == pytest.approx((0, 0.658), abs=1e-3)  # Wilson's interval of 0 of 2


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
    rates, differences = [], []
    for _ in range(500):
        truth = np.where(np.arange(32) < 16, 0.5, 0.2)
        risk = rng.beta(truth * (1 / icc - 1), (1 - truth) * (1 / icc - 1)) if icc else truth
        events = rng.random(32 * n_seeds) < np.repeat(risk, n_seeds)
        rates.append(0.5 in estimate.rate(events[group], configs[group]))
        differences.append(0.3 in estimate.rate_difference(events, configs, group))
    for covered in (rates, differences):
        assert 0.92 < np.mean(covered) < 0.99  # standard error 0.01


def test_permutation_p_is_exact_for_few_configs() -> None:
    group = np.array([True, True, False, False])
    assert estimate.permutation_p(np.array([1.0, 1, 0, 0]), names(4, 1), group) == pytest.approx(2 / 6)  # 6 ways to choose 2 of 4
    values = np.repeat([1.0, 1, 0, 0], 5)
    assert estimate.permutation_p(values, names(4, 5), np.repeat(group, 5)) == pytest.approx(2 / 6)  # 5 seeds are not 5 configs


def test_permutation_p_is_uniform_on_noise() -> None:
    rng = np.random.default_rng(3)
    configs, group = names(20, 3), np.repeat(np.arange(20) < 10, 3)
    p = [
        estimate.permutation_p(np.repeat(rng.normal(size=20), 3) + rng.normal(size=60), configs, group, seed=i, n_resamples=199)
        for i in range(300)
    ]
    assert 0.02 < np.mean(np.array(p) <= 0.05) < 0.09


def test_adjustment_removes_the_effect_of_another_setting() -> None:
    rng = np.random.default_rng(4)
    group = rng.random(60) < 0.5
    other = group + 0.5 * rng.normal(size=60)  # confounded with the group
    values = np.exp(2.0 * other + 0.1 * rng.normal(size=60))
    found, p, adjusted = estimate.adjusted_difference(values, names(60, 1), group, other[:, None], scale="log")
    assert adjusted
    assert 1.0 in found
    raw, _, adjusted = estimate.adjusted_difference(values, names(60, 1), group, np.zeros((60, 1)), scale="log")
    assert not adjusted
    assert raw.low > 1
    assert p > 0.05


@pytest.mark.parametrize("n_seeds", SEEDS)
def test_adjusted_intervals_cover(n_seeds: int) -> None:
    """16 configs and one covariate; the spread inside the group is twice that outside."""
    rng = np.random.default_rng(5)
    covered = []
    for _ in range(500):
        group, other = np.arange(16) < 8, rng.normal(size=16)
        config = 1.0 * group + other + np.where(group, 2, 1) * rng.normal(size=16)
        values = np.repeat(config, n_seeds) + rng.normal(size=16 * n_seeds)
        found, _, _ = estimate.adjusted_difference(
            values, names(16, n_seeds), np.repeat(group, n_seeds), np.repeat(other, n_seeds)[:, None], scale="linear"
        )
        covered.append(1.0 in found)
    assert 0.92 < np.mean(covered) < 0.99


def test_q_values_by_hand() -> None:
    assert estimate.q_values(np.array([0.01, np.nan, 0.04, 0.03])).tolist() == pytest.approx([0.03, np.nan, 0.04, 0.04], nan_ok=True)
