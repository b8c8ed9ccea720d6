"""The rules of schedulers: peers decide as theirs do, and the one for GANs stops only where ticks tell the end."""

import random
from collections.abc import Callable, Mapping
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from ray.tune.schedulers import MedianStoppingRule

from analysis import Direction
from study.engine.schedulers import PATIENCE_S, InOrder
from study.spec.allowance import allowance
from study.spec.errors import SpecError
from study.spec.gan_rule import GanRule
from study.spec.halving import Brackets, Halving
from study.spec.median import MedianRule
from study.spec.schedulers import Informed, Rule, read_scheduler

BUDGET_KIMG = 16.0
TICKS = 16


def start(given: Mapping[str, Any], direction: Direction = Direction.MINIMIZE) -> Rule:
    scheduler = read_scheduler(given)
    scheduler.check(budget_kimg=BUDGET_KIMG, tick_kimg=1.0)
    return scheduler.start(budget_kimg=BUDGET_KIMG, direction=direction)


@pytest.mark.parametrize("direction", Direction)
def test_the_median_rule_decides_like_ray_s(direction: Direction) -> None:
    decisions = stops = 0
    for seed in range(10):
        rng = random.Random(seed)
        ours = start({"name": "median", "grace_kimg": 4.0}, direction)
        assert isinstance(ours, MedianRule)
        mode = "min" if direction is Direction.MINIMIZE else "max"
        theirs = MedianStoppingRule("images", "d", mode, grace_period=4000, min_samples_required=3)
        live: dict[str, int] = {}
        of: dict[str, Mock] = {}
        for _ in range(300):
            if len(live) < 4:
                new = f"t{len(of)}"
                live[new], of[new] = 0, Mock(trial_id=new)
            trial = rng.choice(list(live))
            live[trial] += rng.choice((1000, 2000, 2016))
            value = rng.random() + 0.5 * (int(trial[1:]) % 3)
            result = {"images": live[trial], "d": value}
            goes_on = ours.should_continue(trial, live[trial], value)
            controller = Mock(get_live_trials=list)
            assert goes_on == (theirs.on_trial_result(controller, of[trial], result) == "CONTINUE")
            decisions, stops = decisions + 1, stops + (not goes_on)
            if not goes_on or live[trial] >= 16000:
                del live[trial]
    assert 0.05 < stops / decisions < 0.5


def test_a_bracket_of_hyperband_is_halving_from_a_later_rung() -> None:
    rule = start({"name": "hyperband", "grace_kimg": 1.0, "reduction_factor": 4.0})
    assert isinstance(rule, Brackets)
    assert [list(bracket.rungs) for bracket in rule.brackets] == [[1000, 4000], [4000], []]
    rng = np.random.default_rng(0)
    alone = [Halving(4.0**s, 4.0, budget_kimg=BUDGET_KIMG, direction=Direction.MINIMIZE) for s in range(3)]
    for i in range(300):
        trial = f"t{i}"
        for images in range(1000, 17000, 1000):
            value = float(rng.random())
            goes_on = rule.should_continue(trial, images, value)
            assert goes_on == alone[rule.bracket(trial)].should_continue(trial, images, value)
            if not goes_on:
                break


def test_brackets_of_hyperband_have_its_shares() -> None:
    rule = start({"name": "hyperband", "grace_kimg": 1.0, "reduction_factor": 4.0})
    assert isinstance(rule, Brackets)
    counts = np.bincount([rule.bracket(f"3f{i}-s{7 * i}") for i in range(3000)], minlength=3)
    sizes = np.array([4**2 / 3, 4 / 2, 1 / 1])  # (s_max + 1) n_s / (s + 1), algorithm 1 of Li et al. 2018
    np.testing.assert_allclose(counts / 3000, sizes / sizes.sum(), atol=0.04)
    one = start({"name": "hyperband", "grace_kimg": 1.0, "brackets": 1})
    assert isinstance(one, Brackets)
    assert [list(bracket.rungs) for bracket in one.brackets] == [[1000, 3000, 9000]]


