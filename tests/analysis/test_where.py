"""Conditions on trials: what they select, what they refuse, and random ones against plain Python."""

import math
import operator
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.where import named, selected
from ganstudy import UserError

nan = math.nan
TRIALS = pd.DataFrame(
    {
        "d.lr": [1e-4, 5e-4, 1e-2, 2e-3],
        "g.lr": [1e-4, 1e-3, 1e-3, nan],
        "g.slope": [0.1, nan, 0.3, nan],
        "arch": ["mlp", "dcgan", "mlp", "resnet"],
        "r1": [True, False, True, False],
        "averages.start": [True, None, False, None],
        "data.size": pd.Series([None, 800, 200, None], dtype=object),
        "data.classes": ["0,3", 7, None, 7],
        "lookahead.k": [None] * 4,
        "seed": [1, 2, 3, 4],
        "outcome": ["healthy", "mode_dropping", "", "healthy"],
        "failed": [False, True, False, False],
        "coverage": [0.9, 0.85, 0.5, nan],
        "fd": [3.0, 9.0, 4.0, 80.0],
        "d/image_grad_real": [0.5, 1.5, 2.5, 0.0],
        "d/adv": [0.7, 0.6, 0.5, 0.4],
        "my metric": [1.0, 2.0, 3.0, 4.0],
    }
)
SELECTED = {  # what users type -> the rows that it selects
    "d.lr < 1e-3 and coverage > 0.8": [0, 1],
    "d.lr<1e-3": [0, 1],
    "d.lr == 0.01": [2],
    "coverage > .8": [0, 1],
    "coverage >= 0.9": [0],
    "coverage != 0.9": [1, 2],  # a missing value is neither
    "not coverage == 0.9": [1, 2],
    "0.6 < coverage": [0, 1],
    "0.6 < coverage < 0.88": [1],
    "fd < 5 or fd > 50": [0, 2, 3],
    "not (fd < 5 or fd > 50)": [1],
    "fd < 5 and not r1": [],
    "r1": [0, 2],
    "not r1": [1, 3],
    "r1 == True": [0, 2],
    "r1 == true": [0, 2],
    "r1 != false": [0, 2],
    "r1 == 1": [0, 2],
    "r1 in [True]": [0, 2],
    "averages.start": [0],
    "not averages.start": [2],
    "arch == 'mlp'": [0, 2],
    'arch == "mlp"': [0, 2],
    "arch == mlp": [0, 2],
    "'mlp' == arch": [0, 2],
    "arch != 'mlp'": [1, 3],
    "arch == 'vit'": [],
    "arch in ['mlp', 'dcgan']": [0, 1, 2],
    "arch in (mlp, dcgan)": [0, 1, 2],
    "arch not in ['mlp']": [1, 3],
    "outcome == healthy": [0, 3],
    "outcome == ''": [2],
    "failed": [1],
    "not failed and r1": [0, 2],
    "seed in [1, 2]": [0, 1],
    "seed not in [1, 2]": [2, 3],
    "seed == 1 or seed == 4": [0, 3],
    "seed == 1 or seed == 2 and arch == 'mlp'": [0],
    "(seed == 1 or seed == 2) and arch == 'dcgan'": [1],
    "g.slope < 0.2": [0],
    "not g.slope < 0.2": [2],
    "g.slope < 0.2 or g.slope is missing": [0, 1, 3],
    "g.slope is not missing": [0, 2],
    "coverage is missing": [3],
    "d/image_grad_real > 1": [1, 2],
    "`d/image_grad_real` > 1 and `arch` == 'mlp'": [2],
    "d/image_grad_real/2 > 1": [2],
    "d/image_grad_real / d/adv > 2": [1, 2],
    "d/image_grad_real/d/adv > 2": [1, 2],
    "d.lr/g.lr > 1": [2],
    "d.lr / g.lr > 1": [2],
    "fd - 1 < 3": [0],
    "2 * fd + 1 < 10": [0, 2],
    "-fd > -5": [0, 2],
    "seed % 2 == 1": [0, 2],
    "seed//2 == 1": [1, 2],
    "seed ** 2 > 8": [2, 3],
    "g.slope ** 0 == 1": [0, 2],
    "1 / d/image_grad_real > 1": [0],  # a division by zero is missing
    "not 1 / d/image_grad_real > 1": [1, 2],
    "`my metric` > 2": [2, 3],
    "(coverage > 0.8) & (d.lr < 1e-3)": [0, 1],
    "coverage > 0.8 & r1": [0],
    "coverage > 0.8 | r1": [0, 1, 2],
    "~r1": [1, 3],
    "data.size == 800": [1],
    "data.size is missing": [0, 3],
    "data.classes == '0,3'": [0],
    "data.classes == 7": [1, 3],
    "arch == MLP": [0, 2],
    "coverage > '0.8'": [0, 1],
    "r1 == 'true'": [0, 2],
    "fd < inf": [0, 1, 2, 3],
    "coverage > 0.8 AND NOT r1": [1],
    "g.slope IS NOT Missing": [0, 2],
    "lookahead.k > 3": [],
    "not lookahead.k > 3": [],
    "lookahead.k is missing": [0, 1, 2, 3],
    "coverage > 0.8 and\n  r1": [0],
    "(r1 and fd < 3.5) == True": [0],
}
REFUSED = {  # what is no condition -> a part of the message
    "": "it is empty",
    "  ": "it is empty",
    "coverage": "coverage is neither true nor false; compare it, as in coverage > 0.5",
    "arch": "arch is neither true nor false; compare it, as in arch == 'mlp'",
    "coverage + 1": "coverage + 1 is neither true nor false",
    "r1 and coverage": "coverage is neither true nor false",
    "not coverage": "coverage is neither true nor false",
    "cover > 1": "no trial has a value called 'cover'. Did you mean coverage?",
    "d.lrr < 1": "'d.lrr'. Did you mean d.lr",
    "lr < 1": "no trial has a value called 'lr'. Did you mean g.lr or d.lr?",
    "`lr` < 1": "no trial has a value called 'lr'. Did you mean g.lr or d.lr?",
    "d/image_grad < 1": "Did you mean d/image_grad_real?",
    "quux > 1": "no trial has a value called 'quux'. The names are d.lr, g.lr, g.slope, arch",
    "arch == vit": "arch is never 'vit'; it holds 'mlp', 'dcgan', 'resnet'. A text that need not occur stands in quotes: 'vit'",
    "arch == dcgn": "arch is never 'dcgn'; did you mean 'dcgan'? it holds",
    "arch == coverag": "arch is never 'coverag'; it holds",  # coverage is a number, so it cannot be meant
    "arch == outcom": "arch is never 'outcom'; did you mean 'outcome'? it holds",
    "arch == nan": "what has no value equals nothing; write arch is missing",
    "coverage == None": "what has no value equals nothing; write coverage is missing",
    "coverage == True": "coverage is a number and True is a truth value; only 0 and 1 are compared with a truth value",
    "r1 == 2": "r1 is a truth value and 2 is a number; only 0 and 1",
    "coverage > x": "no trial has a value called 'x'. The names are ",
    "r1 == on": "no trial has a value called 'on'. r1 is a switch: write r1, or not r1",
    "r1 == 'on'": "r1 is a truth value and 'on' is a text",
    "coverage = 1": "write == instead of =",
    "coverage >": "it cannot be read. Allowed are names of settings",
    "coverage > 0.8 and": "it cannot be read",
    "coverage > 0.8 r1": "it cannot be read",
    "coverage >> 1": "it cannot be read",
    "coverage => 1": "write == instead of =",
    "coverage > 0.8 && r1": "it cannot be read",
    "!r1": "'!' cannot be read",
    "arch == 'mlp": '"\'" cannot be read',
    "coverage > 0,8": "(coverage > 0, 8) is not allowed",
    "coverage > 80%": "it cannot be read",
    "coverage > 'a'": "coverage is a number and 'a' is a text; texts are compared with texts",
    "coverage == 'a'": "coverage is a number and 'a' is a text",
    "arch > 'a'": "texts are compared with texts, by == or !=",
    "arch == 1": "arch is a text (such as 'mlp') and 1 is a number",
    "data.classes > 3": "data.classes is not of one kind in all trials",
    "arch + 1 == 2": "only numbers can be computed with; arch is a text",
    "1 > 0": "1 is compared with 0; one of them must be a name of settings, metrics and signals",
    "True": "it names no value of a trial",
    "coverage > 0.8 == True": "0.8 is compared with True; one of them must be a name of settings, metrics and signals",
    "seed in 1": "after `in`, a list must stand, such as [1, 2]",
    "seed in []": "after `in`, a list must stand",
    "arch in 'mlp'": "after `in`, a list must stand",
    "coverage is None": "after `is` and `is not`, only the word missing may stand",
    "coverage is 1": "only the word missing may stand",
    "fd < 1e999": "a number that is too large",
    "fd < " + "9" * 400: "a number that is too large",
    "coverage.foo > 1": "no trial has a value called 'coverage.foo'. Did you mean coverage?",
    "coverage.max() > 1": "coverage.max() is not allowed",
    "abs(coverage) > 1": "abs(coverage) is not allowed",
    "coverage[0] > 1": "coverage[0] is not allowed",
    "coverage.__class__": "no trial has a value called 'coverage.__class__'",
    "__import__('os').system('true')": "'.' cannot be read",
    "__import__('os')": "__import__('os') is not allowed",
    "open('x') == 1": "open('x') is not allowed",
    "lambda: 1": "':' cannot be read",
    "[r1 for r1 in seed]": "it cannot be read",
    "seed if r1 else fd": "it cannot be read",
    "@y > 1": "'@' cannot be read",
    "coverage > 1; r1": "';' cannot be read",
    "coverage > 1 # r1": "'#' cannot be read",
    "f'{r1}'": "it cannot be read",
    "not " * 20_000 + "r1": "it ",
    "(" * 400 + "r1" + ")" * 400: "it cannot be read",
    "1 + " * 20_000 + "seed > 1": "nested too deeply",
    "r1 and (" * 90 + "r1" + ")" * 89: "it cannot be read",
}


