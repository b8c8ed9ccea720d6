import numpy as np
import pytest
from scipy import stats

from analysis import estimate

SEEDS = [3, 5]


def names(n_configs: int, n_seeds: int) -> np.ndarray:
    return np.repeat([f"c{i}" for i in range(n_configs)], n_seeds)


def test_config_means_by_hand() -> None:
    found = estimate.config_means(np.array([1.0, 3.0, 4.0, 6.0]), names(2, 2), scale="linear")
    assert found["mean"].tolist() == [2, 5]
    assert found.attrs["sd"] == pytest.approx(np.sqrt(2))  # the variance of each config is 2, with 2 degrees of freedom in total
    assert (found["high"] - found["mean"]).tolist() == pytest.approx([stats.t.ppf(0.975, 2)] * 2)  # sem is sqrt(2)/sqrt(2) = 1


def test_means_on_the_log_scale_are_geometric_and_their_intervals_are_ratios() -> None:
    values = np.array([1.0, 4.0, 3.0, 12.0])
    found = estimate.config_means(values, names(2, 2), scale="log")
    assert found["mean"].tolist() == pytest.approx([2, 6])
    assert (found["high"] / found["mean"]).tolist() == pytest.approx((found["mean"] / found["low"]).tolist())
    with pytest.raises(ValueError, match="positive"):
        estimate.mean(np.array([0.0, 1.0]), names(2, 1), scale="log")


def test_one_seed_per_config_gives_a_mean_without_interval() -> None:
    found = estimate.config_means(np.array([1.0, 2.0]), names(2, 1), scale="linear")
    assert found["mean"].tolist() == [1, 2]
    assert found[["low", "high"]].isna().all(axis=None)


@pytest.mark.parametrize("n_seeds", SEEDS)
def test_config_mean_intervals_cover(n_seeds: int) -> None:
    rng = np.random.default_rng(1)
    covered = []
    for _ in range(400):
        truth = rng.normal(size=8)
        values = np.repeat(truth, n_seeds) + rng.normal(size=8 * n_seeds)
        found = estimate.config_means(values, names(8, n_seeds), scale="linear")
        covered += ((found["low"] <= truth) & (truth <= found["high"])).tolist()
    assert (
        0.93 < np.mean(covered) < 0.97
    )  # 3200 intervals: the standard error is at most 0.006, because intervals of one study are correlated


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
    assert estimate.intraclass_correlation(events.astype(float), names(20, 3), group) == 1
    alone = estimate.rate_difference(events[::3], names(20, 1), group[::3])
    seeded = estimate.rate_difference(events, names(20, 3), group)
    assert seeded.low == pytest.approx(alone.low, abs=0.03)
    assert seeded.high == pytest.approx(alone.high, abs=0.03)
    nothing = np.zeros(60, dtype=bool)
    assert estimate.rate(nothing, names(20, 3)).high == pytest.approx(estimate.rate(nothing[:20], names(20, 1)).high, abs=0.03)


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
