"""Drivers of a study in an object store: one at a time, across machines."""

import time

import pytest
from object_store import URL, Machine, lines_there, study, ticks
from recorded import wait_until

from ganstudy import UserError
from study.api import open_study
from study.store import object_lock
from study.store.layout import Layout
from study.store.local_copy import created
from study.store.lock import driver, driving, stop_driver
from study.store.objects import Objects
from study.store.store import Store


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
            monkeypatch.setattr(object_lock, "STALE_S", 2.0)  # the clock of an S3 counts seconds
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
    monkeypatch.setattr(object_lock, "STALE_S", 5.0)
    monkeypatch.setattr(object_lock, "REFRESH_S", 0.2)
    first = machine("one")
    created(URL)
    with Store.writing(first) as store:
        study(store)
        time.sleep(6.5)
        second = machine("two")
        created(URL)
        with pytest.raises(UserError, match="is in use"), driving(second):
            pass
        machine("one")


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
