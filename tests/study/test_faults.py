"""Faults of the machine against faults of configs: when a study stops, and who gets tries back."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from toy import run

from ganstudy import UserError
from study.api import launch
from study.engine.faults import Faults
from study.engine.searcher import Search
from study.spec.study_spec import StudySpec
from study.store.records import Closed, Ended, TrialRecord
from study.store.store import Store

Toy = Callable[..., StudySpec]
FULL = "Traceback\n  File 'x'\nOSError: [Errno 28] No space left on device: '/runs/{}/run.pt'"


def broken(trial_id: str, reason: str, **settings: Any) -> TrialRecord:
    """A trial that ended in an error. Of two letters that follow each other, one config has R1 and a learning rate in the upper half."""
    upper = bool(ord(trial_id[0]) % 2)
    flat = {"r1": upper, "g.lr": 2e-3 if upper else 5e-4, **settings}
    return TrialRecord(trial_id=trial_id, number=0, flat=flat, closed=Closed(ended=Ended.ERROR, reason=reason), failures=1)


@pytest.fixture
def faults(toy: Toy) -> Faults:
    """Of a study of 24 configs that vary r1, and g.lr from 1e-4 to 1e-2."""
    return Faults(toy(n_configs=24))


def test_the_same_error_in_three_configs_is_a_fault_of_the_machine(faults: Faults) -> None:
    assert not faults.failed(broken("a-s1", FULL.format("a")))
    assert not faults.failed(broken("a-s2", FULL.format("b")))
    assert not faults.failed(broken("a-s1", FULL.format("c")))
    assert not faults.failed(broken("b-s1", FULL.format("d")))
    assert not faults.reason, "two configs may be wrong in the same way"
    assert faults.failed(broken("c-s1", FULL.format("e"))) == {"a-s1": 2, "a-s2": 1, "b-s1": 1, "c-s1": 1}
    assert "trials of 3 configs" in faults.reason
    assert "a setting that all configs share (base) must be at fault" in faults.reason
    assert faults.reason.endswith("No space left on device: '/runs/e/run.pt'")
    assert faults.failed(broken("d-s1", "Error: of a trial that the stop cut off")) == {"d-s1": 1}


@pytest.mark.parametrize(
    ("shared", "other"),
    [({"r1": True}, {"r1": False}), ({"g.lr": 9e-3}, {"g.lr": 1.1e-4}), ({"g.lr": 1.1e-4}, {"g.lr": 9e-3})],
    ids=["a choice", "the upper half of a range", "the lower half of a range"],
)
def test_an_error_that_a_setting_may_explain_is_no_fault_of_the_machine(faults: Faults, shared: Any, other: Any) -> None:
    for config in "abcdefgh":
        assert not faults.failed(broken(f"{config}-s1", FULL.format(config), **shared))
    assert not faults.reason
    faults.failed(broken("i-s1", FULL.format("i"), **other))
    assert "trials of 9 configs with nothing in common" in faults.reason


def test_a_variant_and_a_setting_that_applies_to_some_may_explain_an_error(toy: Toy) -> None:
    methods = {"plain": {}, "clipped": {"weight_clipping": True, "loss": "wasserstein"}}
    faults = Faults(toy(space={"scientific": {"method": methods, "r1": [False, True]}, "nuisance": {"r1.gamma": {"low": 1, "high": 10}}}))
    for config, gamma in zip("abc", (2.0, 9.0, None), strict=True):
        record = broken(f"{config}-s1", "x", r1=gamma is not None, **({"r1.gamma": gamma} if gamma else {}))
        faults.failed(record.changed(variants={"method": "clipped"}))
    assert not faults.reason
    faults.failed(broken("d-s1", "x").changed(variants={"method": "plain"}))
    assert faults.reason


def test_errors_of_configs_are_no_fault_of_the_machine(faults: Faults) -> None:
    for config in "abcdef":
        faults.failed(broken(f"{config}-s1", FULL.format(config)))
        if config in "bdf":
            faults.worked()
    for config in "xyz":
        faults.failed(broken(f"{config}-s1", f"ValueError: {'of ' * ord(config)}another kind"))
    assert not faults.reason


def test_trials_that_fail_again_at_the_end_are_no_fault_of_the_machine(faults: Faults) -> None:
    """Nothing else is left to train then, so they follow each other without a trial that works in between."""
    for config in "abc":
        assert not faults.failed(broken(f"{config}-s1", FULL.format(config)))
        faults.worked()
    for tries in (2, 3):
        for config in "abc":
            again = broken(f"{config}-s1", FULL.format(f"{config}{tries}")).changed(failures=tries)
            assert not faults.failed(again, before=Closed(ended=Ended.ERROR, reason=FULL.format(config)))
    assert not faults.reason
    for config in "def":
        faults.failed(broken(f"{config}-s1", FULL.format(config)))
    assert faults.reason, "trials that have not failed like this before"


def test_a_fault_that_goes_on_after_a_resume_costs_no_tries(faults: Faults) -> None:
    told = {}
    for config in "abc":  # they got their tries back
        before = Closed(ended=Ended.ERROR, reason=FULL.format("x"))
        told = faults.failed(broken(f"{config}-s1", FULL.format(config)), before=before)
    assert told == {"a-s1": 1, "b-s1": 1, "c-s1": 1}


@pytest.mark.parametrize(("n_configs", "stops"), [(1, False), (2, True)])
def test_a_small_study(toy: Toy, n_configs: int, stops: bool) -> None:
    faults = Faults(toy(n_configs=n_configs))
    for config in "ab"[:n_configs]:
        for _ in range(3):
            faults.failed(broken(f"{config}-s1", FULL.format(config)))
    assert bool(faults.reason) is stops


def test_configs_that_a_design_repeats_count_once(toy: Toy) -> None:
    spec = toy(n_configs=4, sampler="balanced", space={"scientific": {"r1": [False, True]}, "nuisance": {}})
    faults = Faults(spec)
    for config, r1 in (("a", False), ("b", True)):
        record = broken(f"{config}-s1", FULL.format(config))
        faults.failed(record.changed(flat={**record.flat, "r1": r1}))
    assert faults.reason


def test_a_worker_with_other_versions_stops_the_study_at_once(faults: Faults) -> None:
    assert faults.failed(broken("a-s1", "Traceback\ntrainables.tune.WrongVersions: torch 1 on the driver, 2 on node x")) == {"a-s1": 1}
    assert faults.reason == "torch 1 on the driver, 2 on node x"


def test_a_failed_trial_waits_until_the_others_were_started(toy: Toy, tmp_path: Path) -> None:
    spec = toy(n_configs=4)
    with Store.writing(tmp_path) as store:
        search, started = Search(spec, store), []
        for n in range(6):
            asked = search.suggest(str(n))
            assert isinstance(asked, dict)
            started.append(asked["trial_id"])
            if n == 0:
                store.write(started[0], closed=Closed(ended=Ended.ERROR, reason="x"))
                search.closed(store.trials[started[0]])
            search.on_trial_complete(str(n))
            if len(started) == 5:
                break
    assert len(set(started[:4])) == 4
    assert started[4] == started[0]


BROKEN = '''
"""A training loop that the machine lets fail while a file exists."""
from pathlib import Path
from trainables.run import LOOPS, Run


@LOOPS.register("broken_machine")
class BrokenMachine(Run):
    def d_step(self):
        if Path({full!r}).exists():
            raise OSError(28, "No space left on device", f"/runs/{{self.config.seed}}")
        return super().d_step()
'''


@pytest.fixture
def full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file; while it exists, all trials of the loop broken_machine fail."""
    from trainables.run import LOOPS

    path = tmp_path / "full"
    path.touch()
    (tmp_path / "broken_machine_plugin.py").write_text(BROKEN.format(full=str(path)))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield path
    LOOPS.pop("broken_machine", None)
    sys.modules.pop("broken_machine_plugin", None)


