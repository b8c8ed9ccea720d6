"""What a race is said to show before it runs, against simulated races."""

import numpy as np
import pytest
from phased import made

from analysis.precision import known_to, race_statement, told_apart
from analysis.race import survivors
from analysis.rank import rank

_SPREAD = 0.15


@pytest.mark.parametrize(("configs", "seeds"), [(4, 4), (2, 5)])
def test_simulated_races_see_what_is_said_before(configs: int, seeds: int) -> None:
    """The second config is worse by `told_apart`, all others are far behind."""
    rng, left, widths, holds, n = np.random.default_rng(0), 0, [], 0, 60
    true = _SPREAD * told_apart(seeds) * np.array([0.0, 1.0, *[2.5] * (configs - 2)])
    for _ in range(n):
        values = np.exp(true[:, None] + _SPREAD * rng.standard_normal((configs, seeds)))
        rows = [{"config": f"c{i}", "seed": j, "phase": "confirm", "value": v, "lr": 0.1 * i} for (i, j), v in np.ndenumerate(values)]
        table = made(rows)
        left += "c1" not in survivors(table, ["fd"], error=0.05)
        first = rank(table).iloc[0]
        widths.append(np.log(first["high"] / first["low"]) / 2 / _SPREAD)
        holds += first["low"] <= 1 <= first["high"]
    assert 0.65 < left / n < 0.95
    assert np.median(widths) == pytest.approx(known_to(seeds), rel=0.15)
    assert holds / n > 0.85


def test_four_times_as_many_seeds_tell_twice_as_much() -> None:
    assert known_to(100) / known_to(400) == pytest.approx(2, rel=0.02)
    assert told_apart(100) / told_apart(400) == pytest.approx(2, rel=0.02)
    assert known_to(2) > 2 * known_to(4)  # two seeds hardly tell their spread


def test_the_sentence_has_both_numbers_and_a_search_alone_has_none() -> None:
    text = race_statement("fd", 4)
    assert "With 4 fresh seeds, the fd of the winner is known to within 1.22 standard deviations" in text
    assert "worse by 2.37 of them" in text
    assert "A search makes no claims about settings, and the swd of its first place" in race_statement("swd", None)
