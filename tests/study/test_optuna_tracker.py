"""The Optuna tracker: a storage that optuna-dashboard opens."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from recorded import SPEC, STUDY, Driver

from ganstudy import UserError
from study.spec.tracking import Tracking
from study.store.records import Closed, Ended
from study.store.store import Store
from study.tracking.optuna_tracker import OptunaTracker, check_storage, distribution
from study.tracking.process import watching


def test_distributions_are_read_from_the_format_of_the_records() -> None:
    from study.spec.domains import as_given

    for given in (
        optuna.distributions.CategoricalDistribution([False, True]),
        optuna.distributions.FloatDistribution(1.0, 10.0, log=True),
        optuna.distributions.FloatDistribution(0.0, 1.0, step=0.25),
        optuna.distributions.IntDistribution(1, 9),
        optuna.distributions.IntDistribution(1, 9, step=2),
    ):
        assert distribution(json.loads(json.dumps(as_given(given)))) == given


ADDRESSES = {
    "sqlite:////tmp": "/tmp is a folder, not a file",
    "/tmp": "/tmp is a folder, not a file",
    "": "it is empty",
    "nosuch://x": "nosuch",
    "://": "Could not parse",
    "sqlite://": "it names no file",
    "sqlite:///": "it names no file",
    "sqlite:///:memory:": "it names no file",
    "nosuchdriver+sqlite://x": "nosuchdriver",
    "sqlite:////no/such/folder/a.db": "the folder /no/such/folder does not exist",
    "/no/such/folder/a.log": "the folder /no/such/folder does not exist",
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_that_cannot_be_a_storage_is_refused(address: str) -> None:
    with pytest.raises(UserError, match=r"tracking\.optuna must be the URL of a storage, .* or the path of a journal file") as refused:
        check_storage(address)
    assert ADDRESSES[address] in str(refused.value)


@pytest.mark.parametrize("address", ["sqlite:///a.db", "sqlite:////tmp/a.db", "a.log", "/tmp/a.log"])
def test_an_address_that_can_be_a_storage_is_accepted(address: str) -> None:
    check_storage(address)


@pytest.mark.slow
@pytest.mark.parametrize("address", ["sqlite:///{}/mirror.db", "{}/mirror.log"])
def test_optuna_dashboard_shows_the_finished_trials(tmp_path: Path, address: str) -> None:
    from optuna_dashboard._app import create_app

    tracking = Tracking(optuna=address.format(tmp_path))
    for session in range(2):
        with Store.writing(tmp_path) as store, watching(tmp_path, tracking):
            driver = Driver(store)
            if session == 0:
                driver.whole("aa-s4")
                driver.whole("bb-s4", Ended.SCHEDULER)
                driver.whole("cc-s4", Ended.DEAD)
                driver.whole("dd-s4", Ended.ERROR)  # retried once
                driver.open("ee-s4", d_steps=9)  # outside the space, as in phase confirm
            else:
                driver.tick("dd-s4", 3, Ended.ERROR, reason="CUDA out of memory")
                driver.tick("ee-s4", 0, Ended.BUDGET)
    storage = (
        optuna.storages.RDBStorage(address.format(tmp_path))
        if "sqlite" in address
        else optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(address.format(tmp_path)))
    )
    study = optuna.load_study(study_name="digits-e3b0c4", storage=storage)
    trials = {trial.user_attrs["trial_id"]: trial for trial in study.trials}
    assert len(study.trials) == len(trials) == 5
    assert {trial_id: (trial.state.name, trial.value) for trial_id, trial in trials.items()} == {
        "aa-s4": ("COMPLETE", 98.0),
        "bb-s4": ("PRUNED", 98.0),
        "cc-s4": ("PRUNED", None),
        "dd-s4": ("FAIL", None),
        "ee-s4": ("COMPLETE", 100.0),
    }
    measured = {trial_id: record.measurements[-1] for trial_id, record in Store(tmp_path).trials.items()}
    assert {trial_id: trial.duration and trial.duration.total_seconds() for trial_id, trial in trials.items()} == {
        trial_id: pytest.approx(last.seconds + last.evaluation_seconds) for trial_id, last in measured.items()
    }
    assert trials["aa-s4"].params == {"g.lr": 1e-3, "r1": True, "d_steps": 2}
    assert trials["aa-s4"].intermediate_values == {0: 100.0, 1000: 99.0, 2000: 98.0}
    assert trials["ee-s4"].params == {"g.lr": 1e-3, "r1": True}
    assert trials["cc-s4"].user_attrs == {
        "trial_id": "cc-s4",
        "phase": "explore",
        "seed": 4,
        "ended": "dead",
        "outcome": "diverged",
        "failed": True,
        "diagnosis": "values have not been finite since 2 kimg",
        "onset_kimg": 2.0,
        "reason": "",
        "failures": 0,
    }
    assert trials["dd-s4"].user_attrs["reason"] == "CUDA out of memory"
    shown = get(create_app(storage), "/api/studies/0" if "log" in address else f"/api/studies/{study._study_id}")
    assert sorted(trial["state"] for trial in shown["trials"]) == ["Complete", "Complete", "Fail", "Pruned", "Pruned"]
    if "sqlite" in address:
        storage.engine.dispose()  # type: ignore[union-attr]


def get(app: Any, path: str) -> Any:
    """The JSON response of a WSGI application to a GET request."""
    from wsgiref.util import setup_testing_defaults

    environ: dict[str, Any] = {"PATH_INFO": path, "QUERY_STRING": "after=0"}
    setup_testing_defaults(environ)
    return json.loads(b"".join(app(environ, lambda status, headers, exc_info=None: None)))


def test_a_space_with_more_choices_is_mirrored_anew(tmp_path: Path) -> None:
    """Optuna refuses a trial with other choices than those of the trials before; a wider range is the same study."""
    address = f"sqlite:///{tmp_path}/mirror.db"
    space: Any = SPEC["space"]
    wider = {**space, "nuisance": {"d_steps": {"low": 1, "high": 9}}}
    more = {"scientific": {**space["scientific"], "r1": [False, True, None]}, "nuisance": wider["nuisance"]}
    with Store.writing(tmp_path) as store:
        for trial_id, now in (("aa-s4", space), ("bb-s4", wider), ("cc-s4", more), ("dd-s4", more)):
            study = replace(STUDY, spec={**SPEC, "space": now})
            store.write_study(study)
            Driver(store).whole(trial_id)
            tracker = OptunaTracker(address, study)
            for record in store.trials.values():
                assert tracker.update(record, study, last=True)
    found = {each.study_name: each.n_trials for each in optuna.get_all_study_summaries(address)}
    assert found == {"digits-e3b0c4": 2, "digits-e3b0c4-extended-1": 4}


def test_a_trial_that_ends_well_after_all_is_mirrored_again(tmp_path: Path) -> None:
    """As `resume --set max_failures=N` does it. A trial that stays without a value is there once."""
    address = f"{tmp_path}/journal.log"
    failing = replace(STUDY, spec={**SPEC, "max_failures": 0})
    with Store.writing(tmp_path / "study") as store:
        store.write_study(failing)
        driver = Driver(store)
        driver.whole("aa-s4", Ended.ERROR)
        driver.open("bb-s4")
        store.write("bb-s4", closed=Closed(ended=Ended.BUDGET))
        for _ in range(2):
            tracker = OptunaTracker(address, failing)
            for trial in store.trials.values():
                tracker.update(trial, failing, last=True)
        driver.tick("aa-s4", 3, Ended.BUDGET)
        for _ in range(2):
            tracker = OptunaTracker(address, failing)
            for trial in store.trials.values():
                tracker.update(trial, failing, last=True)
                tracker.update(trial, failing, last=True)
    states = [(trial.user_attrs["trial_id"], trial.state.name) for trial in tracker.study.get_trials()]
    assert states == [("aa-s4", "FAIL"), ("bb-s4", "FAIL"), ("aa-s4", "COMPLETE")]
