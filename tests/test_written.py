"""Values in messages stand as in a study file."""

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganstudy.written import shown, written
from study.spec.yaml import loaded


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"low": 1e-4, "high": 0.01, "log": True}, "{low: 0.0001, high: 0.01, log: true}"),
        (["mlp", None, False, 3], "[mlp, null, false, 3]"),
        ({"a": [{"b": 1}], "c": {}}, "{a: [{b: 1}], c: {}}"),
        (("x", 1e-5), "[x, 1e-05]"),
        ("a: b", "'a: b'"),
        (math, repr(math)),
    ],
)
def test_values_as_in_a_study_file(value: object, text: str) -> None:
    assert written(value) == text


plain = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=20))
keys = st.from_regex(r"[a-z][a-z._/0-9]*", fullmatch=True)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.recursive(plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=6))
def test_what_is_written_is_read_again_and_stands_on_one_line(value: Any) -> None:
    text = written(value)
    assert "\n" not in text
    assert loaded(f"x: {text}".encode()) == {"x": value}


def test_messages_are_short_and_show_that_text_is_text() -> None:
    assert (shown("true"), shown(True), shown(None), shown([1, "a"])) == ("'true'", "true", "null", "[1, a]")
    assert len(shown(["long"] * 200)) == 201
