"""What a launch prints while it runs: a line for each trial that ends, with each failed try, and what was stopped early."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from recorded import PROTOCOL, STUDY, Driver
from rich.console import Console

from study.engine.progress import Progress
from study.spec.study_spec import StudySpec
from study.store.records import Closed, Ended, Measurement, Saved
from study.store.store import Store

OURS = f'Traceback (most recent call last):\n  File "{Path(__file__).parents[2] / "trainables" / "gan.py"}", line 1, in f\n    f()\nKeyError: {{}}'
REFUSED = "Traceback (most recent call last):\n  x\ntrainables.tune.Refused: bad.kind must not be user; use value"
DISK = "Traceback (most recent call last):\n  x\nOSError: [Errno 28] No space left on device"


@pytest.fixture
def display(toy: Callable[..., StudySpec], tmp_path: Path) -> Progress:
    """Of an empty study in the folder."""
    spec = toy(n_configs=4, max_failures=2)
    with Store.writing(tmp_path) as store:
        store.write_study(replace(STUDY, spec=spec.as_dict(), protocol=PROTOCOL.as_dict()))
    shown = Progress(spec, Store(tmp_path))
    shown.console = Console(file=io.StringIO(), width=300)
    return shown


def ended(display: Progress, trial: str, how: Ended, reason: str = "", *, tick: int = 1, failures: int | None = None) -> str:
    """Let a trial end. Returns what is printed."""
    with Store.writing(display.store.folder) as store:
        driver = Driver(store)
        if trial not in store.trials:
            driver.open(trial)
        driver.tick(trial, tick, how, reason)
        if failures is not None:
            store.write(trial, failures=failures)
        display.store = store
        display.console.file = file = io.StringIO()
        display.update(store.trials[trial])
    return file.getvalue()


def test_each_failed_try_is_a_line_that_says_which_and_where_all_of_it_is(display: Progress) -> None:
    for n in (1, 2, 3):
        (line,) = ended(display, "a-s0", Ended.ERROR, DISK, tick=n).splitlines()
        assert f"a-s0  error, try {n} of 3: OSError: [Errno 28] No space left on device." in line
        assert f"`ganstudy show {display.store.folder} a-s0` prints all of it" in line
        assert line.split()[0] == ("1/4" if n == 3 else "0/4"), "a trial that is tried again has not ended"


def test_a_refused_config_is_not_tried_again_and_says_so(display: Progress) -> None:
    (line,) = ended(display, "a-s0", Ended.ERROR, REFUSED, failures=3).splitlines()
    assert "error, not tried again: bad.kind must not be user; use value." in line


def test_a_try_that_was_given_back_is_no_try(display: Progress) -> None:
    for error in (DISK, REFUSED):
        (line,) = ended(display, "a-s0", Ended.ERROR, error, failures=0).splitlines()
        assert "error, which cost no try: " in line


def test_a_bug_of_ours_has_its_traceback_once(display: Progress) -> None:
    first, second = (ended(display, name, Ended.ERROR, OURS.format(f"'{name}'")) for name in ("a-s0", "b-s0"))
    assert "Traceback" in first
    assert "error, try 1 of 3: KeyError: 'a-s0'" in first
    assert "Traceback" not in second
    assert "error, try 1 of 3: KeyError: 'b-s0'" in second


def test_a_live_table_has_failed_tries_above_it_and_nothing_else(display: Progress) -> None:
    display.live = object()  # type: ignore[assignment]  # a terminal
    assert "try 1 of 3" in ended(display, "a-s0", Ended.ERROR, DISK)
    assert ended(display, "b-s0", Ended.BUDGET) == ""


@pytest.mark.parametrize(("how", "early"), [(Ended.SCHEDULER, True), (Ended.BUDGET, False)])
def test_what_the_scheduler_stopped_is_marked(display: Progress, how: Ended, early: bool) -> None:
    line = ended(display, "a-s0", how)
    assert ("stopped early, at 1 kimg" in line) is early
    said = io.StringIO()
    Console(file=said, width=300).print(display.table())
    assert ("(1 stopped early)" in said.getvalue()) is early


def test_a_trial_is_told_once_its_last_checkpoint_is_there(display: Progress) -> None:
    """Until then, a resume runs it again: see the function `needs_run`."""
    with Store.writing(display.store.folder) as store:
        driver = Driver(store)
        driver.open("a-s0")
        driver.tick("a-s0", 0)
        last = Measurement(images=1000, seconds=0.5, evaluation_seconds=0.1, values={"fd": 99.0})
        store.write("a-s0", measured=last, closed=Closed(ended=Ended.BUDGET))
        display.store = store
        display.update(store.trials["a-s0"])
        assert display.console.file.getvalue() == ""  # type: ignore[attr-defined]
        store.write("a-s0", saved=Saved(images=1000, path="trials/a-s0/1000"))
        display.update(store.trials["a-s0"])
    assert display.console.file.getvalue().split()[:2] == ["1/4", "a-s0"]  # type: ignore[attr-defined]
