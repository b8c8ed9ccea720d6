"""Studies on a real Ray whose disk is full, or whose files are damaged: what is recorded stays, and the study goes on."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from full import at_most
from toy import doubled, run, values

from ganstudy import UserError
from study.engine.launch import launch
from study.spec.study_spec import StudySpec
from study.store.layout import Layout
from study.store.store import Store
from study.views import StudyView
from trainables.trial import STATE

pytestmark = [pytest.mark.usefixtures("one_ray"), pytest.mark.slow]
Toy = Callable[..., StudySpec]


@pytest.fixture(scope="module")
def whole(one_ray: None, tmp_path_factory: pytest.TempPathFactory) -> StudyView:
    """A study of two trials that nothing disturbed."""
    from toy import TOY

    return run(StudySpec.from_dict({**TOY, "n_configs": 2}), tmp_path_factory.mktemp("whole") / "toy")


def filled_up(spec: StudySpec, folder: Path, *, when: Callable[[Store], bool]) -> None:
    """Launch a study whose disk has room for 30 more bytes of records from the line on before which `when` is true: it ends at that line."""
    append = Store._append

    def full(self: Store, line: Mapping[str, Any]) -> None:
        with at_most(self.path.stat().st_size + 30 if when(self) else 2**40):
            append(self, line)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "_append", full)
        with pytest.raises(UserError, match=r"records\.jsonl must have room on its disk: File too large\. Free space there"):
            launch(spec, folder, progress=False)


def test_a_full_disk_stops_a_study_and_it_resumes_where_it_was(toy: Toy, tmp_path: Path, whole: StudyView) -> None:
    folder, spec = tmp_path / "toy", toy(n_configs=2)
    filled_up(spec, folder, when=lambda store: store.path.read_bytes().count(b"\n") >= 8)
    lines = Layout(folder).records.read_bytes().splitlines()
    assert len(lines) == 8
    assert all(json.loads(line) for line in lines)
    view = run(spec, folder)
    assert set(view.trials()["ended"]) == {"budget"}
    assert doubled(folder) == 0
    assert values(view) == values(whole)


def test_a_damaged_checkpoint_costs_a_study_a_tick(toy: Toy, tmp_path: Path, whole: StudyView, caplog: pytest.LogCaptureFixture) -> None:
    folder, spec = tmp_path / "toy", toy(n_configs=2)
    filled_up(spec, folder, when=lambda store: any(len(record.saved) > 1 for record in store.trials.values()))
    cut = [record for record in Store(folder).trials.values() if len(record.saved) > 1]
    assert len(cut) == 1, "one trial has a checkpoint to fall back to"
    for record in cut:
        state = folder / record.saved[-1].path / STATE
        data = bytearray(state.read_bytes())
        data[len(data) // 2] ^= 1
        state.write_bytes(data)
    view = run(spec, folder)
    for record in cut:
        assert f"{record.trial_id} goes on from {record.saved[-2].images / 1000:g} kimg instead" in caplog.messages
        assert [saved.images for saved in view.store.trials[record.trial_id].saved] == [0, 200, 400, 600]
        assert view.store.trials[record.trial_id].failures == 0
    assert doubled(folder) == 0
    assert values(view) == values(whole)
