"""Studies that are resumed by other versions: refused, or allowed for our own code and then said in the report."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from toy import in_this_process

from ganstudy import UserError, versions
from study.api import open_study
from study.engine.prepare import prepare
from study.show.report import write_report
from study.spec.study_spec import StudySpec
from study.store.store import Store

Toy = Callable[..., StudySpec]


@pytest.fixture
def folder(toy: Toy, tmp_path: Path) -> Path:
    """A finished study."""
    in_this_process(toy(), tmp_path / "toy")
    return tmp_path / "toy"


def test_a_study_is_not_extended_by_other_code_unless_allowed(toy: Toy, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "code_hash", lambda: "0123456789")
    prepare(toy(), folder, address=None)  # nothing is left to train, so nothing is refused
    before = (folder / "records.jsonl").read_bytes()
    with pytest.raises(UserError, match=rf"code \w{{10}} in {folder}, 0123456789 now.* --allow-changed-code .*--folder"):
        prepare(toy(n_configs=8), folder, address=None)
    assert prepare(toy(n_configs=8), folder, address=None, allow_changed_code=True).allow_changed_code
    assert (folder / "records.jsonl").read_bytes() == before


def test_a_study_is_not_extended_by_other_packages(toy: Toy, folder: Path) -> None:
    records = folder / "records.jsonl"
    first, *lines = records.read_text().splitlines(keepends=True)
    study = json.loads(first)
    study["study"]["provenance"]["torch"] = "1.0"
    records.write_text(json.dumps(study) + "\n" + "".join(lines))
    with pytest.raises(UserError, match=r"torch 1\.0 in .*, 2.* now\. Install the same versions"):
        prepare(toy(n_configs=8), folder, address=None, allow_changed_code=True)


def test_the_report_says_which_code_trained_the_trials(toy: Toy, folder: Path) -> None:
    report = write_report(open_study(folder), folder / "r.md").read_text()
    assert "versions of the code" not in report
    with Store.writing(folder) as store:
        for i, trial in enumerate(list(store.trials)):
            store.write(trial, code="aaaa" if i else "bbbb")
            store.write(trial, code="cccc" if i == 3 else None)
    assert [record.codes for record in Store(folder).trials.values()] == [("bbbb",), ("aaaa",), ("aaaa",), ("aaaa", "cccc")]
    report = write_report(open_study(folder), folder / "r.md").read_text()
    assert "3 different versions of the code (bbbb: 1 trial, aaaa: 3 trials, cccc: 1 trial)" in report
