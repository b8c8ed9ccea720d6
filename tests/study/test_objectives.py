"""Objectives and constraints of a study: what may change, what a machine can measure, what a scheduler stops by, and what counts as beyond a limit."""

import math
from pathlib import Path
from typing import Any

import pytest
from played import SEARCH, play, study_record

from ganstudy import UserError
from study.engine.prepare import prepare
from study.engine.recorded import refuse_unmeasured
from study.engine.schedulers import EarlyStopping
from study.spec.bounds import refuse_out_of_bounds
from study.spec.changes import with_changes
from study.spec.identity import differences
from study.spec.study_spec import StudySpec
from study.store.feasible import excesses
from study.store.records import Closed, Ended, Measurement, TrialRecord
from study.store.store import Store

GIVEN = {**SEARCH, "failure": "coverage < 0.3"}
BOTH = ["fd", {"coverage": "maximize"}]


def spec(**changes: Any) -> StudySpec:
    return StudySpec.from_dict({**GIVEN, **changes})


def record(seed: int, ended: Ended = Ended.BUDGET, d_adv: float | None = None, **values: float) -> TrialRecord:
    values |= {} if d_adv is None else {"d/adv": d_adv}
    measured = Measurement(images=1000, seconds=1.0, evaluation_seconds=0.1, values=values)
    return TrialRecord(
        trial_id=f"a-s{seed}", number=seed, flat={"seed": seed}, measurements=(measured,) if values else (), closed=Closed(ended=ended)
    )


def test_constraints_may_change_on_resume_and_objectives_may_not() -> None:
    one, several = spec().as_dict(), spec(objectives=BOTH).as_dict()
    assert differences(one, spec(constraints={"coverage": ">= 0.5"}).as_dict()) == []
    assert differences(one, spec(objectives=["fd"]).as_dict()) == []
    older = {key: value for key, value in one.items() if key != "constraints"}
    assert differences(older, one) == []
    for known, given in ((one, several), (several, one), (several, spec(objectives=BOTH[::-1]).as_dict())):
        assert "objective" in " ".join(differences(known, given))


def test_one_of_the_two_keys_replaces_the_other() -> None:
    keys = StudySpec.model_fields
    changed = with_changes({"objectives": BOTH}, {"objective": "coverage"}, keys)
    assert (changed["objective"], "objectives" in changed) == ("coverage", False)
    assert "objective" not in with_changes({"objective": "fd"}, {"objectives": BOTH}, keys)


def test_a_scheduler_stops_by_the_objective_that_it_names(tmp_path: Path) -> None:
    """More coverage is better; a rule that took fd, or coverage the wrong way round, would stop the better one."""
    given = spec(objectives=BOTH, scheduler={"name": "asha", "objective": "coverage", "grace_kimg": 0.5, "reduction_factor": 2})
    assert given.stops_by.metric == "coverage"
    assert StudySpec.from_dict(given.as_dict()) == given
    with Store.writing(tmp_path) as store:
        store.write_study(study_record(given))
        rule = EarlyStopping(given, store).rule
    assert rule.should_continue("a", 500, 0.5)
    assert rule.should_continue("b", 500, 0.9)
    assert not rule.should_continue("c", 500, 0.1)


def test_the_excess_of_a_config_is_that_of_its_trials_together() -> None:
    study = study_record(spec(objectives=BOTH, constraints={"coverage": ">= 0.5", "failed": "<= 0.5", "d/adv": "<= 2"}))
    trials = [
        record(0, fd=1.0, coverage=0.6, d_adv=1.0),
        record(1, fd=1.0, coverage=0.2, d_adv=9.0),  # failed: its values do not count
        record(2, fd=1.0, coverage=0.8, d_adv=5.0),
        record(3, Ended.DEAD),
        record(4, Ended.SCHEDULER, fd=1.0, coverage=0.0),
        record(5, Ended.ERROR),
    ]
    assert excesses(trials, study) == pytest.approx({"failed": 0.0, "coverage": (0.5 - 0.7) / 0.5, "d/adv": 0.5})
    assert excesses(trials[1:2], study) == pytest.approx({"failed": 0.5, "coverage": 0.6, "d/adv": 3.5})
    assert excesses(trials[3:4], study) == {"dead": 1.0}
    assert excesses(trials[4:], study) == {}
    assert excesses([record(0, fd=1.0, coverage=0.6)], study)["d/adv"] == 1.0, "what was not measured is not kept to"
    assert excesses(trials[:1], study_record(spec())) == {}
    assert excesses(trials[1:2], study_record(spec(objectives=BOTH))) == {"failed": 1.0}