@pytest.mark.slow
@pytest.mark.usefixtures("one_ray")
@pytest.mark.parametrize("lanes", [False, True])
def test_a_fault_of_the_machine_costs_no_tries(toy: Toy, tmp_path: Path, full: Path, lanes: bool) -> None:
    changes: dict[str, Any] = {"plugins": ["broken_machine_plugin"], "base": {"loop": "broken_machine"}, "n_configs": 8}
    spec = toy(**changes, max_failures=1, resources={"lanes": lanes, "concurrent": 1})
    with pytest.raises(UserError, match=r"stopped: trials of \d configs.* No space left on device.* resume: `ganstudy resume"):
        run(spec, tmp_path / "toy")
    records = Store(tmp_path / "toy").trials.values()
    assert len(records) in (3, 4, 5), "it stops after a few"
    assert {record.failures for record in records} == {0}
    full.unlink()
    view = run(spec, tmp_path / "toy")
    assert view.trials()["ended"].tolist() == ["budget"] * 8


@pytest.mark.slow
@pytest.mark.usefixtures("one_ray", "full")
def test_a_corrected_study_replaces_one_of_which_no_trial_was_trained(toy: Toy, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="No space left on device"):
        run(toy(plugins=["broken_machine_plugin"], base={"loop": "broken_machine"}, resources={"concurrent": 1}), tmp_path / "toy")
    before = (tmp_path / "toy" / "records.jsonl").read_bytes()
    view = launch(toy(), tmp_path / "toy")
    assert "held a study of which no trial was trained (" in (said := " ".join(capsys.readouterr().out.split()))
    assert "base: {loop: broken_machine} in the folder, not set now" in said
    assert view.trials()["ended"].tolist() == ["budget"] * 4
    assert (tmp_path / "toy" / "replaced1" / "records.jsonl").read_bytes() == before
    with pytest.raises(UserError, match="holds another study"):
        launch(toy(base={"d.lr": 0.5}), tmp_path / "toy")


