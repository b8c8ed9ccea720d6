"""Which spaces extend another one."""

from typing import Any

import pytest
from extended import GIVEN, LR, WIDER, spec

from study.spec.extended import lost
from study.spec.identity import differences
from study.spec.space import read_space

CHANGED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "narrower": ({"g.lr": LR}, {"g.lr": {**LR, "low": 2e-4}}, "g.lr has no 0.0001 any more"),
    "shifted": ({"g.lr": LR}, {"g.lr": {"low": 2e-3, "high": 1e-2, "log": True}}, "g.lr has no 0.0001 and no 0.001 any more"),
    "scale": ({"g.lr": LR}, {"g.lr": {**LR, "log": False}}, "g.lr has another scale or step, or was a list"),
    "list": ({"g.lr": [1e-4, 1e-3]}, {"g.lr": LR}, "g.lr has another scale or step, or was a list"),
    "choice": ({"loss": ["hinge", "minimax"]}, {"loss": ["hinge", "wasserstein"]}, "loss has no minimax any more"),
    "step": ({"g.width": {"low": 16, "high": 64, "step": 16}}, {"g.width": {"low": 8, "high": 64, "step": 8}}, "g.width has another scale"),
    "setting": ({"g.lr": LR, "beta1": [0.0, 0.5]}, {"g.lr": LR}, "beta1 does not vary any more"),
    "variant": (
        {"m": {"a": {}, "b": {"loss": "hinge"}}},
        {"m": {"a": {}, "b": {"loss": "minimax"}, "c": {"r1": True}}},
        "variant b of m has changed",
    ),
}


@pytest.mark.parametrize("case", CHANGED)
def test_what_a_space_has_lost_is_named(case: str) -> None:
    before, now, words = CHANGED[case]
    found = lost(read_space({"scientific": before}), read_space({"scientific": now}))
    assert len(found) == 1
    assert words in found[0]


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (GIVEN["space"], WIDER),
        ({"scientific": {"g.lr": LR}, "nuisance": {"beta1": [0.0, 0.5]}}, {"scientific": {"g.lr": LR, "beta1": [0.0, 0.5, 0.9]}}),
        (
            {"scientific": {"g.width": {"low": 16, "high": 32, "step": 16}}},
            {"scientific": {"g.width": {"low": 16, "high": 64, "step": 16}}},
        ),
        (
            {"scientific": {"m": {"a": {}, "b": {"loss": "hinge"}}}},
            {"scientific": {"m": {"a": {}, "b": {"loss": "hinge"}, "c": {"r1": True}}}},
        ),
    ],
)
def test_a_larger_space_has_lost_nothing(before: Any, now: Any) -> None:
    assert lost(read_space(before), read_space(now)) == []


def test_only_the_space_may_differ() -> None:
    known, larger = spec().as_dict(), spec(space=WIDER, n_configs=24)
    assert any("space" in each for each in differences(known, larger.as_dict()))
    assert differences(known, larger.as_dict(), extended=True) == []
    other = spec(space=WIDER, n_configs=24, base={**GIVEN["base"], "loss": "hinge"}).as_dict()
    assert [each.partition(":")[0] for each in differences(known, other, extended=True)] == ["base"]


def test_a_setting_may_move_from_the_base_to_the_space() -> None:
    known = spec(base={**GIVEN["base"], "beta1": 0.5}).as_dict()
    assert differences(known, spec(space=WIDER).as_dict(), extended=True) == []


def test_configs_to_try_first_may_have_values_of_the_settings_that_vary_now() -> None:
    known = spec(enqueue=["defaults", {"g.lr": 5e-4}]).as_dict()
    assert differences(known, spec(enqueue=["defaults", {"g.lr": 5e-4}], space=WIDER).as_dict(), extended=True) == []
    assert differences(known, spec(enqueue=["defaults", {"g.lr": 6e-4}], space=WIDER).as_dict(), extended=True)
