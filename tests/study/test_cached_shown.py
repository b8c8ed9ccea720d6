"""What is shown of a large study needs no more than its columns: nothing reads all its records into memory."""

from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from bench.records import spec_of, write_study
from study.api import open_study
from study.show.report import write_report
from study.show.terminal import print_result
from study.show.trials import print_study
from study.store import cached
from study.store.records import Closed, Ended
from study.store.store import Store
from study.views import StudyView

SPEC = spec_of(16)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """16 trials that ended, some of which tell the code that trained them."""
    folder = write_study(tmp_path / "study", SPEC)
    with Store.writing(folder) as store:
        for number, trial_id in enumerate(list(store.trials)[:3]):
            store.write(trial_id, code="aaaa")
            if number:
                store.write(trial_id, code="bbbb")
    return folder


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], StudyView]:
    """Opens a study as a large one, whose records must not be read."""

    def refused(self: cached.Cached) -> Store:
        raise AssertionError("all records are read")

    def opened(folder: Path) -> StudyView:
        with monkeypatch.context() as patch:
            patch.setattr(cached, "LARGE", 1)
            view = open_study(folder)
        assert isinstance(view.recorded, cached.Cached)
        return view

    monkeypatch.setattr(cached.Cached, "store", property(refused))
    return opened


def printed(show: Callable[[Console], object]) -> str:
    out = StringIO()
    show(Console(file=out, width=200))
    return out.getvalue()


def test_a_report_of_a_large_study_needs_its_columns_only(folder: Path, large: Callable[[Path], StudyView], tmp_path: Path) -> None:
    texts = [write_report(view, tmp_path / "report.md").read_text() for view in (open_study(folder), large(folder))]
    assert texts[0] == texts[1]
    assert "different versions of the code (aaaa: 3 trials, bbbb: 2 trials" in texts[1]


def test_the_end_of_a_launch_needs_the_columns_only(folder: Path, large: Callable[[Path], StudyView]) -> None:
    with Store.writing(folder) as store:
        last = list(store.trials)[-1]
        store.write(last, closed=Closed(ended=Ended.ERROR, reason="RuntimeError: no"))
    for view in (open_study(folder), large(folder)):
        shown = printed(lambda console, view=view: print_result(view, SPEC, console, seconds=1.0))  # type: ignore[misc]
        assert "Stopped with 15 of 16 trials done" in shown
    assert all(trial_id in printed(lambda console: print_study(large(folder), console)) for trial_id in store.trials)
