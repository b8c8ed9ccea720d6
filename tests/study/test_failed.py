"""How a launch ends whose trials failed: by distinct error, with what to do."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from recorded import PROTOCOL, STUDY, Driver
from rich.console import Console
from toy import TOY

from ganstudy import UserError
from study.api import open_study
from study.show.failed import errors_of, none_finished
from study.show.terminal import print_answer, print_ranking, print_result
from study.spec.study_spec import StudySpec
from study.store.records import Ended
from study.store.store import Store

SPEC = StudySpec.from_dict({**TOY, "n_configs": 4, "max_failures": 0})


def study(folder: Path, *reasons: str) -> Path:
    """A study of four trials: one for each reason ends in this error, the others end well."""
    with Store.writing(folder) as store:
        store.write_study(replace(STUDY, spec=SPEC.as_dict(), protocol=PROTOCOL.as_dict(), n_trials=4))
        driver = Driver(store)
        for i in range(4):
            driver.open(f"c{i}-s0", seed=i)
            if i < len(reasons):
                driver.tick(f"c{i}-s0", 1, Ended.ERROR, f"Traceback\n  …\n{reasons[i]}")
            else:
                driver.tick(f"c{i}-s0", 1, Ended.BUDGET)
    return folder


def test_errors_are_counted_by_what_they_have_in_common(tmp_path: Path) -> None:
    view = open_study(study(tmp_path, "KeyError: 'a'", "OSError: [Errno 28] no room: '/x/1'", "OSError: [Errno 28] no room: '/x/2'"))
    first, second = errors_of(view)
    assert first.startswith("2 trials: OSError: [Errno 28] no room: '/x/2'. `ganstudy show ")
    assert first.endswith(" c2-s0` prints all of it.")
    assert second.startswith("1 trial: KeyError: 'a'.")
    assert not none_finished(view)


def test_a_launch_without_any_result_ends_with_its_errors_and_what_to_do(tmp_path: Path) -> None:
    view = open_study(study(tmp_path, *["KeyError: 'a'"] * 3, "ValueError: b"))
    with pytest.raises(UserError, match="needs a trial that finishes; all 4 ended in an error") as error:
        print_result(view, SPEC, Console(file=io.StringIO()), seconds=1.0)
    said = str(error.value)
    assert f"`ganstudy resume {tmp_path} --set max_failures=1`" in said
    assert "3 trials: KeyError: 'a'." in said
    assert "1 trial: ValueError: b." in said


def test_many_kinds_of_errors_are_not_all_listed(tmp_path: Path) -> None:
    names = ("KeyError", "ValueError", "IndexError", "OSError", "TypeError", "NameError", "EOFError")
    with Store.writing(tmp_path) as store:
        store.write_study(replace(STUDY, spec=SPEC.as_dict(), protocol=PROTOCOL.as_dict()))
        for i, name in enumerate(names):
            Driver(store).open(f"c{i}-s0", seed=i)
            Driver(store).tick(f"c{i}-s0", 1, Ended.ERROR, f"{name}: x")
    lines = errors_of(open_study(tmp_path))
    assert len(lines) == 6
    assert lines[-1].startswith("2 more errors; `ganstudy show ")


def test_an_answer_names_the_errors_beside_it(tmp_path: Path) -> None:
    from study.show.report import explanation_of

    view, said = open_study(study(tmp_path, "KeyError: 'a'")), io.StringIO()
    table = view.table()
    print_answer(view, table, explanation_of(table, view.objective), Console(file=said, width=300))
    assert "Ended in an error:\n  1 trial: KeyError: 'a'." in said.getvalue()


def test_the_only_config_that_did_not_crash_is_not_called_the_best(tmp_path: Path) -> None:
    view = open_study(study(tmp_path, *["KeyError: 'a'"] * 3))
    console = Console(file=(out := io.StringIO()), width=160, markup=False, highlight=False)
    print_ranking(view.table(), view.objective, console, n=8)
    (row,) = [line.split() for line in out.getvalue().splitlines() if " c3" in line]
    assert row[:2] == ["1", "–"], "its place, and the chance that no other config is better"
