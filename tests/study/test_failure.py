"""A study's own definition of a failure, signals as objectives, and the stopping of hopeless trials: from the study file to the tables."""

from pathlib import Path
from typing import Any

import pytest
from recorded import SPEC, Driver
from toy import TOY, in_this_process

from ganstudy import UserError
from ganstudy.direction import Direction
from study.api import launch, open_study
from study.engine.prepare import prepare
from study.engine.recorded import refuse_unrecorded
from study.engine.stopping import Stopping
from study.spec.bounds import refuse_out_of_bounds
from study.spec.failure import Failure
from study.spec.identity import identity
from study.spec.study_spec import StudySpec
from study.store.columns import InMemory
from study.store.records import Ended, Measurement, Saved, StudyRecord, TrialRecord
from study.store.store import Store
from study.store.tables import trial_table, trials_frame
from study.tracking.tracker import closing_fields
from trainables.config import TrialConfig
from trainables.data import load
from trainables.signal_names import signal_names

GOOD: dict[str, Any] = {
    "name": "toy",
    "question": "Does R1 help?",
    "base": {"data": "ring8", "arch": "mlp", "g.width": 8, "d.width": 8, "g.norm": "none", "batch_size": 32},
    "space": {"scientific": {"r1": [False, True]}},
    "n_configs": 4,
    "evaluation": {"samples": 200},
}


def spec(**changes: Any) -> StudySpec:
    return StudySpec.from_dict({**GOOD, **changes})


# The condition -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "failing"),
    [
        ("coverage < 0.5", [(0.4, 1.0), (0.4, 9.0)]),
        ("coverage<=5e-1", [(0.5, 1.0), (0.4, 1.0), (0.4, 9.0)]),
        ("coverage >= 0.5", [(0.5, 1.0), (0.9, 9.0)]),
        ("fd > 1", [(0.4, 9.0), (0.9, 9.0)]),
        ("coverage < 0.5 and fd > 1", [(0.4, 9.0)]),
        ("coverage < 0.5 or fd > 1", [(0.4, 1.0), (0.4, 9.0), (0.9, 9.0)]),
        ("fd > 1 and coverage > 0.5 or coverage < 0.5 and fd < 2", [(0.4, 1.0), (0.9, 9.0)]),
        ("d/real_logit > 1", []),
        ("not d/real_logit > 1", []),
        ("coverage == 0.5", [(0.5, 1.0)]),
        ("0.5 > coverage", [(0.4, 1.0), (0.4, 9.0)]),
        ("not (coverage < 0.5 or fd > 1)", [(0.5, 1.0)]),
        ("fd / coverage > 10", [(0.4, 9.0)]),
        ("d/real_logit is missing and fd > 1", [(0.4, 9.0), (0.9, 9.0)]),
        ("fd in [1, 2]", [(0.4, 1.0), (0.5, 1.0)]),
        ("d/mine > 1 or fd > 1", [(0.4, 9.0), (0.9, 9.0)]),  # a signal of a plugin, which is not imported
    ],
)
def test_a_condition_holds_where_its_comparisons_say(text: str, failing: list[tuple[float, float]]) -> None:
    cases = [(0.4, 1.0), (0.5, 1.0), (0.4, 9.0), (0.9, 9.0)]
    for signals in (signal_names(), ["coverage", "fd"]):  # all there are, or only what was measured, as in the tracking process
        condition = Failure(text, signals)
        assert {case for case in cases if condition.holds(dict(zip(("coverage", "fd"), case, strict=True)))} == set(failing)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "it is empty"),
        ("coverage", "coverage is neither true nor false; compare it, as in coverage > 0.5"),
        ("coverage < ", "it cannot be read"),
        ("coverage < low", "no metric or signal named 'low'"),
        ("coverage < nan", "write coverage is missing"),
        ("coverage == high", "no metric or signal named 'high'"),
        ("coverage == 'high'", "coverage is a number and 'high' is a text"),
        ("coverage < 0.5 and", "it cannot be read"),
        ("coverage = 0.5", "write == instead of ="),
        ("1 < 2", "one of them must be a name of metrics and signals"),
        ("r1 and coverage < 1", "no metric or signal named 'r1'"),
        ("__import__('os')", "is not allowed"),
    ],
)
def test_any_other_text_is_refused(text: str, problem: str) -> None:
    with pytest.raises(UserError) as error:
        spec(failure=text)
    assert str(error.value).startswith("failure must be a condition such as 'coverage < 0.5 or fd_ratio > 20'; given ")
    assert problem in str(error.value)


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("coverage > 7", False),
        ("coverage < 0", False),
        ("coverage <= 1", True),
        ("coverage < 2 or fd > 3", True),
        ("coverage < 0.5 and fd < 0", False),
        ("not coverage > 7", True),
        ("0 <= coverage <= 1", True),
        ("coverage == 2", False),
        ("coverage != -1", True),
        ("-fd > 0", False),
        ("coverage > 1", False),
        *(
            (text, None)
            for text in ("coverage < 0.5", "coverage <= 0", "coverage >= 1", "coverage == 1", "fd > 1e9", "coverage < 2 and fd > 3")
        ),
        *((text, None) for text in ("coverage < 0 or fd > 3", "coverage * 10 > 7", "d/adv > 7", "coverage is missing", "coverage in [2]")),
    ],
)
def test_a_condition_that_is_the_same_for_all_trials_is_refused(text: str, truth: bool | None, tmp_path: Path) -> None:
    if truth is None:
        refuse_out_of_bounds(spec(failure=text))
        return
    with pytest.raises(UserError) as error:
        prepare(spec(failure=text), tmp_path, address=None)
    assert f"failure must be true of some trials and false of others; {text!r} is {'always' if truth else 'never'} true, since " in str(
        error.value
    )
    assert "fd is at least 0" in str(error.value) or "coverage is from 0 to 1" in str(error.value)
    assert StudySpec.from_dict(spec(failure=text).as_dict()).failure == text, "a study that has it can be opened"


