"""A study folder of format 1 resumes on Ray."""

import json
import shutil
from pathlib import Path

import pytest

from ganstudy import UserError
from ganstudy.versions import versions
from study.api import launch, open_study
from study.spec.study_spec import StudySpec
from study.store.records import Ended

DATA = Path(__file__).parents[1] / "data" / "format1"


def with_versions_of_now(records: Path) -> None:
    """Write the installed versions of all other packages into records, as if the study had been trained by an older ganstudy alone."""
    lines = [json.loads(line) for line in records.read_text().splitlines()]
    for line in lines:
        if "study" in line:
            own = {name: line["study"]["provenance"][name] for name in ("ganstudy", "code")}
            line["study"]["provenance"] |= versions() | own
    records.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.mark.slow
@pytest.mark.usefixtures("one_ray")
def test_an_old_study_is_extended(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(DATA / "explain", tmp_path / "explain"))
    with_versions_of_now(folder / "records.jsonl")
    old = open_study(folder)
    spec = StudySpec.from_dict({**old.spec.as_dict(), "n_configs": 5})
    with pytest.raises(
        UserError, match=r"trained by the same versions; ganstudy 0\.1\.0 in .*; code 22421c9d68 in .* --allow-changed-code"
    ):
        launch(spec, folder, progress=False)
    new = launch(spec, folder, progress=False, allow_changed_code=True)
    assert {name: new.store.trials[name] for name in old.store.trials} == dict(old.store.trials), "no finished trial starts again"
    added = [new.store.trials[name] for name in new.store.trials.keys() - old.store.trials.keys()]
    assert {record.flat["seed"] for record in added} == {4000, 4001}, "two seeds of the fifth config"
    assert len(added) == 2
    assert all(record.closed and record.closed.ended is Ended.BUDGET for record in new.store.trials.values())
    assert new.study.protocol == old.study.protocol
    assert new.study.baselines == {**old.study.baselines, "modes_lost": 0.0}, "a metric that is newer than the folder gets its baseline"
    assert new.study.created == old.study.created
