from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from analysis import TrialTable, explain
from analysis.model.multiplicity import ERROR, SHARES
from analysis.power import detectable, planned, planned_statement, statement

Stage = Callable[..., TrialTable]


def test_a_detectable_effect_passes_its_limit_four_times_in_five() -> None:
    limit, error = 2.7, 0.1
    effects = detectable(error, limit) + error * np.random.default_rng(0).standard_normal(200_000)
    assert (effects / error > limit).mean() == pytest.approx(0.8, abs=0.005)


@pytest.mark.parametrize(("configs", "seeds"), [(48, 2), (120, 3)])
def test_a_planned_effect_is_found_four_times_in_five(configs: int, seeds: int) -> None:
    """Two halves with rates around one half, whose seeds agree with a correlation of .3, compared by the known variance."""
    effect = planned(configs, seeds, 3)
    rng, found = np.random.default_rng(0), []
    for _ in range(4000):
        means = []
        for rate in (0.5 + effect / 2, 0.5 - effect / 2):
            risk = rng.beta(rate * (1 / 0.3 - 1), (1 - rate) * (1 / 0.3 - 1), configs // 2)
            means.append(rng.binomial(seeds, risk).mean() / seeds)
        error = np.sqrt(0.25 * (1 + (seeds - 1) * 0.3) / seeds * 4 / configs)
        found.append((means[0] - means[1]) / error > stats.norm.isf(ERROR * SHARES["risk"] / 6))
    assert 0.75 < np.mean(found) < 0.9  # rates away from one half vary less


def test_few_trials_show_no_difference_and_the_sentence_says_so() -> None:
    assert "too few to tell any difference" in planned_statement(4, 1, 10)
    text = planned_statement(24, 2, 3)
    assert text.startswith("48 trials show, in four of five studies, a difference of ")
    needed = int(text.split("about ")[1].split(" ")[0])
    assert planned(needed, 2, 3) <= 0.2 < planned(needed - 2, 2, 3)


def test_more_trials_are_named_where_nothing_can_be_told(stage: Stage) -> None:
    small, large = (statement(explain(stage(n, 2), ("failed", "fd"))) for n in (16, 400))
    assert "more trials would show 20 points" in small[0]
    assert "more trials would show 20 points" not in large[0]
