"""A study of which no trial was trained makes room for a corrected one; any other stays."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from toy import in_this_process

from ganstudy import UserError
from ganstudy.written import differing
from study.engine.prepare import prepare
from study.spec.study_spec import StudySpec
from study.store.layout import Layout
from study.store.records import Closed, Ended, Measurement, Saved
from study.store.replaced import may_be_replaced, set_aside
from study.store.store import Store

Toy = Callable[..., StudySpec]
START = Measurement(images=0, seconds=0, evaluation_seconds=0, values={"fd": 9.0})
CRASHED = Closed(ended=Ended.ERROR, reason="Traceback\nValueError: of a wrong setting")


def crashed(spec: StudySpec, folder: Path, **facts: Any) -> Store:
    """A study of which each trial was measured at its start and ended in an error; the last one has more facts."""
    made = prepare(spec, folder, address=None).study
    with Store.writing(folder) as store:
        store.write_study(made)
        for proposal in spec.designed():
            trial_id = spec.config(proposal.flat, proposal.flat["seed"]).trial_id
            store.write(trial_id, opened={"phase": spec.phase, "flat": proposal.flat}, measured=START)
            for _ in range(3):
                store.write(trial_id, closed=CRASHED)
        if facts:
            store.write(trial_id, **facts)
    return Store(folder)


def test_a_corrected_study_replaces_one_that_never_trained(toy: Toy, tmp_path: Path) -> None:
    folder = tmp_path / "toy"
    crashed(toy(base={"d.lr": 0.5}), folder)
    records = (folder / "records.jsonl").read_bytes()
    (folder / "notes.txt").write_text("of the user")
    prepared = prepare(toy(), folder, address=None)
    assert prepared.replaces == "base: {d.lr: 0.5} in the folder, not set now"
    assert (prepared.known, prepared.done) == (None, False)
    assert (folder / "records.jsonl").read_bytes() == records, "nothing is written before the launch"
    there = set_aside(folder)
    assert there == folder / "replaced1"
    assert sorted(path.name for path in folder.iterdir()) == ["lock", "notes.txt", "replaced1"]
    assert (there / "records.jsonl").read_bytes() == records
    assert len(Store(there).trials) == 4, "the old study can still be opened"
    crashed(toy(), folder)
    assert set_aside(folder) == folder / "replaced2"


def test_the_same_study_goes_on(toy: Toy, tmp_path: Path) -> None:
    crashed(toy(), tmp_path)
    prepared = prepare(toy(n_configs=8, question="Is it another question?"), tmp_path, address=None)
    assert prepared.replaces == ""
    assert prepared.known
    assert prepare(toy(n_configs=2), tmp_path, address=None).replaces == "it has more configs or seeds"


@pytest.mark.parametrize(
    "facts",
    [
        {"measured": replace(START, images=200)},
        {"saved": Saved(images=200, path="tune/a/200")},
        {"closed": Closed(ended=Ended.DEAD, reason="fd is not finite")},
        {"closed": Closed(ended=Ended.BUDGET)},
    ],
    ids=["a tick", "a checkpoint", "a trial that diverged at once", "a trial that ended"],
)
def test_a_study_with_any_result_stays(toy: Toy, tmp_path: Path, facts: dict[str, Any]) -> None:
    store = crashed(toy(base={"d.lr": 0.5}), tmp_path, **facts)
    assert not may_be_replaced(store)
    with pytest.raises(UserError, match=r"holds another study \(base: \{d.lr: 0.5\} in the folder, not set now\)"):
        prepare(toy(), tmp_path, address=None)
    with pytest.raises(UserError, match="must hold no results"):
        set_aside(tmp_path)
    assert [path.name for path in tmp_path.glob("replaced*")] == []


def test_other_data_under_the_same_settings_replace_it_too(toy: Toy, tmp_path: Path) -> None:
    """As after a folder of pictures was corrected: the settings are the same, the protocol is not."""
    store = crashed(toy(), tmp_path)
    assert store.study
    with Store.writing(tmp_path) as writing:
        writing.write_study(replace(store.study, protocol={**store.study.protocol, "split": "0" * 16}))
    assert prepare(toy(), tmp_path, address=None).replaces.startswith("split: '0000000000000000' in the folder")


def test_all_that_a_study_makes_is_moved(toy: Toy, tmp_path: Path) -> None:
    """A study that was trained leaves nothing in its folder that `made` does not know."""
    in_this_process(toy(n_configs=2), tmp_path)
    made = Layout(tmp_path).made
    assert made[0].name == "records.jsonl"
    assert {path.name for path in tmp_path.iterdir()} - {path.name for path in made} == {"lock"}


def test_the_copy_of_a_study_in_an_object_store_stays(toy: Toy, tmp_path: Path) -> None:
    store = crashed(toy(base={"d.lr": 0.5}), tmp_path)
    assert may_be_replaced(store)
    store.layout.origin.write_text('{"url": "s3://bucket/toy", "copy": "1"}')
    assert not may_be_replaced(store)


@pytest.mark.parametrize(
    ("old", "new", "clauses"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1, "b": True}, {"a": 2, "b": None}, ["a: 1 in the folder, 2 now", "b: true in the folder, null now"]),
        ({"base": {"x": 1, "y": 2}}, {"base": {"x": 1, "y": 3}}, ["base: {y: 2} in the folder, {y: 3} now"]),
        ({"base": {"x": 1}}, {"base": {"x": 1, "y": 3}}, ["base: not set in the folder, {y: 3} now"]),
        (
            {"space": {"scientific": {"r1": [False, True], "g.lr": {"low": 1e-4, "high": 0.1, "log": True}}, "nuisance": {}}},
            {"space": {"scientific": {"r1": [False, True], "g.lr": {"low": 1e-4, "high": 0.1}}, "nuisance": {"d_steps": [1, 2]}}},
            [
                "space: {scientific: {g.lr: {low: 0.0001, high: 0.1, log: true}}} in the folder, "
                "{scientific: {g.lr: {low: 0.0001, high: 0.1}}, nuisance: {d_steps: [1, 2]}} now"
            ],
        ),
    ],
)
def test_only_what_differs_is_shown(old: dict[str, Any], new: dict[str, Any], clauses: list[str]) -> None:
    assert differing(old, new) == clauses
