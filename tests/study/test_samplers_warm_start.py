"""warm_start and enqueue: what a search knows and tries before its own proposals."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from searches import CONDITIONAL, IMAGES, RANGES, asked, drive, ended

from ganstudy import UserError
from study.engine.adaptive import Adaptive
from study.engine.warm_start import take
from study.spec.samplers import SAMPLERS
from study.spec.study_spec import StudySpec
from study.store.records import Closed, Earlier, Ended, Measurement, StudyRecord, TrialRecord
from study.store.store import Store

PROTOCOL = {"features": "pixels", "k": 5}


def other_study(folder: Path, spec: StudySpec, events: int = 100) -> None:
    """A study that has ended, or has had so many events."""
    with Store.writing(folder) as store:
        store.write_study(StudyRecord(spec=spec.as_dict(), protocol=PROTOCOL, baselines={}, n_modes=8))
    drive(folder, spec, range(events))


def test_trials_of_another_space_are_taken_with_the_values_that_they_had(tmp_path: Path) -> None:
    """The other study has no beta1 in its space: its trials have the default of 0.5."""
    space = {"scientific": {"d.lr": {"low": 1e-5, "high": 1e-1, "log": True}}, "nuisance": {"g.lr": "range"}}
    other_study(tmp_path / "other", asked("random", space))
    wide = {**space, "nuisance": {"g.lr": "range", "beta1": {"low": 0.0, "high": 0.9}}}
    found, (sentence,) = take(asked("tpe", wide, warm_start=[str(tmp_path / "other")]), PROTOCOL)
    records = Store(tmp_path / "other").trials
    assert [each.trial_id for each in found] == list(records)
    for each in found:
        how, value = ended(records[each.trial_id].flat)
        assert each.values == {name: records[each.trial_id].flat.get(name, 0.5) for name in ("d.lr", "g.lr", "beta1")}
        assert each.results == ((value,) if how is Ended.BUDGET else ())
    failed = sum(not each.results for each in found)
    assert 0 < failed < len(found)
    assert sentence == f"warm start: 18 of the 18 trials of {tmp_path / 'other'} taken, {failed} of them failed"


def test_what_is_left_out_is_said_with_the_reason(tmp_path: Path) -> None:
    narrow = {"scientific": {"d.lr": {"low": 1e-5, "high": 1e-3, "log": True}}, "nuisance": {"g.lr": "range", "beta1": "range"}}
    other_study(tmp_path / "other", asked("random", RANGES), events=30)
    records = Store(tmp_path / "other").trials.values()
    unfinished = sum(record.closed is None for record in records)
    outside = sum(record.closed is not None and record.flat["d.lr"] > 1e-3 for record in records)
    assert unfinished
    assert outside
    found, (sentence,) = take(asked("tpe", narrow, warm_start=[str(tmp_path / "other")]), PROTOCOL)
    assert len(found) == len(records) - unfinished - outside
    assert f"{outside} outside the space" in sentence
    assert f"{unfinished} unfinished" in sentence


@pytest.mark.parametrize(
    ("base", "protocol", "why"),
    [
        ({"budget_kimg": 80.0}, PROTOCOL, "18 with another budget_kimg"),
        ({"loss": "hinge", "batch_size": 128}, PROTOCOL, "18 with another batch_size and loss"),
        ({}, PROTOCOL | {"k": 3}, "18 by another evaluation protocol (k differ)"),
    ],
    ids=["budget", "settings", "protocol"],
)
def test_a_study_that_cannot_be_compared_gives_nothing(tmp_path: Path, base: Any, protocol: Any, why: str) -> None:
    other_study(tmp_path / "other", asked("random", RANGES))
    spec = asked("tpe", RANGES, base={"data": "ring8", "arch": "mlp", "budget_kimg": 40.0} | base, warm_start=[str(tmp_path / "other")])
    assert take(spec, protocol) == ((), [f"warm start: 0 of the 18 trials of {tmp_path / 'other'} taken; left out: {why}"])


def test_a_folder_without_a_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"warm_start must name folders of studies; .* has no records of one"):
        take(asked("tpe", RANGES, warm_start=[str(tmp_path)]), PROTOCOL)


def test_what_was_taken_is_kept_when_the_other_folder_is_gone(tmp_path: Path) -> None:
    earlier = (Earlier(study="runs/a", trial_id="b-s1", values={"d.lr": 1e-3}, results=()),)
    study = StudyRecord(spec={}, protocol={}, baselines={}, n_modes=None, earlier=earlier)
    with Store.writing(tmp_path) as store:
        store.write_study(study)
    again = Store(tmp_path).study
    assert again
    assert again.earlier == earlier
    json.loads(Store(tmp_path).path.read_text())


EARLIER = tuple(
    Earlier(
        study="a",
        trial_id=f"{i}",
        values={"d.lr": 10**d, "g.lr": 10**g, "beta1": b},
        results=() if d > -3 else ((d + 4) ** 2 + (g + 4) ** 2,),
    )
    for i, (d, g, b) in enumerate((-5 + i % 7 * 0.5, -5 + i % 5 * 0.6, i % 4 * 0.2) for i in range(40))
)
SMALL: dict[str, Any] = {"nsga2": {"name": "nsga2", "population_size": 8}, "nsga3": {"name": "nsga3", "population_size": 8}}


@pytest.mark.parametrize("name", ["tpe", pytest.param("gp", marks=pytest.mark.slow), "cmaes", "nsga2", "nsga3"])
def test_a_sampler_starts_from_what_it_knows(name: str) -> None:
    """The best of the other study is at d.lr = g.lr = 1e-4; without it the first configs of these samplers are drawn at random."""
    spec = asked(SMALL.get(name, name), RANGES)

    def distance(earlier: tuple[Earlier, ...]) -> float:
        adaptive = Adaptive(spec, earlier=earlier)
        proposals = [proposal.flat for number in range(8) if (proposal := adaptive.next(number))]
        return sum(abs(math.log10(flat["d.lr"]) + 4) + abs(math.log10(flat["g.lr"]) + 4) for flat in proposals) / 8

    assert distance(EARLIER) < 0.75 * distance(())


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) if name == "gp" else name for name in SAMPLERS])
def test_a_warm_start_resumes(tmp_path: Path, name: str) -> None:
    spec = asked(SMALL.get(name, name), RANGES, n_configs=12)
    for folder, parts in (("whole", (range(60),)), ("killed", (range(15), range(15, 60)))):
        with Store.writing(tmp_path / folder) as store:
            store.write_study(StudyRecord(spec=spec.as_dict(), protocol={}, baselines={}, n_modes=8, earlier=EARLIER))
        for events in parts:
            drive(tmp_path / folder, spec, events)
    whole, killed = (Store(tmp_path / folder).trials for folder in ("whole", "killed"))
    assert [record.flat for record in whole.values()] == [record.flat for record in killed.values()]
    assert len(whole) == 12


def test_enqueued_configs_come_first_and_count(tmp_path: Path) -> None:
    first = [{"r1": True, "r1.gamma": 1.0, "d.lr": 1e-4, "g.lr": 1e-3}, "defaults"]
    found = drive(tmp_path, asked("tpe", CONDITIONAL, enqueue=first, n_configs=4), range(60))
    assert len(found) == 4
    assert {name: found[0][name] for name in first[0]} == first[0]
    assert (found[1]["r1"], found[1]["d.lr"], found[1]["g.lr"], "r1.gamma" in found[1]) == (False, 2e-4, 2e-4, False)


def test_a_genetic_algorithm_takes_enqueued_configs_as_parents() -> None:
    """With Optuna's own enqueue_trial they belong to no generation."""
    best = {"d.lr": 3e-4, "g.lr": 7e-5, "beta1": 0.123}
    spec = asked({"name": "nsga2", "population_size": 4, "mutation_prob": 0.0}, RANGES, enqueue=[best], n_configs=8)
    adaptive = Adaptive(spec)
    for number in range(4):
        proposal, trial_id = adaptive.next(number), str(number)
        assert proposal
        adaptive.opened(trial_id)
        value = 0.0 if number == 0 else 10.0 + number
        measured = Measurement(images=IMAGES, seconds=1.0, evaluation_seconds=0.1, values={"fd": value})
        adaptive.measured(trial_id, measured)
        adaptive.closed(
            TrialRecord(trial_id=trial_id, number=number, flat=proposal.flat, measurements=(measured,), closed=Closed(ended=Ended.BUDGET))
        )
    child = adaptive.next(4)
    assert child
    assert any(child.flat[name] == best[name] for name in best)
