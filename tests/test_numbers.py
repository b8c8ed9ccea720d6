"""Values of plugins become floats, or are refused with their name."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from ganstudy import UserError
from ganstudy.numbers import finite, number, whole

NUMBERS = {
    "float": 0.5,
    "int": 3,
    "fraction": Fraction(1, 2),
    "float32": np.float32(0.5),
    "float64": np.float64(0.5),
    "int64": np.int64(3),
    "0-d array": np.array(0.5),
    "tensor": torch.tensor(0.5),
    "a tensor with a gradient": torch.tensor(0.5, requires_grad=True),
    "bfloat16": torch.tensor(0.5, dtype=torch.bfloat16),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_of_any_library_becomes_a_float(name: str) -> None:
    found = finite(NUMBERS[name], "it")
    assert type(found) is float
    assert found == (3.0 if "int" in name else 0.5)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("0.5", r"'0\.5' \(str\)"),
        (None, r"None \(NoneType\)"),
        ([0.5], r"\[0\.5\] \(list\)"),
        (1j, r"1j \(complex\)"),
        (np.array("a"), r"array\('a', dtype='<U1'\) \(ndarray\)"),
        (np.zeros(1), r"an array of shape \[1\]"),
        (torch.zeros(2, 3), r"an array of shape \[2, 3\]"),
    ],
)
def test_anything_else_is_refused(value: Any, told: str) -> None:
    with pytest.raises(UserError, match=rf"^the metric x must be one number; given is {told}\. Return a float$"):
        number(value, "the metric x")


@pytest.mark.parametrize("value", [0, -1, 2.0, True, "3", None, np.int64(0)])
def test_what_is_no_number_of_things_is_refused(value: Any) -> None:
    assert whole(np.int64(3), "n") == 3
    with pytest.raises(UserError) as refused:
        whole(value, "n")
    assert str(refused.value) == f"n must be a whole number, at least 1; given {value!r}"


@pytest.mark.parametrize("value", [math.nan, math.inf, np.float32(-math.inf), torch.tensor(math.nan)])
def test_a_number_may_be_infinite_where_finite_is_not_asked(value: Any) -> None:
    assert not math.isfinite(number(value, "it"))
    with pytest.raises(UserError, match=r"the metric x must be a finite number; given is (nan|inf|-inf)\. Mend"):
        finite(value, "the metric x")
