"""confounded: pairs of settings, and interactions, that a set of configs cannot separate; closed forms."""

import numpy as np
import pandas as pd
import pytest

from analysis.confounding import Confounded, confounded, limit

FACTORIAL = pd.DataFrame([(a, b, c) for a in (False, True) for b in (False, True) for c in (False, True)], columns=["a", "b", "c"])


def only(found: list[Confounded]) -> Confounded:
    (one,) = found
    return one


def test_a_full_factorial_separates_everything() -> None:
    assert confounded(FACTORIAL, ["a", "b", "c"]) == []


def test_identical_and_complementary_switches() -> None:
    same = only(confounded(FACTORIAL.assign(d=FACTORIAL["a"])))
    assert (same.setting, same.others, same.n) == ("a", ("d",), 8)
    assert same.r == pytest.approx(1)
    opposite = only(confounded(FACTORIAL.assign(d=~FACTORIAL["a"])))
    assert opposite.r == pytest.approx(-1)


def test_a_main_effect_that_equals_a_product() -> None:
    half = FACTORIAL.assign(d=FACTORIAL["a"] ^ FACTORIAL["b"])
    assert confounded(half) == []
    found = confounded(half, ["a", "b", "d"])
    assert {(each.setting, frozenset(each.others)) for each in found} == {
        ("d", frozenset("ab")),
        ("a", frozenset("bd")),
        ("b", frozenset("ad")),
    }
    assert all(abs(each.r) == pytest.approx(1) and each.n == 8 for each in found)
    assert confounded(half, ["a", "b", "c"]) == [], "d is a nuisance setting here"


def test_the_sign_of_an_interaction() -> None:
    """d is on where exactly one of a and b is: minus the product of their centred columns."""
    half = FACTORIAL.assign(d=FACTORIAL["a"] ^ FACTORIAL["b"])
    (found,) = (each for each in confounded(half, ["a", "b", "d"]) if each.setting == "d")
    assert found.r == pytest.approx(-1)


def test_conditional_settings_are_compared_where_both_are_active() -> None:
    on = np.array([True] * 6 + [False] * 6)
    gamma = np.where(on, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6] * 2, np.nan)
    frame = pd.DataFrame({"r1": on, "r1.gamma": gamma, "lr": [1.0, 2, 3, 4, 5, 6, 6, 5, 4, 3, 2, 1]})
    found = only(confounded(frame))  # over all 12 rows r1 and lr are not correlated
    assert (found.setting, found.others, found.n) == ("r1.gamma", ("lr",), 6)
    assert found.r == pytest.approx(1)


def test_correlations_are_centred_among_the_rows_in_which_both_are_active() -> None:
    """lr is mostly large where r1.gamma lives; that alone is no correlation."""
    on = np.arange(20) < 10
    rng = np.random.default_rng(0)
    lr, gamma = rng.permutation(20) + 20.0 * on, rng.permutation(20) / 20
    gamma[:10] = np.argsort(np.argsort(gamma[:10] + 0.02 * lr[:10]))
    ranks = np.argsort(np.argsort(lr))
    r = np.corrcoef(ranks[:10], gamma[:10])[0, 1]
    (found,) = (each for each in confounded(pd.DataFrame({"lr": lr, "r1.gamma": np.where(on, gamma, np.nan)})))
    assert 0.5 < found.r < 0.95
    assert found.r == pytest.approx(r)


def test_settings_that_are_never_active_together_are_not_confounded() -> None:
    frame = pd.DataFrame({"k": [1.0, 2, 3, np.nan, np.nan, np.nan], "steps": [np.nan, np.nan, np.nan, 1.0, 2, 3]})
    assert confounded(frame) == []


def test_three_levels() -> None:
    """Level by level: x = "a" just where y is "p", and b and c are balanced against q and r."""
    frame = pd.DataFrame({"x": list("aabbbcccb"), "y": list("ppqrqrqrr")})
    found = only(confounded(frame))
    assert found.r == pytest.approx(1)
    square = pd.DataFrame([(x, y) for x in "abc" for y in "pqr"], columns=["x", "y"])
    assert confounded(square) == []
    # three levels of a number from a list are levels, too: a valley in it is not its trend
    listed = pd.DataFrame({"k": pd.Categorical([1, 2, 4] * 4), "peak": [False, True, False] * 4})
    assert only(confounded(listed)).r == pytest.approx(1)


def test_numbers_are_compared_by_rank() -> None:
    rng = np.random.default_rng(0)
    x = rng.random(30)
    assert only(confounded(pd.DataFrame({"x": x, "y": np.exp(9 * x)}))).r == pytest.approx(1)


def test_null_of_a_switch_is_inactive_and_a_constant_has_no_effect() -> None:
    frame = pd.DataFrame({"a": [True, False, None, None], "b": [True, False, True, True], "c": [1.0, 1.0, 1.0, 1.0]})
    found = only(confounded(frame))
    assert found.r == pytest.approx(1)
    assert found.n == 2


@pytest.mark.parametrize(("n", "pairs", "found"), [(12, 1, True), (12, 2, False), (20, 3, False), (24, 4, True), (24, 5, False)])
def test_the_limit_falls_at_24_configs(n: int, pairs: int, found: bool) -> None:
    """Two balanced switches that differ in 2 k of n configs have r = 1 - 4 k / n: .67, .33, .4, .33, .17."""
    a = np.arange(n) % 2 == 0
    b = a ^ (np.arange(n) < 2 * pairs)
    assert bool(confounded(pd.DataFrame({"a": a, "b": b}))) == found
    assert (1 - 4 * pairs / n >= limit(n)) == found


def test_the_strongest_comes_first_and_pairs_before_interactions() -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.random((14, 8)) < 0.5, columns=list("abcdefgh"))
    frame["g"], frame["h"] = frame["a"] ^ (frame.index == 0), frame["b"] ^ (frame.index < 2)
    found = confounded(frame, "abcdefgh")
    kinds = [len(each.others) for each in found]
    assert kinds == sorted(kinds)
    assert set(kinds) == {1, 2}
    for kind in (1, 2):
        sizes = [round(abs(each.r), 9) for each in found if len(each.others) == kind]
        assert sizes == sorted(sizes, reverse=True)
    x = frame.astype(float)
    for each in found:  # against numpy
        product = np.prod([x[name] - x[name].mean() for name in each.others], axis=0)
        assert each.r == pytest.approx(np.corrcoef(x[each.setting], product)[0, 1])
    assert len({(each.setting, each.others) for each in found}) == len(found)


def test_frames_without_contents() -> None:
    assert confounded(pd.DataFrame()) == []
    assert confounded(pd.DataFrame({"a": [True], "b": [False]}), ["a", "b"]) == []
    assert confounded(pd.DataFrame({"a": [None, None], "b": [np.nan, np.nan]}), ["a", "b"]) == []
