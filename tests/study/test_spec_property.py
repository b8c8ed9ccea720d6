"""Random study files: each gives a study that keeps what was given, or one message."""

from typing import Any

import pytest
from hypothesis import given, settings
from random_studies import QUICK, check, studies


@QUICK
@given(studies())
def test_a_random_study_file_is_kept_or_refused_with_a_message(study: dict[str, Any]) -> None:
    check(study)


@pytest.mark.slow
@settings(QUICK, max_examples=4_000)
@given(studies())
def test_many_random_study_files_are_kept_or_refused_with_a_message(study: dict[str, Any]) -> None:
    check(study)
