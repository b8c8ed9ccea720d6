"""The records of a study on their way into an object store: what a kill, another driver or an absent store does to them."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from object_store import URL, Machine, lines_there, study, ticks
from recorded import wait_until
from s3 import S3

from ganstudy import UserError
from study.api import open_study
from study.store import object_lock, sending
from study.store.local_copy import created
from study.store.objects import Objects
from study.store.store import Store

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
        sending = store._sending
        assert sending
        wait_until(lambda: sending._sent == sending._written)  # its thread has left the method that is replaced
        with monkeypatch.context() as patch:
            patch.setattr(sending, "_send_lines", lambda: None)
            driven.whole("a-s4")
            sending.delete(["tune/old"])
            time.sleep(1)
            assert Objects(URL).head("tune/old")
        wait_until(lambda: Objects(URL).head("tune/old") is None)
        assert lines_there() == store.path.read_bytes()
