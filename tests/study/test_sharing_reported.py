"""The report says how many trials shared a GPU, and that it was halved."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from toy import in_this_process

from study.api import open_study
from study.engine.sharing import as_record, halved
from study.show.report import write_report
from study.spec.study_spec import StudySpec
from study.store.store import Store


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study."""
    from toy import TOY

    folder = tmp_path_factory.mktemp("runs") / "toy"
    in_this_process(StudySpec.from_dict(TOY), folder)
    return folder


@pytest.mark.parametrize(
    ("sharing", "said"),
    [
        (as_record(8, []), "8 trials at a time on each GPU, as measured |"),
        (halved(as_record(8, []), 4), "4 trials at a time on each GPU, as measured; 8 at first, until trials ran out of its memory |"),
        (halved(halved(as_record(8, []), 4), 2), "2 trials at a time on each GPU, as measured; 8 at first, until trials ran out"),
        ({}, ""),
    ],
)
def test_the_last_number_is_reported_and_the_first(folder: Path, sharing: Mapping[str, Any], said: str) -> None:
    with Store.writing(folder) as store:
        assert store.study
        store.write_study(replace(store.study, sharing=sharing))
    report = write_report(open_study(folder), folder / "r.md").read_text()
    assert said in report
    assert bool(said) == ("at a time on each GPU" in report)
