"""Ranges and choices are taken as they are, or refused: nothing is changed without a word."""

from typing import Any

import pytest
from bad_studies import good

from study.spec.domains import as_given, at, domain, extremes
from study.spec.errors import SpecError
from study.spec.study_spec import StudySpec

REFUSED: list[tuple[str, Any, str]] = [
    (
        "g.width",
        {"low": 16, "high": 20, "step": 16},
        "must reach high in whole steps from low; 16 to 20 is 0.25 steps of 16. Give high: 32",
    ),
    ("g.width", {"low": 16, "high": 33, "step": 5}, "16 to 33 is 3.4 steps of 5. Give high: 31 or high: 36"),
    ("g.width", {"low": 16.2, "high": 16.9}, "must have whole numbers as low, high and step; low is 16.2"),
    ("g.width", {"low": 16, "high": 32.0}, "high is 32.0; write 32"),
    ("g.width", {"low": 16, "high": 32, "step": 0}, "must have a step above 0; given 0. Leave step out"),
    ("g.width", {"low": 16, "high": 32, "step": -2}, "must have a step above 0; given -2"),
    ("g.width", {"low": 16, "high": 32, "step": 2.5}, "step is 2.5"),
    ("g.width", {"low": 16, "high": 32, "step": True}, "must have numbers as low, high and step; step is true"),
    ("g.width", {"low": 16, "high": 32, "step": "2"}, "step is '2'"),
    ("g.width", {"low": 16, "high": 32, "step": 2, "log": True}, "must have either log: true or a step; given both"),
    ("g.width", {"low": 16, "high": float("inf")}, "must have a finite high; given .inf"),
    ("g.width", {"low": 1, "high": 2**53 + 1}, "2^53 if it is whole; given 9007199254740993"),
    ("g.lr", {"low": 0.1, "high": 0.25, "step": 0.1}, "0.1 to 0.25 is 1.5 steps of 0.1. Give high: 0.2 or high: 0.3"),
    ("g.lr", {"low": 0.1, "high": 0.3, "step": 1}, "0.1 to 0.3 is 0.2 steps of 1. Give high: 1.1"),
    ("g.lr", {"low": 0.1, "high": 0.3, "step": 0.1, "log": True}, "either log: true or a step"),
    ("g.lr", {"low": 0.1, "high": float("nan")}, "given .nan"),
    ("g.lr", {"low": 0.1, "high": 10**400}, "must have a high of at most"),
    ("g.lr", {"low": 0.1, "high": 0.3, "step": float("nan")}, "must have a finite step; given .nan"),
    ("g.lr", {"low": 0.1, "high": 1e308}, "at most 1e+100"),
    ("g.depth", {"low": 1.0, "high": 3.0}, "low is 1.0; write 1"),
    ("loss", {"low": 0, "high": 1}, "must be a list of choices, since its values are not numbers"),
    ("r1", {"low": 0, "high": 1}, "must be a list of choices, since its values are not numbers"),
    ("g.lr", [1, 1.0], "at least two choices, all different; given [1, 1.0]"),
    ("g.lr", [0.1, float("nan")], "each number among the choices of g.lr must be finite; given .nan"),
    ("g.width", [[1], [2]], "each choice of g.width must be a number, a word, true, false or null; given [1]"),
    ("g.width", [{"a": 1}, {"b": 1}], "given {a: 1}"),
]


@pytest.mark.parametrize(("name", "given", "said"), REFUSED)
def test_what_would_have_to_be_changed_is_refused(name: str, given: Any, said: str) -> None:
    for space in ({"scientific": {name: given}}, {"scientific": {"r2": [False, True]}, "nuisance": {name: given}}):
        with pytest.raises(SpecError) as error:
            StudySpec.from_dict(good(space=space, base={"data": "ring8", "arch": "mlp"}))
        assert said in str(error.value)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("g.width", {"low": 16, "high": 48, "step": 16}),
        ("g.width", {"low": 16, "high": 17, "log": True}),
        ("g.depth", {"low": 1, "high": 3}),
        ("g.lr", {"low": 0.1, "high": 0.3, "step": 0.1}),
        ("g.lr", {"low": 1e-9, "high": 1.0, "step": 1e-9}),
        ("weight_decay", {"low": 1.0, "high": 2.0}),
        ("g.lr", [1, 2, 0.5]),
        ("g.depth", [None, 1, 2]),
    ],
)
def test_what_is_taken_comes_back_as_it_was_given(name: str, given: Any) -> None:
    read = domain(name, given, ())
    assert as_given(read) == given
    assert len({at(read, u) for u in (0.0, 0.999)}) == 2
    assert set(extremes(read)) == (set(given) if isinstance(given, list) else {given["low"], given["high"]})
