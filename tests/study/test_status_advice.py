"""`ganstudy status` advises only what would train something."""

import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from recorded import PROTOCOL, STUDY, Driver
from typer.testing import CliRunner

from study.api import open_study
from study.cli import app
from study.engine.searcher import unfinished
from study.spec.study_spec import StudySpec
from study.store.records import Ended
from study.store.store import Store


def status(folder: Path) -> str:
    return " ".join(CliRunner().invoke(app, ["status", str(folder)], catch_exceptions=False).output.split())


def test_a_resume_that_would_run_nothing_is_not_advised(toy: Callable[..., StudySpec], tmp_path: Path) -> None:
    spec = toy(n_configs=2, max_failures=1)
    first, second = (spec.config(proposal.flat, proposal.flat["seed"]).trial_id for proposal in spec.designed())
    with Store.writing(tmp_path) as store:
        store.write_study(replace(STUDY, spec=spec.as_dict(), protocol=PROTOCOL.as_dict()))
        driver = Driver(store)
        driver.whole(first)
        driver.open(second)
        driver.tick(second, 1, Ended.ERROR, "ValueError: no")
    said = status(tmp_path)
    assert "A resume tries 1 trial again that ended in an error. Resume with" in said
    assert "stopped because" not in said
    with Store.writing(tmp_path) as store:
        driver = Driver(store)
        driver.open(second)
        driver.tick(second, 2, Ended.ERROR, "ValueError: no")
    assert not unfinished(spec, Store(tmp_path))
    said = status(tmp_path)
    assert "Resume with" not in said
    assert "1 trial ended in an error and will not be tried again" in said
    (advice,) = re.findall("To try again once the reason is mended: `(.*)`", said)
    assert shlex.split(advice)[:3] == ["ganstudy", "resume", str(tmp_path)]
    name, _, value = advice.rpartition(" ")[2].partition("=")
    assert unfinished(open_study(tmp_path).spec_with({name: int(value)}), Store(tmp_path))


def test_a_study_that_a_fault_has_stopped_says_why_and_what_a_resume_does(toy: Callable[..., StudySpec], tmp_path: Path) -> None:
    spec = toy(n_configs=3)
    with Store.writing(tmp_path) as store:
        store.write_study(replace(STUDY, spec=spec.as_dict(), protocol=PROTOCOL.as_dict()))
        driver = Driver(store)
        for proposal in (*spec.designed(),)[:2]:
            trial = spec.config(proposal.flat, proposal.flat["seed"]).trial_id
            driver.open(trial)
            driver.tick(trial, 0, Ended.ERROR, "OSError: [Errno 28] No space left")
            store.write(trial, failures=0)  # as study.engine.faults gives tries back
    said = status(tmp_path)
    assert "stopped because 2 trials of 2 configs ended in an error" in said
    assert "a setting that all configs share (base) must be at fault: OSError: [Errno 28] No space left." in said
    assert "a resume tries them again, then trains the rest. Resume with" in said