@pytest.mark.parametrize("name", ["asha", "hyperband", "median"])
def test_the_first_rung_must_be_before_the_end(name: str) -> None:
    with pytest.raises(SpecError, match=r"scheduler\.grace_kimg must be at most 15"):
        start({"name": name, "grace_kimg": 16.0})
    with pytest.raises(SpecError, match="a scheduler needs a tick before the end"):
        read_scheduler({"name": "gan"}).check(budget_kimg=2.0, tick_kimg=2.0)


Curve = Callable[[int], float]


def feed(rule: Rule, trial: str, curve: Curve, settings: Mapping[str, Any] | None = None) -> int:
    """Measure a trial at each tick until it is stopped. Returns its ticks."""
    if settings is not None:
        assert isinstance(rule, Informed)
        rule.begins(trial, settings)
    for tick in range(TICKS + 1):
        if not rule.should_continue(trial, 1000 * tick, curve(tick)) and tick < TICKS:
            return tick
    return TICKS


def gan(**keys: Any) -> GanRule:
    rule = start({"name": "gan", **keys})
    assert isinstance(rule, GanRule)
    return rule


def flat(level: float) -> Curve:
    return lambda tick: level


def test_nothing_is_stopped_before_enough_runs_are_known() -> None:
    rule = gan(full_runs=8)
    assert [feed(rule, f"t{i}", flat(float(i))) for i in range(8)] == [TICKS] * 8
    assert rule.first == 0
    assert feed(rule, "bad", flat(100.0)) == 1  # untrained networks are not judged
    assert feed(rule, "good", flat(-1.0)) == TICKS


@pytest.mark.parametrize("direction", Direction)
def test_one_trial_of_so_many_continues_from_a_rung(direction: Direction) -> None:
    rule = start({"name": "gan", "full_runs": 8, "reduction_factor": 4.0}, direction)
    rng = np.random.default_rng(0)
    curves = [crossing(direction.sign * float(rng.random()), at=1) for _ in range(2000)]
    ticks = np.array([feed(rule, f"t{i}", curve) for i, curve in enumerate(curves)])[8:]
    assert set(ticks.tolist()) <= {2, 4, 8, TICKS}
    for rung in (2, 4):
        assert abs((ticks > rung).sum() / (ticks >= rung).sum() - 0.25) < 0.06


def crossing(level: float, *, at: int) -> Curve:
    """Values of a trial that is the worse at first, the better it becomes at the tick `at`."""
    return lambda tick: 10.0 - level if tick < at else level


def feed_all(rule: Rule, levels: np.ndarray[Any, Any]) -> list[int]:
    return [feed(rule, f"t{i}", crossing(float(level), at=8)) for i, level in enumerate(levels)]


def test_where_early_values_mislead_nothing_is_stopped_early() -> None:
    rule = gan()
    levels = np.random.default_rng(0).permutation(60)
    stopped_at = feed_all(rule, levels)
    assert rule.first == 9  # two of the three ticks whose median counts
    assert min(stopped_at) == 9
    assert stopped_at[int(np.argmin(levels))] == TICKS
    asha = start({"name": "asha", "grace_kimg": 1.0, "reduction_factor": 4.0})
    assert feed_all(asha, levels)[int(np.argmin(levels))] == 1


def test_where_no_tick_tells_the_end_nothing_is_stopped() -> None:
    rule, rng = gan(), np.random.default_rng(0)
    for i in range(40):
        noise = rng.random(TICKS + 1)
        assert feed(rule, f"t{i}", lambda tick, noise=noise: float(noise[tick])) == TICKS  # type: ignore[misc]


def test_a_single_spike_stops_no_good_trial() -> None:
    rule = gan()
    for i in range(8):
        feed(rule, f"t{i}", flat(float(1 + i)))
    assert feed(rule, "good", lambda tick: 50.0 if tick in (5, 9) else 0.5) == TICKS


