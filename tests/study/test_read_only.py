"""A study on a real Ray whose disk becomes read-only and then works again: what is recorded stays, and the study goes on."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from broken_disk import BrokenDisk, broken_disk
from toy import doubled, run, values

from ganstudy import UserError
from ganstudy.files import write_whole
from study.engine.launch import launch
from study.spec.study_spec import StudySpec
from study.store.layout import Layout
from study.store.records import Closed, Ended
from study.store.store import Store

Toy = Callable[..., StudySpec]
SAID = (
    r"must be on a disk that can be written: Read-only file system\. Check that disk and mount it again, then give the same command again"
)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[BrokenDisk]:
    with broken_disk(tmp_path) as disk:
        yield disk


def test_files_are_left_as_they_were_and_the_message_names_them(disk: BrokenDisk) -> None:
    path = write_whole(disk.at / "file", "before")
    with Store.writing(disk.at / "toy") as store:
        store.write("a-s1", opened={"flat": {}})
        records = store.path.read_bytes()
        disk.fail()
        for _ in range(2):
            with pytest.raises(UserError, match=rf"records\.jsonl {SAID}"):
                store.write("a-s1", closed=Closed(ended=Ended.ERROR))
    with pytest.raises(UserError, match=rf"{path} {SAID}"):
        write_whole(path, "after")
    disk.mend()
    assert path.read_text() == "before"
    assert (disk.at / "toy" / "records.jsonl").read_bytes() == records


@pytest.mark.slow
@pytest.mark.usefixtures("one_ray")
def test_a_study_stops_and_goes_on_after_a_remount(toy: Toy, tmp_path: Path, disk: BrokenDisk) -> None:
    spec, folder = toy(n_configs=2), disk.at / "toy"
    with pytest.MonkeyPatch.context() as patch:
        write = Store.write

        def disturb(self: Store, trial_id: str, **facts: Any) -> bool:
            if Layout(folder).records.read_bytes().count(b"\n") == 8:
                disk.fail()
            return write(self, trial_id, **facts)

        patch.setattr(Store, "write", disturb)
        with pytest.raises(UserError, match=SAID):
            launch(spec, folder, progress=False)
    disk.mend()
    lines = Layout(folder).records.read_bytes().splitlines()
    assert len(lines) == 8
    assert all(json.loads(line) for line in lines)
    view = run(spec, folder)
    assert set(view.trials()["ended"]) == {"budget"}
    assert {record.failures for record in view.store.trials.values()} == {0}
    assert doubled(folder) == 0
    assert values(view) == values(run(spec, tmp_path / "whole"))
