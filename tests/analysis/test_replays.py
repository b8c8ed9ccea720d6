"""What repeated replays say, on replays whose figures are known."""

import numpy as np
import pytest

from analysis.replays import Replays, of_answers

NAN = float("nan")


def replays(regret: list[list[float]], budgets: list[float]) -> Replays:
    shape = np.shape(regret)
    return Replays(np.array(budgets), np.array(regret), np.full(shape, 1.0), np.full(shape, NAN))


def rising(shares: list[float], budgets: list[float], n: int = 100) -> Replays:
    """n repetitions of which these shares are right at each budget."""
    return replays([[0.0 if i < share * n else 1.0 for share in shares] for i in range(n)], budgets)


def test_a_share_has_wilson_s_interval() -> None:
    (half, most) = rising([0.5, 0.9], [1, 2]).within(0.05)
    assert (half.value, most.value) == (0.5, 0.9)
    z, p, n = 1.959964, 0.9, 100
    middle, width = (p + z**2 / (2 * n)) / (1 + z**2 / n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    assert (most.low, most.high) == pytest.approx((middle - width, middle + width), abs=1e-6)


def test_an_answer_that_is_a_little_worse_counts_up_to_the_tolerance() -> None:
    found = replays([[0.05], [0.06], [-0.1], [NAN]], [1])
    assert [figure.value for tolerance in (0.0, 0.05, 0.1) for figure in found.within(tolerance)] == [0.25, 0.5, 0.75]


@pytest.mark.parametrize(
    ("shares", "images"),
    [
        ([0.0, 0.5, 1.0], 20.0),
        ([0.0, 0.25, 0.75], 20 * np.sqrt(2)),  # halfway between 20 and 40, in the logarithm
        ([1.0, 1.0, 1.0], -np.inf),  # nothing is known of what is below the smallest budget
        ([0.5, 0.6, 0.7], -np.inf),
        ([0.1, 0.2, 0.3], np.inf),
        ([0.2, 0.7, 0.3], 20.0),  # a fall is averaged with what came before: .2, .5, .5
    ],
)
def test_the_images_until_half_are_right(shares: list[float], images: float) -> None:
    found = rising(shares, [10, 20, 40]).images_until(0.05)
    assert found.value == pytest.approx(images)
    assert found.low <= found.value <= found.high


def test_the_interval_of_the_images_holds_the_truth() -> None:
    """Repetitions are right from a log-normal number of images on, with a median of 100."""
    rng, budgets = np.random.default_rng(0), [25.0, 50.0, 100.0, 200.0, 400.0]
    held = 0
    for _ in range(100):
        needed = 100 * np.exp(rng.standard_normal(60))
        found = replays([[0.0 if each <= budget else 1.0 for budget in budgets] for each in needed], budgets).images_until(0.05)
        held += found.low <= 100 <= found.high
    assert held >= 88


def test_the_median_regret_without_an_answer_is_infinite() -> None:
    found = replays([[NAN, 0.1], [NAN, 0.2], [0.3, 0.3]], [1, 2]).median_regret()
    assert (found[0].value, found[1].value) == (np.inf, 0.2)


def test_a_median_of_infinite_regrets_is_infinite() -> None:
    """The best value is 0 and half of the answers are not."""
    (found,) = replays([[np.inf], [np.inf], [np.inf], [0.0]], [1]).median_regret()
    assert (found.value, found.high) == (np.inf, np.inf)


def test_flattery_is_a_geometric_mean_over_answers() -> None:
    found = of_answers([1], [[(0.0, 2.0, NAN)], [(0.0, 0.5, 1.0)], [(NAN, NAN, NAN)], [(0.0, 8.0, 0.0)]])
    assert found.mean_flattery()[0].value == pytest.approx(2.0)
    assert found.coverage()[0].value == 0.5
    assert len(found) == 4