REFUSES = '''
"""A trick that refuses its setting while it trains."""
from ganstudy import UserError
from trainables.tricks.base import Step, Trick, trick


@trick("picky")
class Picky(Trick):
    """Refuses its setting after a while."""

    size: int = 1

    def d_term(self, step: Step):
        if self.clock.t > 0.3 and self.size > 1:
            raise UserError(f"picky.size must be 1; given {self.size}. Lower it")
        return step.reals()[1].mean() * 0
'''


@pytest.mark.slow
@pytest.mark.usefixtures("one_ray", "own_plugins")
@pytest.mark.parametrize("lanes", [False, True])
def test_a_config_that_is_refused_while_it_trains_fails_at_once(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], lanes: bool
) -> None:
    (tmp_path / "refuses_plugin.py").write_text(REFUSES)
    monkeypatch.syspath_prepend(str(tmp_path))
    changes: dict[str, Any] = {"plugins": ["refuses_plugin"], "base": {"picky": True}, "n_configs": 4, "max_failures": 2}
    spec = toy(**changes, space={"scientific": {"picky.size": [1, 2]}}, resources={"lanes": lanes, "concurrent": 1})
    view = launch(spec, tmp_path / "toy")
    said = "".join(capfd.readouterr())
    records = [record for record in view.store.trials.values() if record.flat["picky.size"] == 2]
    assert len(records) == 2
    for record in records:
        assert record.failures == 3, "all tries are used up"
        assert record.closed
        assert "in d_term" in record.closed.reason, "the whole text is kept"
        assert (
            said.count(f"{record.trial_id}  error, not tried again: picky.size must be 1; given 2. Lower it in the plugin refuses_plugin (")
            == 1
        )
    assert "Traceback" not in said
    assert "Trials did not complete" not in said


@pytest.mark.parametrize("tries", [1, 3])
def test_a_fault_gives_back_all_tries_that_an_error_cost(faults: Faults, tries: int) -> None:
    for config in "ab":
        assert not faults.failed(broken(f"{config}-s1", "x"), tries=tries)
    assert faults.failed(broken("c-s1", "x"), tries=tries) == dict.fromkeys(("a-s1", "b-s1", "c-s1"), tries)
