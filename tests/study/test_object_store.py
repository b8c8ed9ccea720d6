"""A study in an object store, without Ray: records, lock, local copies and what goes wrong with them."""

import json
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from recorded import SPEC, STUDY, Driver, wait_until
from s3 import BUCKET, S3
from toy import TOY, in_this_process

from ganstudy import UserError
from study.api import open_study
from study.engine import submit
from study.engine.searcher import Search, newest
from study.show.doctor import doctor
from study.show.report import write_report
from study.spec.study_spec import StudySpec
from study.store import object_lock, sending
from study.store.layout import Layout
from study.store.local_copy import created, folder_of
from study.store.lock import driver, driving, refuse_second_driver, stop_driver
from study.store.objects import Objects, StoreError
from study.store.store import Store
from trainables.generators import GENERATOR_FILE
from trainables.trial import STATE

URL = f"s3://{BUCKET}/runs/toy"
NONE = f"s3://{BUCKET}/runs/none"
RECIPE = next((Path(__file__).parents[2] / "recipes").glob("*.yaml"))
Machine = Callable[[str], Path]


@pytest.fixture
def s3() -> Iterator[S3]:
    server = S3()
    yield server
    server.stop()


@pytest.fixture
def machine(s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Return a function that continues this test on the machine of a name, and returns the folder of the study there."""
    monkeypatch.setattr(sending, "_EVERY_S", 0.1)
    monkeypatch.setattr(sending, "_PAUSE_S", 0.1)

    def be(name: str) -> Path:
        s3.use(monkeypatch, tmp_path / name)
        monkeypatch.setattr("socket.gethostname", lambda: name)
        return folder_of(URL)

    return be


def study(store: Store) -> Driver:
    """A driver that has recorded its study."""
    store.write_study(replace(STUDY, spec={**SPEC, "plugins": []}))
    return Driver(store)


def ticks(folder: Path) -> dict[str, int]:
    return {trial_id: len(record.measurements) for trial_id, record in Store(folder).trials.items()}


def lines_there() -> bytes:
    """The records as they are in the store."""
    objects = Objects(URL)
    return b"".join(objects.get_all([meta.key for meta in objects.list("records")]))


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


def test_a_second_driver_is_refused(machine: Machine) -> None:
    first = machine("one")
    created(URL)
    with Store.writing(first) as store:
        study(store)
        second = machine("two")
        created(URL)
        with (
            pytest.raises(UserError, match=rf"{URL} is in use by process \d+ of .* on one\. `ganstudy status {URL}` shows"),
            driving(second),
        ):
            pass
        machine("one")
    machine("two")
    with driving(second):
        pass


def test_a_driver_of_this_machine_that_was_killed_does_not_block_the_next(machine: Machine) -> None:
    folder = machine("one")
    created(URL)
    with driving(folder):
        left = Objects(URL).get("lock")
    Objects(URL).put("lock", left)
    assert driver(folder) is None
    with driving(folder):
        pass


def test_a_lock_that_is_not_refreshed_is_taken_over_and_its_driver_stops(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_lock, "STALE_S", 2.0)  # the clock of an S3 counts seconds
    first = machine("one")
    created(URL)
    there = b""

    def asleep() -> None:
        """Drive the study on machine one, and let machine two take it over."""
        nonlocal there
        with Store.writing(first) as store:
            driven = study(store)
            driven.whole("a-s4")
            wait_until(lambda: lines_there() == store.path.read_bytes())
            second = machine("two")
            created(URL)
            with pytest.raises(UserError, match="is in use"), driving(second):
                pass
            time.sleep(3.5)
            with Store.writing(second) as other:
                study(other).whole("b-s4")
                monkeypatch.setattr(object_lock, "REFRESH_S", 0.0)
                wait_until(lambda: store.is_lost)
            there = lines_there()
            machine("one")
            driven.whole("c-s4")

    with pytest.raises(object_lock.Lost, match=r"is driven by process \d+ of .* on two now"):
        asleep()
    assert lines_there() == there
    assert set(ticks(open_study(URL).folder)) == {"a-s4", "b-s4"}
    assert not [*first.glob("records.*.jsonl")], "it has written nothing more here either"


def test_a_lock_that_is_refreshed_is_not_taken_over(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_lock, "STALE_S", 2.0)
    monkeypatch.setattr(object_lock, "REFRESH_S", 0.2)
    first = machine("one")
    created(URL)
    with Store.writing(first) as store:
        study(store)
        time.sleep(3.5)
        second = machine("two")
        created(URL)
        with pytest.raises(UserError, match="is in use"), driving(second):
            pass
        machine("one")


KILLED = """
import os, signal, socket
socket.gethostname = lambda: "one"
from recorded import Driver
from study.store import sending
from study.store.store import Store
sending._EVERY_S = 3600
with Store.writing({folder!r}) as store:
    Driver(store).whole({trial!r})
    os.kill(os.getpid(), signal.SIGKILL)
"""


def killed(folder: Path, trial: str) -> None:
    """Let a driver on machine one write a trial; kill it before it has sent anything."""
    root = Path(__file__).parents[2]
    script = f"import sys; sys.path[:0] = {[str(root), str(root / 'tests')]!r}; from pathlib import PosixPath" + KILLED.format(
        folder=folder, trial=trial
    )
    assert subprocess.run([sys.executable, "-c", script], timeout=60, check=False).returncode == -signal.SIGKILL


def test_lines_that_were_not_sent_are_sent_by_the_next_driver(machine: Machine) -> None:
    folder = machine("one")
    created(URL)
    with Store.writing(folder) as store:
        study(store).whole("a-s4")
    there = lines_there()
    killed(folder, "b-s4")
    assert lines_there() == there
    open_study(URL)
    assert set(ticks(folder)) == {"a-s4", "b-s4"}, "a reader on this machine keeps them"
    with Store.writing(folder) as store:
        pass
    assert lines_there() == store.path.read_bytes()
    machine("two")
    assert set(ticks(open_study(URL).folder)) == {"a-s4", "b-s4"}


def test_lines_that_were_not_sent_are_kept_aside_where_another_driver_went_on(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(object_lock, "STALE_S", 0.0)
    folder = machine("one")
    created(URL)
    with Store.writing(folder) as store:
        study(store).whole("a-s4")
    killed(folder, "b-s4")
    unsent = (folder / "records.jsonl").read_bytes()
    second = machine("two")
    created(URL)
    with Store.writing(second) as other:
        study(other).whole("c-s4")
    machine("one")
    assert set(ticks(open_study(URL).folder)) == {"a-s4", "c-s4"}
    assert (folder / "records.jsonl").read_bytes() == lines_there()
    assert (folder / "records.1.jsonl").read_bytes() == unsent
    assert f"another driver of {URL} has gone on without the last" in caplog.text


def test_a_store_that_is_away_for_a_while(machine: Machine, s3: S3, caplog: pytest.LogCaptureFixture) -> None:
    folder = machine("one")
    created(URL)
    with Store.writing(folder) as store:
        driven = study(store)
        driven.whole("a-s4")
        s3.stop()
        driven.whole("b-s4")
        wait_until(lambda: "the records wait in" in caplog.text)
        driven.whole("c-s4")
        s3.start()
        wait_until(lambda: lines_there() == store.path.read_bytes())
        assert "answers again" in caplog.text
    machine("two")
    assert ticks(open_study(URL).folder) == {"a-s4": 3, "b-s4": 3, "c-s4": 3}


def test_the_machine_of_the_driver_reads_its_own_lines_while_the_store_is_away(machine: Machine, s3: S3) -> None:
    machine("one")
    with Store.writing(created(URL)) as store:
        driven = study(store)
        s3.stop()
        driven.whole("a-s4")
        assert ticks(open_study(URL).folder) == {"a-s4": 3}
        s3.start()


def test_a_store_that_is_away_at_the_end(machine: Machine, s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "_END_S", 0.5)
    folder = machine("one")
    created(URL)

    def drive() -> None:
        with Store.writing(folder) as store:
            driven = study(store)
            wait_until(lambda: lines_there() == store.path.read_bytes())
            s3.stop()
            driven.whole("a-s4")

    waiting = (
        rf"bytes of the records are not there yet; they are in {folder}/records\.jsonl\. `ganstudy resume {URL}` on this machine sends them"
    )
    with pytest.raises(UserError, match=waiting):
        drive()
    s3.start()
    with Store.writing(folder) as store:
        pass
    assert lines_there() == store.path.read_bytes()


def test_an_object_is_deleted_only_when_the_lines_before_are_there(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = machine("one")
    created(URL)
    Objects(URL).put("tune/old", b"a checkpoint")
    with Store.writing(folder) as store:
        driven = study(store)
        wait_until(lambda: lines_there() == store.path.read_bytes())
        assert store._sending
        with monkeypatch.context() as patch:
            patch.setattr(store._sending, "_send_lines", lambda: None)
            driven.whole("a-s4")
            store._sending.delete(["tune/old"])
            time.sleep(1)
            assert Objects(URL).head("tune/old")
        wait_until(lambda: Objects(URL).head("tune/old") is None)
        assert lines_there() == store.path.read_bytes()


def test_stop_reaches_a_driver_on_another_machine(machine: Machine) -> None:
    folder = machine("one")
    created(URL)
    with Store.writing(folder) as store:
        study(store)
        wait_until(lambda: lines_there() == store.path.read_bytes())
        machine("two")
        with pytest.raises(UserError, match=r"must stop within 0\.5 s; it is still active"):
            stop_driver(open_study(URL).folder, wait_s=0.5)
        machine("one")
        wait_until(store.layout.stop.exists)
    with Store.writing(folder):
        assert not Layout(folder).stop.exists()
        time.sleep(0.5)
        assert not Layout(folder).stop.exists()


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


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "s3://another/runs/toy",
            r"s3://another/runs/toy must be an address .*; it says: NoSuchBucket: .*Check the address, the network, and AWS_ACCESS",
        ),
        (NONE, "must be the address of a study, with objects below records/; there are none"),
        (f"s3://{BUCKET}", "must be a path, or an address such as s3://bucket/runs/my"),
        (f"s3://key:secret@{BUCKET}/toy", "Credentials do not belong into the address"),
        ("https://host/toy", "must be a path, or an address such as"),
        (
            Path(URL),
            "the folder of a study must be a path on this machine, or an address given as text where one is allowed; given 's3:/studies",
        ),
    ],
)
def test_a_wrong_address_is_refused(machine: Machine, tmp_path: Path, url: str | Path, message: str) -> None:
    machine("one")
    with pytest.raises(UserError, match=message):
        open_study(url)
    if url != NONE:
        with pytest.raises(UserError, match=message):
            created(url)
    assert not [*tmp_path.rglob("origin.json")], "nothing is left behind"


def test_a_store_that_does_not_answer_is_told(machine: Machine, s3: S3) -> None:
    machine("one")
    s3.stop()
    with pytest.raises(StoreError, match=rf"{URL} must be an address .*that answers"):
        open_study(URL)
    s3.start()


def test_credentials_that_are_refused_are_told(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine("one")
    monkeypatch.setattr("moto.settings.INITIAL_NO_AUTH_ACTION_COUNT", 0)
    with pytest.raises(StoreError, match="it says: InvalidAccessKeyId") as told:
        open_study(URL)
    assert "the-secret" not in str(told.value)


def test_a_store_without_conditional_writes_is_refused(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    import obstore

    folder = machine("one")
    created(URL)
    put = obstore.put

    def unconditional(*args: Any, mode: object = None, **kwargs: Any) -> Any:
        return put(*args, **kwargs)

    monkeypatch.setattr(obstore, "put", unconditional)
    with pytest.raises(UserError, match=r"must be in a store with conditional writes .* this one ignores the conditions"):
        refuse_second_driver(folder)
    assert not Objects(URL).list("probe")


def test_without_obstore_the_extra_is_named(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine("one")
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(UserError, match=r"needs obstore .*; install it: pip install 'ganstudy\[cloud\]'"):
        open_study(URL)


def test_credentials_are_in_no_file_and_no_object(machine: Machine, s3: S3) -> None:
    folder = machine("one")
    created(URL)
    with Store.writing(folder) as store:
        study(store).whole("a-s4")
        objects = Objects(URL)
        written = [objects.get(meta.key) for meta in objects.list("")] + [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    for secret in (s3.env["AWS_SECRET_ACCESS_KEY"], s3.env["AWS_ACCESS_KEY_ID"]):
        assert not any(secret.encode() in data for data in written)


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


def test_a_study_in_a_store_is_submitted_by_its_address(toy: Callable[..., StudySpec], tmp_path: Path) -> None:
    asked: list[dict[str, Any]] = []

    class Client:
        def submit_job(self, **given: Any) -> str:
            asked.append(given)
            return "job"

        def get_address(self) -> str:
            return "http://head:8265"

    client: Any = Client()
    assert submit.submit(client, toy(), submit.place(f"{URL}/")) == "job"
    assert asked[0]["entrypoint"] == f"ganstudy launch study.yaml --address auto --folder {URL}"
    assert "AWS" not in str(asked[0]["runtime_env"]), "credentials are the cluster's own"
    (tmp_path / "study.yaml").write_text(json.dumps(TOY))
    words = ["submit", str(tmp_path / "study.yaml"), "--address", "http://head:8265", "--folder", URL, "--copy", "here"]
    assert "can be read from here. Leave it out" in refused(*words)


def test_an_address_is_no_folder_for_what_is_written_here() -> None:
    assert "--folder must be a path on this machine" in refused("train", str(RECIPE), "--folder", URL)
    assert not Path("s3:").exists()


def refused(*words: str) -> str:
    """Run a command that must be refused. Returns the message."""
    done = subprocess.run([sys.executable, "-m", "study.cli", *words], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done.stderr
    return done.stderr


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