@pytest.mark.parametrize(
    ("settings", "first"),
    [
        ({}, 0),
        ({"ema": True}, 0),  # at most a twentieth of the images so far: no slow start
        ({"ema": True, "ema.halflife_kimg": 2.0, "ema.rampup": 1.0}, 6),
        ({"lr_schedule": True, "lr_schedule.warmup": 0.25}, 4),
        ({"r1": True, "r1.warmup": 0.5, "lr_schedule": True, "lr_schedule.warmup": 0.25}, 8),
        ({"swa": True, "swa.share": 0.25}, 12),
    ],
)
def test_a_slow_starter_is_judged_after_its_allowance(settings: dict[str, Any], first: int) -> None:
    assert allowance(settings, budget_kimg=BUDGET_KIMG) == 1000 * first
    rule = gan()
    for i in range(8):
        feed(rule, f"t{i}", flat(float(i)))
    assert feed(rule, "bad", flat(100.0), settings) == max(first, 1)


def test_a_trial_with_many_d_steps_is_judged_when_g_has_had_as_many_updates() -> None:
    rule = gan()
    for i in range(8):
        feed(rule, f"t{i}", crossing(float(i), at=1), {})
    assert rule.first == 2
    assert feed(rule, "slow", flat(100.0), {"d_steps": 3}) == 6
    assert feed(rule, "fast", flat(100.0), {"d_steps": 1}) == 2


def test_survivors_do_not_hide_that_ticks_agree_with_the_end() -> None:
    """Full runs after the first ones are the good ones, which differ little; their own correlation is below that of all trials."""
    rng, found = np.random.default_rng(3), []
    rule = gan()
    for i in range(200):
        level = rng.standard_normal()
        wobble = 0.75 * rng.standard_normal(TICKS + 1)
        wobble[-1] = 0
        feed(rule, f"t{i}", lambda tick, level=level, wobble=wobble: float(level + wobble[tick]))  # type: ignore[misc]
        found.append(rule.first)
    assert len(rule.full) < 120
    assert found[-1] is not None
    assert found[-1] < 6


def test_a_resumed_rule_decides_as_one_that_went_on() -> None:
    rng = np.random.default_rng(0)
    curves = [crossing(float(rng.random()), at=3) for _ in range(40)]
    settings = [
        {"d_steps": int(rng.integers(1, 3)), "lr_schedule": True, "lr_schedule.warmup": float(rng.choice([0.0, 0.4]))} for _ in curves
    ]
    whole, seen = gan(), list[int]()
    for i, (curve, given) in enumerate(zip(curves, settings, strict=True)):
        seen.append(feed(whole, f"t{i}", curve, given))
    again, cut = gan(), 6
    running = [i for i in (37, 38, 39) if seen[i] > cut]
    assert running
    for i in range(37):  # trial by trial, up to where each came
        again.begins(f"t{i}", settings[i])
        for tick in range(seen[i] + 1):
            again.should_continue(f"t{i}", 1000 * tick, curves[i](tick))
    for i in (37, 38, 39):
        again.begins(f"t{i}", settings[i])
        decisions = [again.should_continue(f"t{i}", 1000 * tick, curves[i](tick)) for tick in range(seen[i] + 1)]
        assert decisions == [*[True] * seen[i], seen[i] == TICKS]


def test_a_trial_that_has_waited_for_long_is_named_and_no_other() -> None:
    """Tune gives it the next free worker. A younger one is left to its own worker, which may be starting."""
    clock = Mock(return_value=0.0)
    scheduler = InOrder(clock)
    first, second = Mock(PENDING="PENDING", status="PENDING"), Mock(PENDING="PENDING", status="PENDING")
    scheduler.on_trial_add(None, first)
    clock.return_value = 100.0
    scheduler.on_trial_add(None, second)
    named = []
    for clock.return_value, status in (
        (PATIENCE_S, "PENDING"),
        (PATIENCE_S + 1, "PENDING"),
        (PATIENCE_S + 2, "RUNNING"),
        (PATIENCE_S + 101, "TERMINATED"),
    ):
        first.status = status
        named.append(scheduler.choose_trial_to_run(None))
    assert named == [None, first, None, second]