def test_names_are_checked_when_the_study_is_read() -> None:
    assert spec(failure="coverage < 0.5 or fd_ratio > 20 or d/real_logit > 50").failure
    with pytest.raises(UserError, match=r"no metric or signal named 'covrage'\. Did you mean coverage"):
        spec(failure="fd > 3 and covrage < 0.5")


# Objectives --------------------------------------------------------------------------------------


def test_a_signal_is_an_objective_with_a_direction() -> None:
    found = spec(objective={"metric": "d/image_grad_real", "direction": "minimize"})
    assert (found.objective.metric, found.objective.direction) == ("d/image_grad_real", Direction.MINIMIZE)
    assert StudySpec.from_dict(found.as_dict()) == found
    for given in ("d/image_grad_real", {"metric": "d/image_grad_real"}):
        with pytest.raises(UserError, match=r"is a signal, which needs a direction: \{metric: d/image_grad_real, direction: minimize\}"):
            spec(objective=given)
    with pytest.raises(UserError, match="no metric or signal named 'd/image_grad_reel'; did you mean 'd/image_grad_real'"):
        spec(objective={"metric": "d/image_grad_reel", "direction": "minimize"})


def test_signals_must_be_recorded_by_some_trial() -> None:
    source = load(TrialConfig.from_flat(GOOD["base"]).data)
    metrics = ["fd", "coverage", "modes"]
    minimized = {"direction": "minimize"}
    refuse_unrecorded(spec(objective={"metric": "d/image_grad_real", **minimized}, failure="d/real_logit > 50"), source, metrics)
    refuse_unrecorded(spec(objective={"metric": "d/r1", **minimized}), source, metrics)  # in the trials with r1
    with pytest.raises(UserError, match="objective: d/r2 must be a signal that trials of this study record; none of 16 configs does"):
        refuse_unrecorded(spec(objective={"metric": "d/r2", **minimized}), source, metrics)
    with pytest.raises(UserError, match="failure: d/real_accuracy must be a signal"):
        refuse_unrecorded(spec(base={**GOOD["base"], "loss": "wasserstein"}, failure="d/real_accuracy > 0.9"), source, metrics)
    with pytest.raises(
        UserError,
        match="failure must name a metric that can be measured with data: ring8, or a signal; given 'classifier_score'; there are ",
    ):
        refuse_unrecorded(spec(failure="classifier_score < 3"), source, metrics)


def test_untrained_networks_have_no_signals() -> None:
    ticks = [Measurement(images=i, seconds=0, evaluation_seconds=0, values={"d/adv": 3.0 - i} if i else {}) for i in range(3)]
    record = TrialRecord(
        trial_id="a-s0", number=0, flat={}, measurements=tuple(ticks), saved=tuple(Saved(images=i, path=f"tune/{i}") for i in range(3))
    )
    assert record.best_images("d/adv", Direction.MINIMIZE) == 2
    assert record.best_images("d/adv", Direction.MAXIMIZE) == 1
    assert record.best_images("d/r1", Direction.MINIMIZE) == 2


# Tables ------------------------------------------------------------------------------------------


def recorded(folder: Path, failure: str | None) -> Store:
    """Trials with fd 1 and 30 that ended, one that died, one that crashed and one that still trains."""
    real = {"fd": 0.5, "coverage": 0.9, "modes": 10.0}
    with Store.writing(folder) as store:
        store.write_study(StudyRecord(spec={**SPEC, "failure": failure}, protocol={}, baselines=real, n_modes=10))
        driver = Driver(store)
        for name, fd, ended in (
            ("a", 1.0, Ended.BUDGET),
            ("b", 30.0, Ended.BUDGET),
            ("c", 1.0, Ended.DEAD),
            ("d", 30.0, Ended.ERROR),
            ("e", 30.0, None),
        ):
            driver.open(f"{name}-s0")
            driver.tick(f"{name}-s0", 0, fd=100.0, coverage=0.0, modes=1.0)
            driver.tick(f"{name}-s0", 20, ended, fd=fd, coverage=0.8, modes=8.0)
    return Store(folder)