@pytest.mark.parametrize("where", SELECTED)
def test_a_condition_selects_trials(where: str) -> None:
    assert np.flatnonzero(selected(TRIALS, where)).tolist() == SELECTED[where]


@pytest.mark.parametrize("where", REFUSED, ids=lambda where: where[:40])
def test_what_is_no_condition_is_one_message(where: str) -> None:
    with pytest.raises(UserError) as error:
        selected(TRIALS, where)
    said = str(error.value)
    assert said.startswith("where must be a condition such as 'd.lr < 1e-3 and coverage > 0.8'; given ")
    assert REFUSED[where] in said
    assert len(said) < 600


def test_the_columns_that_a_condition_names() -> None:
    assert named("d.lr/g.lr > 1 and arch == mlp and arch is missing", list(TRIALS.columns)) == ["d.lr", "g.lr", "arch"]


def test_without_trials_nothing_is_selected() -> None:
    assert selected(pd.DataFrame(), "coverage > 1").shape == (0,)


# Random conditions, as their text and as a function of a row in plain Python. None is what is missing, in and out.
Row = dict[str, Any]
Rule = tuple[str, Callable[[Row], Any]]
NUMBERS, TEXTS, SWITCHES = ["d.lr", "g.slope", "d/adv", "d", "seed", "lookahead.k"], ["arch", "outcome"], ["r1", "averages.start"]
COMPARED = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne}
COMPUTED = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}
COMPUTED |= {"//": operator.floordiv, "%": operator.mod, "**": operator.pow}
LETTERS = st.sampled_from(["mlp", "dcgan", "r1", "a b", "", "and", "d.lr"])
PLAIN = st.one_of(st.integers(-3, 3), st.sampled_from([0.5, 1e-3, 0.0, 1e300, 2.5]))


