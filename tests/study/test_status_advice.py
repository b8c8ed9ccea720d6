"""`ganstudy status` advises only what would train something."""

import io
import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from ranked import played
from recorded import PROTOCOL, STUDY, Driver
from rich.console import Console
from toy import TOY
from typer.testing import CliRunner

from analysis.words import plural
from study.api import open_study
from study.cli import app
from study.engine.searcher import unfinished
from study.show.terminal import print_result
from study.spec.planned import OF_A_PHASE
from study.spec.study_spec import StudySpec
from study.store.records import Closed, Ended
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


def test_the_node_is_named_on_which_trials_failed_while_others_worked_elsewhere(toy: Callable[..., StudySpec], tmp_path: Path) -> None:
    spec = toy(n_configs=4)
    ids = [spec.config(proposal.flat, proposal.flat["seed"]).trial_id for proposal in spec.designed()]
    with Store.writing(tmp_path) as store:
        store.write_study(replace(STUDY, spec=spec.as_dict(), protocol=PROTOCOL.as_dict()))
        driver = Driver(store)
        for trial in ids[:2]:
            driver.open(trial)
            store.write(trial, closed=Closed(ended=Ended.ERROR, reason="OSError: no such device", node="10.0.0.2"), failures=0)
        driver.open(ids[2])
        driver.tick(ids[2], 1)
        store.write(ids[2], closed=Closed(ended=Ended.BUDGET, node="10.0.0.1"))
    said = status(tmp_path)
    assert "On the node 10.0.0.2, 2 trials of 2 configs ended in an error while others worked elsewhere: OSError: no such device." in said
    assert "stopped because" not in said
    assert "a resume tries them again" in said


ABLATED = "the best configs have settings at their defaults already, or fewer seeds (6 fewer)"


@pytest.mark.parametrize(
    ("raced", "why", "words"),
    [
        ([2, 2], f"the race ended early (2 fewer) and {ABLATED}", "the best 2 configs"),
        ([3], f"only 1 config could be confirmed (3 fewer) and {ABLATED}", "the best config"),
        ([2], f"only 1 config could be confirmed (3 fewer), the race ended early (1 fewer) and {ABLATED}", "the best config"),
        ([], "no config could be confirmed (12 fewer)", "no config could be confirmed"),
    ],
)
def test_a_study_that_needed_fewer_trials_says_why(tmp_path: Path, raced: list[int], why: str, words: str) -> None:
    """raced: trials of each config in the race."""
    phases = {"explore": {"n_configs": 2, "seeds": 1}, "confirm": {"top": 3, "seeds": 3}, "ablate": {"of": 1}}
    spec = StudySpec.from_dict({**{key: value for key, value in TOY.items() if key not in OF_A_PHASE}, "phases": phases})
    trials = [
        ("explore", "c0-s0"),
        ("explore", "c1-s1"),
        *(("confirm", f"c{i}-s{s}") for i, n in enumerate(raced) for s in range(10, 10 + n)),
    ]
    with Store.writing(tmp_path) as store:
        store.write_study(replace(STUDY, spec=spec.as_dict(), protocol=PROTOCOL.as_dict(), n_trials=len(trials)))
        for phase, trial in trials:
            store.write(trial, opened={"phase": phase, "flat": {**spec.base, "seed": int(trial.rpartition("s")[2])}, "variants": {}})
            Driver(store).tick(trial, 1, Ended.BUDGET)
    said = status(tmp_path)
    assert said.endswith(f"the other {12 - sum(raced)} of at most 14 were not needed: {why}")
    assert f"confirm: {plural(sum(raced), 'trial')} ({words}" in said


def test_a_launch_without_anything_to_train_says_so(tmp_path: Path) -> None:
    played(tmp_path)
    view = open_study(tmp_path)
    for seconds, said in ((None, "; nothing was left to train"), (2.0, ", 2 s")):
        out = io.StringIO()
        assert print_result(view, view.spec, Console(file=out, width=200), seconds=seconds)
        assert f"{len(view.trials())} trials{said}\n" in out.getvalue()
