"""Which trials seem to hang, by a clock that the test moves."""

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from study.engine.watch import Watch


class Played:
    """A Watch and its clock."""

    def __init__(self, timeout_min: float | None = None) -> None:
        self.now = 0.0
        self.watch = Watch(timeout_min=timeout_min, clock=lambda: self.now)

    def start(self, *trials: str) -> None:
        for trial in trials:
            self.watch.on_trial_start(0, [], _trial(trial))

    def tick(self, trial: str, *, after: float, images: int = 100, done: bool = False) -> None:
        self.now += after
        self.watch.on_trial_result(0, [], _trial(trial), {"images": images, "done": done})

    def wait(self, seconds: float) -> None:
        for _ in range(2):  # it must warn once
            self.now += seconds / 2
            self.watch.on_step_end(0, [])


def _trial(trial: str) -> Any:
    return SimpleNamespace(config={"trial_id": trial})


def test_a_trial_that_waits_ten_times_as_long_is_told_once_for_each_tick(caplog: pytest.LogCaptureFixture) -> None:
    played = Played()
    with caplog.at_level(logging.WARNING):
        played.start("a")
        played.tick("a", after=50, images=0)
        played.tick("a", after=10)
        played.wait(90)
        assert not caplog.messages
        played.start("b")
        played.wait(20)
        assert caplog.messages == [
            "a has had no tick for 100 s; usual are 10 s. `ganstudy stop` ends it; resources.timeout_min would end it and try it again"
        ]
        played.tick("a", after=0)
        played.tick("b", after=0, done=True)
        played.wait(5000)
    assert [message[:26] for message in caplog.messages] == ["a has had no tick for 100 ", "a has had no tick for 2500"], "b has ended"


def test_short_ticks_may_wait_for_the_machine(caplog: pytest.LogCaptureFixture) -> None:
    played = Played()
    played.start("a")
    played.tick("a", after=0.1)
    played.wait(59)
    assert not caplog.messages


def test_the_time_limit_of_a_tick() -> None:
    played = Played(timeout_min=2)
    played.start("a")
    played.tick("a", after=100)
    played.now += 119
    assert not played.watch.overdue("a")
    played.now += 1
    assert played.watch.overdue("a").startswith("no tick within 2 min (resources.timeout_min)")
    assert not Played().watch.overdue("a")
