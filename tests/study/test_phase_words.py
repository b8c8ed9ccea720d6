"""The phases of a study in words: the name of a goal, and how many configs a design has."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from recorded import PROTOCOL, STUDY, Driver

from study.api import open_study
from study.show.status import n_designed
from study.spec.phase_words import phase_words
from study.spec.planned import planned_of_phases
from study.spec.study_spec import StudySpec
from study.store.records import Ended
from study.store.store import Store

Toy = Callable[..., StudySpec]


@pytest.mark.parametrize(("goal", "changes"), [("explain", {}), ("optimise", {"sampler": "tpe"})])
def test_a_study_of_one_phase_is_called_by_its_goal(toy: Toy, goal: str, changes: dict[str, str]) -> None:
    spec = toy(goal=goal, **changes)
    assert list(phase_words(spec.as_dict())) == [goal]
    assert list(phase_words(spec.with_phase("confirm").as_dict()))[1] == "confirm"


def test_configs_that_a_design_repeats_are_counted_once(toy: Toy, tmp_path: Path) -> None:
    spec = toy(n_configs=4, sampler="balanced", space={"scientific": {"r1": [False, True]}, "nuisance": {}})
    assert "4 configs × 1 seed" in phase_words(spec.as_dict())["explain"]
    assert "4 configs (2 distinct) × 1 seed" in phase_words(spec.as_dict(), distinct=2)["explain"]
    assert "distinct" not in phase_words(spec.as_dict(), distinct=4)["explain"]
    known = []
    with Store.writing(tmp_path) as store:
        store.write_study(replace(STUDY, spec=spec.as_dict(), protocol=PROTOCOL.as_dict()))
        for proposal in spec.designed():
            trial = spec.config(proposal.flat, proposal.flat["seed"]).trial_id
            Driver(store).open(trial, **proposal.flat)
            Driver(store).tick(trial, 1, Ended.BUDGET)
            known.append(n_designed(open_study(tmp_path)))
    assert known == [None, None, None, 2]


def test_no_phase_has_more_configs_than_those_before_it(toy: Toy) -> None:
    spec = toy(n_configs=4, seeds=1, sampler="balanced").with_phase("confirm", top=10, seeds=2).with_phase("ablate", of=5)
    words, most = phase_words(spec.as_dict()), planned_of_phases(spec.as_dict())
    assert "the best 4 configs" in words["confirm"]
    assert "the best 4 configs" in words["ablate"]
    n_settings = len(spec.space.domains)
    assert most == {"explore": 4, "confirm": 4 * 2, "ablate": 4 * 2 * n_settings}
    fewer = toy(n_configs=4, seeds=1, sampler="balanced").with_phase("confirm", top=3).with_phase("ablate", of=5)
    assert "the best 3 configs" in phase_words(fewer.as_dict())["ablate"]