@pytest.mark.parametrize(
    ("failure", "failed"),
    [
        (None, [True, True, True, False, False]),  # two modes are lost
        ("coverage < 0.5", [False, False, True, False, False]),
        ("fd > 10 or coverage < 0.1", [False, True, True, False, False]),
        ("fd_ratio >= 60", [False, True, True, False, False]),
        ("modes_lost > 1", [True, True, True, False, False]),
    ],
)
def test_tables_and_trackers_use_the_definition(failure: str | None, failed: list[bool], tmp_path: Path) -> None:
    store = recorded(tmp_path / "toy", failure)
    columns = InMemory(store).columns
    table, trials = trial_table(columns), trials_frame(columns, protocol="")
    assert table.failed.tolist() == trials["failed"].tolist() == failed
    assert table.notes == ((f"A trial has failed if it died, or if {failure} at its end.",) if failure else ())
    assert trials["outcome"].tolist() == ["mode_dropping", "mode_dropping", "diverged", "", ""], "the diagnosis stays"
    assert store.study
    ended = [record for record in store.trials.values() if record.closed]
    assert [closing_fields(record, store.study)["failed"] for record in ended] == failed[: len(ended)]
    assert table.final["fd_ratio"].tolist() == [2.0, 60.0, 2.0, 60.0, 60.0]
    assert table.final["modes_lost"].tolist() == [2.0] * 5
    assert trials["fd_ratio"].tolist() == table.final["fd_ratio"].tolist()
    assert {name: table.directions[name].value for name in ("modes_lost", "fd_ratio", "onset_kimg")} == {
        "modes_lost": "minimize",
        "fd_ratio": "minimize",
        "onset_kimg": "maximize",
    }


def test_what_may_change_at_resume() -> None:
    """A definition of failure only changes how records are read; stopping changes what they hold."""
    one, other = spec(), spec(failure="coverage < 0.5")
    assert identity(one.as_dict()) == identity(other.as_dict())
    assert identity(one.as_dict()) != identity(spec(stop_hopeless=False).as_dict())
    old = {name: value for name, value in one.as_dict().items() if name not in ("failure", "stop_hopeless")}
    assert identity(old) == identity(one.as_dict())


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        ({}, {"failure": "fd > 1"}, ["counts as failed by another rule", "fd > 1; before: an outcome that is a failure"]),
        ({"failure": "fd > 1"}, {"failure": "fd > 2"}, ["fd > 2; before: fd > 1"]),
        ({"failure": "fd > 1"}, {}, ["an outcome that is a failure; before: fd > 1"]),
        ({}, {"question": "Is R1 bad?"}, ["answers another question: Is R1 bad? Before: Does R1 help?"]),
        ({"failure": "fd > 1"}, {"failure": "fd > 1", "n_configs": 8}, []),
    ],
)
def test_a_launch_says_what_changes_the_meaning_of_finished_trials(
    before: dict[str, Any], now: dict[str, Any], said: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Store.writing(tmp_path) as store:
        store.write_study(prepare(spec(**before), tmp_path / "new", address=None).study)
        Driver(store).open("a-s0")
    prepare(spec(**now), tmp_path, address=None)
    assert len(caplog.messages) == bool(said)
    assert [words for words in said if words not in caplog.text] == []


@pytest.mark.parametrize("changes", [{"question": "Is it another one?"}, {"failure": "fd > 1"}])
def test_a_finished_study_answers_the_question_of_its_last_launch(changes: dict[str, str], tmp_path: Path) -> None:
    in_this_process(StudySpec.from_dict({**TOY, "n_configs": 2}), tmp_path / "toy")
    launch(StudySpec.from_dict({**TOY, "n_configs": 2, **changes}), tmp_path / "toy", progress=False)
    kept = open_study(tmp_path / "toy").spec
    assert {name: getattr(kept, name) for name in changes} == changes


@pytest.mark.parametrize("stop_hopeless", [True, False])
def test_the_stopper_can_be_turned_off(stop_hopeless: bool, tmp_path: Path) -> None:
    right = {"d/real_accuracy": 1.0, "d/fake_accuracy": 1.0}
    with Store.writing(tmp_path / "toy") as store:
        driver = Driver(store)
        driver.open("a-s0")
        for tick in range(4):
            driver.tick("a-s0", 10 * tick, fd=90.0, coverage=0.0, modes=1.0, **right)  # type: ignore[arg-type]
        spec = StudySpec.from_dict({**TOY, "base": {**TOY["base"], "budget_kimg": 40.0}, "stop_hopeless": stop_hopeless})
        stopping = Stopping(store, spec)
        last = {"images": 40_000, "values": {"fd": 90.0, "coverage": 0.0, "modes": 1.0, **right}, "finished": False, "diverged": ""}
        assert stopping("tune", {**last, "config": {"trial_id": "a-s0"}}) == stop_hopeless
        assert bool(stopping.reasons) == stop_hopeless
