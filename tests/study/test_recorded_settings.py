"""Settings in records that no trial can have."""

from typing import Any

import pytest

from study.store.lines import BadLine, line_of


@pytest.mark.parametrize("value", [{"a": 1}, [{"a": 1}], [[1], [2]]])
def test_a_setting_that_is_no_plain_value_makes_a_bad_line(value: Any) -> None:
    with pytest.raises(BadLine, match=r"the setting g\.lr must be a number, a string, or a list of them; given"):
        line_of({"trial": "a-s1", "opened": {"flat": {"g.lr": value}}})


@pytest.mark.parametrize("value", [1, 1e-3, True, None, "bce", [0, 3, 7], []])
def test_plain_settings_and_lists_of_them_are_read(value: Any) -> None:
    opened = line_of({"trial": "a-s1", "opened": {"flat": {"g.lr": value}}}).opened
    assert opened
    assert opened.flat == {"g.lr": value}
