"""Numbers and values as text."""

import numpy as np
import pytest

from analysis.words import bound, counted, number, percent, signed, value_text, value_texts


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.9999, "0.9999"),  # another decay than 1
        (0.99995, "0.99995"),
        (0.999912345678, "0.9999123"),
        (0.95123456789, "0.9512"),
        (0.000342719847, "0.000343"),
        (1e-05, "1e-05"),
        (-0.5, "-0.5"),
        (1000.0, "1000"),
        (1024.0, "1024"),
        (12345.6789, "12346"),
        (1000, "1000"),
        (float("inf"), "inf"),
        (True, "on"),
        (np.False_, "off"),
        ("hinge", "hinge"),
    ],
)
def test_values_of_settings(value: object, text: str) -> None:
    assert value_text(value) == text


def test_texts_of_different_values_differ() -> None:
    assert value_texts([1, "1", "a"]) == ["1", "'1'", "a"]
    assert value_texts([1.2341234e-4, 1.2341235e-4]) == ["0.00012341234", "0.00012341235"]
    assert value_texts([0.9995, 0.9999]) == ["0.9995", "0.9999"]


def test_numbers_and_shares_are_rounded_as_they_read() -> None:
    assert [number(value) for value in (999.4, 999.6, 1000, 999_999, 1e6)] == ["999", "1,000", "1,000", "999,999", "1e+06"]
    assert [signed(value, ".0f") for value in (-0.3, 0.3, 12, -75)] == ["0", "0", "+12", "−75"]
    assert [counted(share) for share in (0, 1 / 300, 0.005, 0.5, 299 / 300, 1)] == ["0 %", "< 1 %", "< 1 %", "50 %", "> 99 %", "100 %"]
    assert [percent(share) for share in (0, 1 / 300, 0.5, 299 / 300, float("nan"))] == ["0 %", "0 %", "50 %", "100 %", "–"]


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1234.5, 5e8])
def test_a_bound_has_as_many_digits_as_it_needs(scale: float) -> None:
    values = np.sort(np.random.default_rng(0).normal(0, scale, 200))
    for value in values[::7]:
        up, down = (float(bound(value, values, least=least).replace("−", "-").replace(",", "")) for least in (True, False))
        assert ((values >= up) == (values >= value)).all()
        assert ((values <= down) == (values <= value)).all()
    assert bound(2.0, np.array([1.0, 2.0, 3.0]), least=True) == "2"
