"""What a launch says of a tick that is longer than the trials."""

from collections.abc import Callable
from pathlib import Path

import pytest

from study.engine.prepare import prepare
from study.spec.study_spec import StudySpec


@pytest.mark.parametrize(("tick", "noted"), [(0.6, False), (0.7, True), (None, False)])
def test_a_tick_above_the_budget_is_noted_if_the_study_gives_it(
    toy: Callable[..., StudySpec], tmp_path: Path, tick: float | None, noted: bool
) -> None:
    spec = toy(base={} if tick is None else {"tick_kimg": tick})
    if tick is None:
        spec = spec.model_copy(update={"base": {name: value for name, value in spec.base.items() if name != "tick_kimg"}})
    notes = prepare(spec, tmp_path / "toy", address=None).notes
    assert ("tick_kimg 0.7 is above budget_kimg 0.6" in " ".join(notes)) == noted
