"""The Optuna mirror of a study with several objectives and constraints, trial by trial against the records, in each kind of storage."""

import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import optuna
import pytest
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial
from played import SEARCH, play
from postgres import postgresql

from bench.chromium import browser
from study.api import open_study
from study.spec.study_spec import StudySpec
from study.spec.tracking import Tracking
from study.store.records import Closed, Ended, Measurement, TrialRecord, mark
from study.store.store import Store
from study.tracking.process import watching
from trainables.config import TrialConfig

pytestmark = pytest.mark.usefixtures("forked_tracking")

GIVEN = {**SEARCH, "n_configs": 14, "failure": "coverage < 0.3"}
SEVERAL = {"objectives": ["fd", {"coverage": "maximize"}], "constraints": {"coverage": ">= 0.5", "failed": "<= 0.2", "d/adv": "<= 2"}}
CONSTRAINED = {"constraints": {"coverage": ">= 0.5"}}


def value(record: TrialRecord) -> dict[str, float] | None:
    """Small learning rates drop modes, large ones die; D's loss is missing without R1."""
    lr = record.flat["g.lr"]
    values = {"fd": 1e-3 / lr, "coverage": min(1.0, 300 * lr)}
    return None if lr > 5e-3 else values | ({"d/adv": 1000 * lr} if record.flat["r1"] else {})


@pytest.fixture(params=["sqlite", "journal", pytest.param("postgresql", marks=pytest.mark.slow)])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "postgresql":
        with postgresql() as url:
            yield url
    else:
        yield f"sqlite:///{tmp_path}/mirror.db" if request.param == "sqlite" else f"{tmp_path}/mirror.log"


@dataclass(frozen=True)
class Mirror:
    """What a storage holds of a study."""

    study_id: int
    directions: list[str]
    names: list[str] | None
    trials: list[FrozenTrial]
    best: list[FrozenTrial]


def read_mirror(address: str, name: str) -> Mirror:
    storage: optuna.storages.BaseStorage
    if "://" in address:
        storage = optuna.storages.RDBStorage(address)
    else:
        storage = optuna.storages.JournalStorage(JournalFileBackend(address))
    study = optuna.load_study(study_name=name, storage=storage)
    best = study.best_trials if len(study.directions) > 1 else [study.best_trial]
    found = Mirror(study._study_id, [direction.name for direction in study.directions], study.metric_names, study.trials, best)
    if isinstance(storage, optuna.storages.RDBStorage):
        storage.remove_session()
        storage.engine.dispose()
    return found


def mirrored(spec: StudySpec, folder: Path, address: str) -> tuple[Store, Mirror]:
    """Play a study, stop one more trial, let another one crash, and mirror all."""
    play(spec, folder, value)
    with Store.writing(folder) as store:
        for seed, (ended, lr) in enumerate({Ended.SCHEDULER: 2e-3, Ended.ERROR: 3e-3}.items()):
            asked = spec.asked({"r1": True, "g.lr": lr}, seed)
            trial_id = TrialConfig.from_flat(asked.flat).trial_id
            store.write(trial_id, opened={"phase": "optimise", "flat": asked.flat})
            measured = Measurement(images=500, seconds=1.0, evaluation_seconds=0.1, values={"fd": 2.0, "coverage": 0.6, "d/adv": 1.0})
            store.write(trial_id, measured=measured)
            store.write(trial_id, closed=Closed(ended=ended, reason="RuntimeError"), failures=spec.max_failures + 1)
        assert store.study
        with watching(folder, Tracking(optuna=address)):
            pass
        return store, read_mirror(address, mark(store.study))


def expected_constraints(record: TrialRecord, limits: dict[str, str], *, several: bool) -> dict[str, float]:
    """What Optuna should know, from the values."""
    assert record.closed
    if record.closed.ended is Ended.ERROR:
        return {}
    if record.closed.ended is Ended.DEAD:
        return {"dead": 1.0}
    if record.closed.ended is Ended.SCHEDULER:
        return {"dead": 0.0}
    assert record.last
    values = record.last.values
    found = {"dead": 0.0, "failed": float(values["coverage"] < 0.3) - (0.2 if "failed" in limits else 0.0)}
    if "coverage" in limits:
        found["coverage"] = (0.5 - values["coverage"]) / 0.5
    if "d/adv" in limits:
        found["d/adv"] = (values["d/adv"] - 2) / 2 if "d/adv" in values else 1.0
    return found


