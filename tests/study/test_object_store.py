"""A study in an object store, read on another machine than it was written on."""

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from object_store import URL, Machine, lines_there, study, ticks
from recorded import wait_until
from s3 import BUCKET
from toy import in_this_process

from ganstudy import UserError
from study.api import open_study
from study.engine.searcher import Search, newest
from study.show.doctor import doctor
from study.show.report import write_report
from study.spec.study_spec import StudySpec
from study.store.local_copy import created, folder_of
from study.store.lock import driver
from study.store.objects import Objects
from study.store.store import Store
from trainables.generators import GENERATOR_FILE
from trainables.trial import STATE


def test_another_machine_reads_a_study_while_it_runs(machine: Machine) -> None:
    folder = machine("one")
    created(URL)
    with Store.writing(folder) as store:
        driven = study(store)
        driven.open("a-s4")
        for tick in range(3):
            driven.tick("a-s4", tick)
            wait_until(lambda: lines_there() == store.path.read_bytes())
            machine("two")
            view = open_study(URL)
            assert ticks(view.folder) == {"a-s4": tick + 1}
            assert "process" in (driver(view.folder) or "")
            machine("one")
    assert driver(folder) is None
    machine("two")
    assert driver(folder_of(URL)) is None
    assert repr(open_study(URL)).endswith("1 trial of 'digits')")


def test_a_study_that_was_deleted_in_the_store_is_kept_here(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    folder = machine("one")
    created(URL)
    with Store.writing(folder) as store:
        study(store).whole("a-s4")
    before = store.path.read_bytes()
    objects = Objects(URL)
    objects.delete([meta.key for meta in objects.list("records")])
    second = machine("two")
    created(URL)
    with Store.writing(second) as other:
        study(other).whole("b-s4")
    machine("one")
    assert set(ticks(open_study(URL).folder)) == {"b-s4"}
    assert (folder / "former1" / "records.jsonl").read_bytes() == before
    assert "holds other records than before" in caplog.text


def test_a_missing_segment_is_named(machine: Machine) -> None:
    folder = machine("one")
    created(URL)
    for trial in ("a-s4", "b-s4", "c-s4"):
        with Store.writing(folder) as store:
            study(store).whole(trial)
    objects = Objects(URL)
    keys = [meta.key for meta in objects.list("records")]
    objects.delete(keys[1:2])
    machine("two")
    with pytest.raises(UserError, match=rf"must have all segments of its records; none begins at byte {int(keys[1][8:-6])}"):
        open_study(URL)


def test_grids_and_generators_are_fetched_when_they_are_used(machine: Machine) -> None:
    folder = machine("one")
    created(URL)
    with Store.writing(folder) as store:
        study(store).whole("a-s4")
        for grid in store.layout.grids("a-s4"):
            store.publish(grid)
    newest = store.layout.grids("a-s4")[-1].read_bytes()
    Objects(URL).put("trials/a-s4/1000/generator.safetensors", b"no generator")
    machine("two")
    trial = open_study(URL).trial("a-s4")
    assert trial.samples_png() == newest
    assert [saved.images for saved in trial.stored] == [1000]
    with pytest.raises(UserError, match="must be a complete generator file"):
        trial.export(folder.parent / "g.safetensors")


def test_status_needs_no_torch_and_doctor_checks_the_records(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    folder = machine("one")
    created(URL)
    with Store.writing(folder) as store:
        study(store)
    machine("two")
    code = f"import sys; from study.api import open_study; open_study({URL!r}); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert doctor(URL, Console(), mend=False)
    assert f"{URL}: nothing wrong in 0 trials" in capsys.readouterr().out
    with pytest.raises(UserError, match="a repair needs a study in a folder"):
        doctor(URL, Console(), mend=True)
    local = folder_of(URL)
    with (local / "records.jsonl").open("ab") as file:
        file.write(b"{}\n")
    assert not doctor(local, Console(), mend=False)


@pytest.fixture
def elsewhere(machine: Machine, toy: Callable[..., StudySpec]) -> Path:
    """The local copy, on machine two, of a finished study that machine one has written with all files."""
    machine("one")
    folder = created(URL)
    in_this_process(toy(n_configs=2), folder)
    with Store.writing(folder) as store:
        for path in (folder / "tune").rglob("*"):
            if path.is_file():
                store.publish(path)
    machine("two")
    return open_study(URL).folder


def test_a_finished_study_is_read_elsewhere(elsewhere: Path, tmp_path: Path, machine: Machine) -> None:
    here = open_study(machine("one"))
    machine("two")
    view = open_study(URL)
    pd.testing.assert_frame_equal(view.trials(), here.trials())
    trial = view.best(1)[0]
    original = here.trial(trial.trial_id)
    assert trial.export(tmp_path / "g.safetensors").read_bytes() == original.generator_path().read_bytes()
    assert trial.generator_path(best_tick=True) == elsewhere / original.generator_path(best_tick=True).relative_to(here.folder)
    assert torch.equal(trial.sample(3), original.sample(3))
    assert "Does R1 keep" in write_report(view, tmp_path / "report.md").read_text()
    values = view.evaluate(samples=100).values
    machine("three")
    (found,) = open_study(URL).evaluated().values()
    pd.testing.assert_frame_equal(found, values, check_like=True)


def test_a_damaged_checkpoint_in_the_store_is_passed_over(elsewhere: Path, caplog: pytest.LogCaptureFixture) -> None:
    record = next(iter(open_study(URL).store.trials.values()))
    newer, older = record.saved[-1], record.saved[-2]
    Objects(URL).put(f"{newer.path}/{STATE}", b"damaged")
    assert newest(record, elsewhere) == str(elsewhere / older.path)
    assert "it differs from its checksum in SHA256SUMS" in caplog.text
    Objects(URL).put(f"{newer.path}/{GENERATOR_FILE}", b"damaged")
    with pytest.raises(UserError, match="it differs from its checksum"):
        open_study(URL).trial(record.trial_id).export(elsewhere.parent / "g.safetensors")


def test_a_worker_gets_the_checkpoint_that_a_trial_goes_on_from(elsewhere: Path, toy: Callable[..., StudySpec]) -> None:
    with Store.writing(elsewhere) as store:
        record = next(iter(store.trials.values()))
        config = Search(toy(n_configs=2), store)._checkpoint(record)
        there = pickle.loads(pickle.dumps(config))
        assert there.path == f"{BUCKET}/runs/toy/{record.saved[-1].path}"
        with there.as_directory() as folder:
            files = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
        assert not Path(folder).exists()
    objects = Objects(URL)
    assert files == {meta.key.rpartition("/")[2]: objects.get(meta.key) for meta in objects.list(record.saved[-1].path)}
    assert STATE in files