def name_of(name: str) -> st.SearchStrategy[Rule]:
    return st.sampled_from([name, f"`{name}`"]).map(lambda text: (text, lambda row: row[name]))


def computed(a: Rule, sign: str, b: Rule) -> Rule:
    def value(row: Row) -> Any:
        x, y = a[1](row), b[1](row)
        if x is None or y is None:
            return None
        try:
            found = COMPUTED[sign](float(x), float(y))
        except (ZeroDivisionError, OverflowError):
            return None
        return found if isinstance(found, float) and math.isfinite(found) else None  # the square root of -1 is complex

    return f"({a[0]} {sign} {b[0]})", value


def compared(a: Rule, sign: str, b: Rule) -> Rule:
    def value(row: Row) -> Any:
        x, y = a[1](row), b[1](row)
        return None if x is None or y is None else COMPARED[sign](x, y)

    return f"{a[0]} {sign} {b[0]}", value


def among(a: Rule, values: list[Any], negated: bool) -> Rule:
    def value(row: Row) -> Any:
        x = a[1](row)
        return None if x is None else (x in values) is not negated

    return f"{a[0]} {'not ' * negated}in {values}", value


def absent(a: Rule, negated: bool) -> Rule:
    return f"{a[0]} is {'not ' * negated}missing", lambda row: (a[1](row) is None) is not negated