CPU, GPU = {"CPU": 4.0, "memory": 1e10}, {"CPU": 4.0, "GPU": 1.0, "memory": 1e10}


def test_a_constraint_that_no_config_can_keep_to_is_refused(tmp_path: Path) -> None:
    for name, limit, said in (
        ("coverage", ">= 7", "coverage is from 0 to 1"),
        ("coverage", "<= -0.1", "coverage is from 0 to 1"),
        ("fd", "<= -1", "fd is at least 0"),
    ):
        with pytest.raises(UserError, match=rf"constraints must be limits that a config can keep to; given {name} {limit}, and {said}\."):
            prepare(spec(constraints={name: limit}), tmp_path, address=None)
    refuse_out_of_bounds(spec(constraints={"coverage": ">= 1", "fd": "<= 0", "d/adv": ">= 100", "failed": "<= 0"}))


def test_the_memory_of_a_gpu_is_limited_only_where_it_is_measured() -> None:
    limited = {"constraints": {"device/memory_mb": "<= 8000"}}
    refuse_unmeasured(spec(**limited, resources={"gpu": 1}), [GPU])
    refuse_unmeasured(spec(**limited), [])  # nodes that are not known yet
    refuse_unmeasured(spec(), [CPU])
    with pytest.raises(UserError, match=r"device/memory_mb needs a GPU for each trial, .* the trials of this study train on CPUs"):
        refuse_unmeasured(spec(**limited), [CPU])
    with pytest.raises(UserError, match=r"device/utilisation needs a GPU for each trial"):
        refuse_unmeasured(spec(objectives=["fd", {"device/utilisation": "maximize"}]), [CPU])
    for resources in ({"gpu": 0.25}, {}):
        with pytest.raises(UserError, match=r"device/memory_mb needs a process for each trial, .* set resources.gpu: 1"):
            refuse_unmeasured(spec(**limited, resources=resources), [GPU])


def test_a_search_leaves_the_part_of_the_space_that_is_beyond_a_limit(tmp_path: Path) -> None:
    """Half of the space keeps to the limit, and is worse in fd."""

    def value(trial: TrialRecord) -> dict[str, float]:
        lr = trial.flat["g.lr"]
        return {"fd": 1e-3 / lr, "coverage": 0.9 if lr < 1e-3 else 0.4}

    store = play(spec(constraints={"coverage": ">= 0.5"}, n_configs=40), tmp_path / "limited", value)
    free = play(spec(n_configs=40), tmp_path / "free", value)
    kept = [
        sum(trial.flat["g.lr"] < 1e-3 for trial in list(found.trials.values())[20:]) for found in (store, free)
    ]  # of the last 20 proposals
    assert kept[0] >= 12
    assert kept[1] <= 6


@pytest.mark.parametrize("sampler", ["tpe", {"name": "nsga2", "population_size": 8}])
def test_with_two_objectives_a_search_leaves_the_part_of_the_space_where_trials_die(tmp_path: Path, sampler: Any) -> None:
    """40 % of the space dies: of random draws, 48 of these 120."""

    def value(trial: TrialRecord) -> dict[str, float] | None:
        at = math.log10(trial.flat["g.lr"]) + 4  # 0 to 2
        return None if at > 1.2 else {"fd": 1 + at, "coverage": at / 2}

    space = {
        "scientific": {"g.lr": {"low": 1e-4, "high": 1e-2, "log": True}},
        "nuisance": {"d.lr": {"low": 1e-4, "high": 1e-2, "log": True}},
    }
    died = []
    for design_seed in range(3):
        given = spec(objectives=BOTH, sampler=sampler, n_configs=80, space=space, design_seed=design_seed)
        store = play(given, tmp_path / str(design_seed), value)
        died.append(sum(value(trial) is None for trial in list(store.trials.values())[40:]))
    assert sum(died) <= 33, died
