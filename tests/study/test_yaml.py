"""YAML 1.2: what is read, and errors with their line in our words."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_studies import QUICK

from ganstudy import UserError
from study.spec.files import line_of, parse_changes, read_yaml
from study.spec.yaml import NotYaml, loaded

BROKEN = {
    "name: a\nname: b\n": (2, "the key 'name' is there twice"),
    "base: {g.lr: 1, g.lr: 2}\n": (1, "the key 'g.lr' is there twice"),
    "base:\n\tg.lr: 1\n": (2, "a tab is used as indentation"),
    "a: 1\nname: [a\nb: 2\n": (2, "a bracket is opened and not closed"),
    "a: [1, 2\n": (1, "a bracket is opened and not closed"),
    "a: {b: 1\n": (1, "a bracket is opened and not closed"),
    "a: [": (None, "a value is missing, or a bracket is opened and not closed"),
    "name: 'a\nb: 2\n": (1, "a quotation mark is opened and not closed"),
    'name: "a\nb: 2\n': (1, "a quotation mark is opened and not closed"),
    "question: why: because\n": (1, "quote text that has ': ' in it"),
    "a: 1\n  b: 2\n": (2, "check the indentation"),
    "a:\n  b: 1\n c: 2\n": (3, "the indentation differs"),
    "a: -\n- b\n": (1, "a colon or a dash is where none can be"),
    "a: *x\n": (1, "the alias *x needs an anchor &x before it"),
    "a: !foo b\n": (1, "values cannot have the tag 'foo'"),
    "a: !!python/name:os.system x\n": (1, "remove the tag"),
    "a: !!int x\n": (1, "x is not a value of the kind that it looks like"),
    "a: !!float x\n": (1, "x is not a value of the kind that it looks like"),
    f"a: {'9' * 5000}\n": (1, "is not a value of the kind that it looks like"),
    "a: @b\n": (1, "text that begins with @ must be quoted"),
    "a: `b`\n": (1, "text that begins with ` must be quoted"),
    'a: "\\q"\n': (1, "\\q is no escape in double quotes"),
    "a: 1\n---\nb: 2\n": (2, "it must be one document"),
    "%YAML 3.0\n---\na: 1\n": (1, "it must be YAML 1.2"),
    "? {a: 1}\n: b\n": (1, "a key must be text; it is a list or a mapping"),
    "a: {<<: 3}\n": (1, "the value of << must be a mapping"),
    "a: \0\n": (None, "it must be text in UTF-8 without control characters"),
    "a: &x [*x]\n": (None, "an alias must not be inside the value"),
    f"a: {'[' * 5000}{']' * 5000}": (None, "it is nested too deeply"),
    "a: !!binary x\n": (1, "this line cannot be read"),
}
LIBRARY = (
    "ruamel",
    "<stream end>",
    "while parsing",
    "while scanning",
    "while constructing",
    "could not determine",
    'in "',
    "mapping values",
)


@pytest.mark.parametrize("text", BROKEN, ids=lambda text: repr(text)[:24])
def test_what_is_no_yaml_is_refused_with_its_line_in_our_words(text: str, tmp_path: Path) -> None:
    line, words = BROKEN[text]
    path = tmp_path / "s.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as error:
        read_yaml(path)
    said = str(error.value)
    assert said.startswith(f"{path}, line {line} must be YAML: " if line else f"{path}")
    assert words in said
    assert not any(word in said for word in LIBRARY)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "it holds nothing"),
        (b"- a\n", "must hold `key: value` lines; it holds [a]"),
        (b"abc", "it holds 'abc'"),
        (b"1: 2\n", "must have text as keys; given 1"),
        (b"? [a]\n: b\n", "must have text as keys; given [a]"),
        (b"a: 1\nb: \xff\n", "line 2 must be YAML: it must be text in UTF-8"),
    ],
)
def test_a_file_must_hold_keys_in_utf8(text: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_bytes(text)
    with pytest.raises(UserError) as error:
        read_yaml(tmp_path / "s.yaml")
    assert said in str(error.value)


@pytest.mark.parametrize("form", ["[{}]", "{{<<: [{}]}}"])
def test_aliases_that_stand_for_too_many_values_are_refused_at_once(form: str) -> None:
    lines = ["a0: &a0 {x: 1}", *(f"a{i}: &a{i} " + form.format(", ".join([f"*a{i - 1}"] * 10)) for i in range(1, 10))]
    assert loaded("\n".join(lines[:4]).encode()).keys() == {"a0", "a1", "a2", "a3"}
    with pytest.raises(  # to make them all would take all memory
        NotYaml, match=r"it must hold at most 1,000,000 values; with all that its aliases stand for, it holds \d,\d{3},\d{3},\d{3}"
    ):
        loaded("\n".join(lines).encode())


def test_dates_are_text_and_an_anchor_may_be_used_again() -> None:
    assert loaded("﻿a: 2026-01-31\nb: &x 1\nc: &x 2\nd: *x\ne: on\nf: 1e-4\n".encode()) == {
        "a": "2026-01-31",
        "b": 1,
        "c": 2,
        "d": 2,
        "e": "on",
        "f": 1e-4,
    }


def test_the_line_of_a_merged_key_is_where_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("x: &x\n  g.lr: 1\nbase:\n  <<: *x\n  d.lr: 2\n")
    assert line_of(path, ("base", "g.lr")) == ", line 2"
    assert line_of(path, ("base", "d.lr")) == ", line 5"
    assert line_of(path, ("base", "none")) == ", line 3"


@pytest.mark.parametrize("text", ["a=[", "a=*x", f"a={'9' * 5000}", "a=\0", f"a={'[' * 3000}", "a=1\n---\n2", "a", "=3", " =3", "a: 2"])
def test_a_change_that_is_no_yaml_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"--set") as error:
        parse_changes([text])
    assert not any(word in str(error.value) for word in LIBRARY)


@QUICK
@given(st.one_of(st.text(alphabet="ab:-[]{}&*!|>'\"%@`#,?\n\t \\~<.0", max_size=25), st.text(max_size=25), st.binary(max_size=12)))
def test_any_text_is_read_or_refused_in_our_words(text: Any) -> None:
    said = ""
    try:
        loaded(text if isinstance(text, bytes) else text.encode())
    except NotYaml as error:
        said = str(error)
    assert not any(word in said for word in LIBRARY)