@pytest.mark.parametrize("more", [SEVERAL, CONSTRAINED, {"objectives": SEVERAL["objectives"]}], ids=["both", "constraints", "objectives"])
def test_the_mirror_agrees_with_the_records_one_by_one(tmp_path: Path, address: str, more: dict[str, Any]) -> None:
    spec = StudySpec.from_dict({**GIVEN, **more})
    store, mirror = mirrored(spec, tmp_path / "study", address)
    several = len(spec.objectives) > 1
    assert mirror.directions == (["MINIMIZE", "MAXIMIZE"] if several else ["MINIMIZE"])
    assert mirror.names == (["fd", "coverage"] if several else None)
    trials = {trial.user_attrs["trial_id"]: trial for trial in mirror.trials}
    assert len(trials) == len(mirror.trials) == len(store.trials) == 16
    states = {Ended.BUDGET: "COMPLETE", Ended.ERROR: "FAIL", Ended.DEAD: "PRUNED", Ended.SCHEDULER: "PRUNED"}
    ends = []
    for trial_id, record in store.trials.items():
        trial, limits = trials[trial_id], dict(spec.constraints)
        assert record.closed
        ended = record.closed.ended
        ends.append(ended)
        assert trial.state.name == states[ended]
        assert trial.params == {"r1": record.flat["r1"], "g.lr": record.flat["g.lr"]}
        last = [record.last.values[name] for name in (["fd", "coverage"] if several else ["fd"])] if record.last else None
        valued = ended is Ended.BUDGET or (ended is Ended.SCHEDULER and not several)
        assert trial.values == (last if valued else None)
        curve = {measured.images: measured.values["fd"] for measured in record.measurements}
        assert trial.intermediate_values == ({} if several else curve)
        assert trial.constraints == pytest.approx(expected_constraints(record, limits, several=several))
        if ended is not Ended.ERROR and ended is not Ended.SCHEDULER:
            assert trial.user_attrs["feasible"] == all(excess <= 0 for excess in trial.constraints.values())
    assert {Ended.BUDGET, Ended.DEAD, Ended.SCHEDULER, Ended.ERROR} == set(ends)
    if spec.constraints or several:
        assert all(excess <= 0 for trial in mirror.best for excess in trial.constraints.values())


@pytest.mark.slow
def test_the_mirror_agrees_with_the_records_of_each_phase(tmp_path: Path, address: str) -> None:
    phases = {"explore": {"n_configs": 6}, "optimise": {"n_configs": 6}, "confirm": {"top": 3, "seeds": 3}, "ablate": {"of": 1}}
    alike = {key: given for key, given in GIVEN.items() if key not in ("goal", "n_configs")}
    spec = StudySpec.from_dict({**alike, "objectives": SEVERAL["objectives"], **CONSTRAINED, "phases": phases})
    store, mirror = mirrored(spec, tmp_path / "study", address)
    trials = {trial.user_attrs["trial_id"]: trial for trial in mirror.trials}
    assert len(trials) == len(mirror.trials) == len(store.trials)
    assert {record.phase for record in store.trials.values()} == set(phases)
    for trial_id, record in store.trials.items():
        trial = trials[trial_id]
        assert record.closed
        assert (trial.user_attrs["phase"], trial.user_attrs["seed"]) == (record.phase, record.flat["seed"])
        assert (trial.state.name == "COMPLETE") == (record.closed.ended is Ended.BUDGET)
        inside = {"r1": record.flat["r1"], **({"g.lr": lr} if 1e-4 <= (lr := record.flat["g.lr"]) <= 1e-2 else {})}
        assert trial.params == inside
        if record.closed.ended is Ended.BUDGET:
            assert record.last
            assert trial.values == [record.last.values["fd"], record.last.values["coverage"]]
        assert trial.constraints == pytest.approx(expected_constraints(record, spec.constraints, several=True))


def test_best_of_the_same_study_has_no_infeasible_config(tmp_path: Path) -> None:
    spec = StudySpec.from_dict({**GIVEN, **SEVERAL, "n_configs": 24})
    play(spec, tmp_path / "study", value)
    view = open_study(tmp_path / "study")
    found = view.best()
    assert len(found) > 0
    for trial in found:
        assert trial.values["coverage"] >= 0.5
        assert trial.values.get("d/adv", 3.0) <= 2
        assert not trial.failed
    feasible = [
        trial
        for trial in (view.trial(trial_id) for trial_id in view.recorded.trial_ids)
        if trial.values.get("coverage", 0) >= 0.5 and trial.values.get("d/adv", 3.0) <= 2
    ]
    for trial in found:
        assert not any(
            other.values["fd"] < trial.values["fd"] and other.values["coverage"] >= trial.values["coverage"] for other in feasible
        )


# the points of the dashboard's figure of the front, once it is drawn
_POINTS = """(() => {
  const traces = document.querySelector("#graph-pareto-front")?.data?.filter(each => each.x?.length);
  return traces?.length && JSON.stringify(traces.flatMap(each => [...each.x].map((x, i) => [x, each.y[i]])));
})()"""


class _Quiet(WSGIRequestHandler):
    def log_message(self, *args: Any) -> None: ...


class _Threaded(ThreadingMixIn, WSGIServer):
    """A browser may open a second connection and leave it idle."""

    daemon_threads = True


@pytest.mark.slow
def test_optuna_dashboard_draws_the_front(tmp_path: Path) -> None:
    from optuna_dashboard import wsgi

    spec = StudySpec.from_dict({**GIVEN, "objectives": SEVERAL["objectives"], "constraints": {"coverage": ">= 0.5"}})
    address = f"sqlite:///{tmp_path}/mirror.db"
    _, mirror = mirrored(spec, tmp_path / "study", address)
    program = shutil.which("chromium")
    assert program, "this test renders the dashboard in a browser; install chromium"
    server = make_server("127.0.0.1", 0, wsgi(address), server_class=_Threaded, handler_class=_Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with browser(program) as page:
            page.open(f"http://127.0.0.1:{server.server_port}/dashboard/studies/{mirror.study_id}", height=2000)
            page.until("document.body.innerText.includes('Pareto Front')")
            points = [point for point in json.loads(page.until(_POINTS)) if None not in point]  # of trials without values
            assert sorted(points) == sorted(trial.values for trial in mirror.trials if trial.state.name == "COMPLETE")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
