from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from analysis import TrialTable, plots
from analysis.pareto import front, pareto
from analysis.rank import rank
from ganstudy import UserError

Stage = Callable[..., TrialTable]


def test_the_front_is_what_no_other_point_beats() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 6, (2, 50, 12)).astype(float)  # many ties
    by_hand = [
        [not any((a[j] <= a[i] and b[j] <= b[i]) and (a[j] < a[i] or b[j] < b[i]) for j in range(12)) for i in range(12)]
        for a, b in zip(x, y, strict=True)
    ]
    assert front(np.stack([x, y], axis=-1)).tolist() == by_hand


def test_a_clear_front_is_certain(stage: Stage) -> None:
    table = stage(6, 3, risk=lambda config: 0.0, seed_sd=0.001)
    config = np.repeat(np.arange(6), 3)
    noise = 1 + 0.001 * np.random.default_rng(1).standard_normal((2, 18))
    table.final["fd"] = np.array([10.0, 20, 30, 25, 40, 50])[config] * noise[0]
    table.final["coverage"] = np.array([0.2, 0.5, 0.9, 0.4, 0.8, 0.1])[config] * noise[1]  # more is better
    found = pareto(table, "fd", "coverage").set_index("config_id").sort_index()
    assert found["on_front"].tolist() == [True, True, True, False, False, False]
    assert found["p_front"].tolist() == pytest.approx([1, 1, 1, 0, 0, 0], abs=0.05)
    assert found["fd"].tolist() == pytest.approx([10, 20, 30, 25, 40, 50], rel=0.05)


@pytest.mark.slow
def test_the_probability_of_being_on_the_front_is_calibrated(stage: Stage) -> None:
    """15 studies of 16 configs × 3 seeds: of the configs called likely, as many are on the true front as the probability says."""
    rng = np.random.default_rng(2)
    table = stage(16, 3, risk=lambda config: 0.0)
    said, true = [], []
    for i in range(15):
        objectives = rng.normal(0, 0.2, (2, 16))
        noise = rng.normal(0, 0.2, (2, 48))
        table.final["fd"] = np.exp(np.repeat(objectives[0], 3) + noise[0])
        table.final["coverage"] = np.repeat(objectives[1], 3) + noise[1]
        found = pareto(table, "fd", "coverage", seed=i).set_index("config_id").sort_index()
        said += found["p_front"].tolist()
        true += front(np.stack([objectives[0], -objectives[1]], axis=-1)[None])[0].tolist()
    groups = pd.DataFrame({"said": said, "true": true}).groupby(pd.cut(pd.Series(said), [-0.01, 0.15, 0.5, 1.0])).mean()
    assert (groups["said"] - groups["true"]).abs().max() < 0.15
    assert np.mean(said) == pytest.approx(np.mean(true), abs=0.05)


def test_one_seed_per_config_gives_no_probability(stage: Stage) -> None:
    found = pareto(stage(8, 1, risk=lambda config: 0.0), "fd", "coverage")
    assert found["on_front"].any()
    assert found[["p_front", "fd_low", "coverage_high"]].isna().all(axis=None)


@pytest.mark.parametrize("n_seeds", [1, 3])
def test_a_config_has_the_same_risk_as_in_the_ranking(stage: Stage, n_seeds: int) -> None:
    table = stage(8, n_seeds)
    ranked = rank(table).set_index("config_id")["p_fail"]
    found = pareto(table, "fd", "coverage").set_index("config_id")["p_fail"]
    assert found.tolist() == ranked.loc[found.index].tolist()
    if n_seeds == 1:
        assert set(ranked) == {table.failed.mean()}


def test_one_metric_twice_is_refused(stage: Stage) -> None:
    with pytest.raises(UserError, match="two different"):
        pareto(stage(4, 2), "fd", "fd")


def test_the_figure_shows_the_configs(stage: Stage) -> None:
    table = stage(8, 3)
    found = pareto(table, "fd", "coverage")
    (dots,) = plots.pareto_front(found, table).data
    assert list(dots.x) == found["fd"].tolist()
    assert list(dots.marker.color) == found["p_front"].tolist()
    assert dots.marker.showscale


def test_the_figure_shows_no_probability_that_is_unknown(stage: Stage) -> None:
    table = stage(8, 1, risk=lambda config: 0.0)
    found = pareto(table, "fd", "coverage")
    on, off = plots.pareto_front(found, table).data
    assert (on.name, off.name) == ("on the front", "not on the front")
    assert list(on.x) == found["fd"][found["on_front"]].tolist()
    assert len(on.x) + len(off.x) == len(found)
    assert not on.marker.showscale
    assert "%" not in "".join([*on.text, *off.text])
