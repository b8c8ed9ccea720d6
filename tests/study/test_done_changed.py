"""A study without trials left to run that is launched again: what may change is recorded, without a Ray."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from study.api import launch
from study.engine.prepare import prepare
from study.spec.study_spec import StudySpec
from study.store.records import Closed, Ended, Measurement, Saved
from study.store.store import Store

Toy = Callable[..., StudySpec]


@pytest.fixture
def done(toy: Toy, tmp_path: Path) -> Path:
    spec, folder = toy(), tmp_path / "toy"
    study = prepare(spec, folder, address=None).study
    with Store.writing(folder) as store:
        store.write_study(study)
        for proposal in spec.designed():
            trial_id = spec.config(proposal.flat, proposal.flat["seed"]).trial_id
            store.write(
                trial_id,
                opened={"phase": spec.phase, "flat": proposal.flat},
                measured=Measurement(images=600, seconds=1.0, evaluation_seconds=0.1, values={"fd": 1.0, "coverage": 0.5}),
                closed=Closed(ended=Ended.BUDGET),
                saved=Saved(images=600, path=f"tune/{trial_id}/600"),
            )
    return folder


@pytest.mark.parametrize(
    ("change", "key", "recorded"),
    [
        ({"constraints": {"coverage": ">= 0.2"}}, "constraints", {"coverage": ">= 0.2"}),
        ({"question": "Is it another one?"}, "question", "Is it another one?"),
        ({"failure": "coverage < 0.1"}, "failure", "coverage < 0.1"),
        ({"tracking": {"wandb": {"mode": "disabled"}}}, "tracking", {"wandb": "disabled"}),
    ],
)
def test_what_may_change_is_recorded(toy: Toy, done: Path, change: dict[str, Any], key: str, recorded: Any) -> None:
    view = launch(toy(**change), done, progress=False)
    assert len(view.store.studies) == 2
    found = view.study.spec[key]
    assert (found if key != "tracking" else {name: each["mode"] for name, each in found.items() if each}) == recorded
    before = (done / "records.jsonl").read_bytes()
    launch(toy(**change), done, progress=False)
    assert (done / "records.jsonl").read_bytes() == before, "nothing has changed since"