def joined(a: Rule, word: str, b: Rule) -> Rule:
    def value(row: Row) -> Any:
        x, y = a[1](row), b[1](row)
        decides = word == "or"
        return decides if x is decides or y is decides else None if x is None or y is None else not decides

    return f"({a[0]} {word} {b[0]})", value


def opposite(a: Rule) -> Rule:
    return f"not ({a[0]})", lambda row: None if (x := a[1](row)) is None else not x


def quoted(text: str) -> Rule:
    return repr(text), lambda row: text


column = st.sampled_from(NUMBERS).flatmap(name_of)
constant = PLAIN.map(lambda value: (repr(value), lambda row: value))
number = st.recursive(column, lambda inner: st.builds(computed, inner, st.sampled_from(list(COMPUTED)), inner | constant), max_leaves=4)
text_column, switch = st.sampled_from(TEXTS).flatmap(name_of), st.sampled_from(SWITCHES).flatmap(name_of)
simple = st.one_of(
    switch,
    st.builds(compared, number, st.sampled_from(list(COMPARED)), number | constant),
    st.builds(compared, text_column, st.sampled_from(["==", "!="]), text_column | LETTERS.map(quoted)),
    st.builds(among, column, st.lists(PLAIN, min_size=1, max_size=3), st.booleans()),
    st.builds(among, text_column, st.lists(LETTERS, min_size=1, max_size=3), st.booleans()),
    st.builds(absent, st.one_of(column, text_column, switch), st.booleans()),
)
condition = st.recursive(
    simple,
    lambda inner: st.one_of(st.builds(opposite, inner), st.builds(joined, inner, st.sampled_from(["and", "or"]), inner)),
    max_leaves=6,
)
values = st.one_of(st.none(), PLAIN)
row = st.fixed_dictionaries(
    {
        **dict.fromkeys(NUMBERS, values),
        **dict.fromkeys(TEXTS, st.none() | LETTERS),
        **dict.fromkeys(SWITCHES, st.none() | st.booleans()),
        "lookahead.k": st.none(),
    }
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(condition, st.lists(row, min_size=1, max_size=6))
def test_a_condition_selects_the_rows_of_which_it_is_true(rule: Rule, rows: list[Row]) -> None:
    where, true = rule
    assert selected(pd.DataFrame(rows), where).tolist() == [true(each) is True for each in rows], where


PIECES = [
    *NUMBERS,
    *TEXTS,
    *SWITCHES,
    *"()[],<>=!+-*/&|~'`\"@.:;{}\\ 013",
    "==",
    "<=",
    "and",
    "or",
    "not",
    "in",
    "is",
    "missing",
    "True",
    "None",
    "1e-3",
]
PIECES += ["lambda", "if", "else", "__class__", "'mlp'", "mlp", "é", "\n", "\0", "0x1", "1_0", "1j", "f''", ":=", "**", "//", "..."]


@settings(max_examples=500, deadline=None, derandomize=True)
@given(
    st.one_of(
        st.text(max_size=30),
        st.lists(st.sampled_from(PIECES), max_size=9).map(" ".join),
        st.lists(st.sampled_from(PIECES), max_size=9).map("".join),
    )
)
def test_any_text_selects_or_is_refused(where: str) -> None:
    frame = TRIALS.assign(d=1.0)
    with suppress(UserError):
        found = selected(frame, where)
        assert found.dtype == np.bool_
        assert found.shape == (len(frame),)
