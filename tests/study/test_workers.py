"""Workers and the dispatcher without Ray: what a trial raises, who is trained alone, who ends a worker."""

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from study.engine.workers import Assignment, Dispatcher, Place, Worker

PLACE = Place(node="here", cpus=1)
GONE = 2**22 + 1  # no process has so high an id


class FakeLanes:
    """Lanes of trials that raise what their config holds."""

    def __init__(self) -> None:
        self.trials: dict[str, Any] = {}
        self.broken = False

    def begin(self, lane: str, flat: dict[str, Any], checkpoint: Path | None) -> None:
        self.trials[lane] = flat

    def tick(self, lane: str, folder: Path) -> dict[str, Any]:
        if error := self.trials[lane].get("raises"):
            raise error
        return {"images": 0}

    def end(self, lane: str) -> None:
        self.trials.pop(lane, None)

    def usable(self) -> bool:
        return not self.broken


@pytest.fixture
def lanes(monkeypatch: pytest.MonkeyPatch) -> FakeLanes:
    fake = FakeLanes()
    monkeypatch.setattr(Worker, "_opened", lambda self, shared: fake)
    return fake


async def given() -> str:
    return "what Ray would fetch"


async def ticks(worker: Worker, *trials: dict[str, Any]) -> list[str | None]:
    """Begin trials in lanes a, b, …, train each to a tick, and return what they raised."""
    names = "abcdef"[: len(trials)]
    for name, flat in zip(names, trials, strict=True):
        assert await worker.begin(name, os.getpid(), [given()] if worker._lanes is None else [], flat, None) is None
    return [raised for _, raised in await asyncio.gather(*(worker.tick(name, "somewhere") for name in names))]


@pytest.mark.parametrize("error", [OSError("the disk is gone"), StopIteration(), SystemExit(3), KeyboardInterrupt()])
def test_what_a_trial_raises_is_its_own(lanes: FakeLanes, error: BaseException) -> None:
    good, bad = asyncio.run(ticks(Worker(PLACE), {}, {"raises": error}))
    assert good is None
    assert bad is not None
    assert type(error).__name__ in bad.splitlines()[-1]


def test_a_process_whose_device_is_unusable_ends(lanes: FakeLanes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless its only trial is alone: that trial fails with the reason."""
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    lanes.broken = True
    illegal = {"raises": RuntimeError("CUDA error: an illegal memory access was encountered")}
    (reason,) = asyncio.run(ticks(Worker(replace(PLACE, alone="x")), illegal))
    assert not ended
    assert reason is not None
    assert "illegal memory access" in reason
    asyncio.run(ticks(Worker(PLACE), illegal))
    assert ended == [1]


def test_what_the_first_trial_raises_at_the_start_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: Worker, shared: str) -> None:
        raise RuntimeError(f"no GPU for {shared}")

    monkeypatch.setattr(Worker, "_opened", fails)
    raised = asyncio.run(Worker(PLACE).begin("a", os.getpid(), [given()], {}, None))
    assert raised is not None
    assert raised.endswith("RuntimeError: no GPU for what Ray would fetch\n")


def test_trials_of_dead_lanes_are_dropped(lanes: FakeLanes) -> None:
    async def three() -> None:
        worker = Worker(PLACE)
        await ticks(worker, {}, {})
        await worker.begin("b", GONE, [], {}, None)
        await worker.begin("c", os.getpid(), [], {}, None)
        for _ in range(1000):
            await asyncio.sleep(0.01)
            if "b" not in lanes.trials:
                break

    asyncio.run(three())
    assert set(lanes.trials) == {"a", "c"}


@pytest.fixture
def dispatcher(monkeypatch: pytest.MonkeyPatch) -> tuple[Dispatcher, list[str]]:
    """A dispatcher with fake workers, and the names of those that it ended."""
    ended: list[str] = []

    def remote(of: type) -> Any:
        return SimpleNamespace(options=lambda **how: SimpleNamespace(remote=lambda place: f"worker {place.alone or 'of all'}"))

    monkeypatch.setattr("study.engine.workers.ray", SimpleNamespace(remote=remote, kill=ended.append))
    monkeypatch.setattr("study.engine.workers.NodeAffinitySchedulingStrategy", lambda node, soft: node)
    return Dispatcher(), ended


def crash(dispatcher: Dispatcher, *trials: str) -> list[Assignment]:
    """Assign workers to all trials, and let the workers die. Returns the assignments."""
    assigned = [dispatcher.assign(trial, f"lane of {trial}", PLACE) for trial in trials]
    for trial, assignment in zip(trials, assigned, strict=True):
        dispatcher.died(assignment, trial)
    return assigned


def test_trials_of_two_dead_workers_are_trained_alone(dispatcher: tuple[Dispatcher, list[str]]) -> None:
    workers, ended = dispatcher
    for expected in (1, 2):
        assert {assignment.number for assignment in crash(workers, "a", "b")} == {expected}
    assert ended == ["worker of all"] * 2
    assert [workers.assign(trial, "lane", PLACE).place.alone for trial in ("a", "b", "c")] == ["a", "b", ""]
    assert workers.reached_tick("b"), "a trial that reaches a tick alone may share again"
    assert workers.assign("b", "lane", PLACE).place.alone == ""
    crash(workers, "b")
    assert workers.assign("b", "lane", PLACE).place.alone == "b", "but one more death makes it train alone again"


def test_a_trial_that_crashes_its_own_worker_stays_alone(dispatcher: tuple[Dispatcher, list[str]]) -> None:
    workers, _ = dispatcher
    for _ in range(3):
        crash(workers, "a")
    assert not workers.reached_tick("a")
    assert workers.assign("a", "lane", PLACE).place.alone == "a"


def test_a_worker_that_was_dead_before_counts_against_no_trial(dispatcher: tuple[Dispatcher, list[str]]) -> None:
    workers, _ = dispatcher
    for _ in range(5):
        workers.died(workers.assign("a", "lane", PLACE), None)
    assert workers.assign("a", "lane", PLACE).place.alone == ""


def test_the_last_lane_ends_the_worker(dispatcher: tuple[Dispatcher, list[str]]) -> None:
    workers, ended = dispatcher
    first, second = workers.assign("a", "lane 1", PLACE), workers.assign("b", "lane 2", PLACE)
    assert first == second
    workers.release("lane 1", first)
    assert not ended
    workers.release("lane 2", second)
    assert ended == ["worker of all"]
    newer = workers.assign("a", "lane 1", PLACE)
    workers.release("lane 1", first)  # comes late: the worker is gone
    assert ended == ["worker of all"]
    assert newer.number == first.number + 1


def test_each_device_has_a_worker(dispatcher: tuple[Dispatcher, list[str]]) -> None:
    workers, _ = dispatcher
    places = [replace(PLACE, gpus=("0",), share=0.5), replace(PLACE, gpus=("1",), share=0.5), replace(PLACE, node="there")]
    assert [workers.assign("a", "lane", place).number for place in places + places] == [1, 2, 3] * 2
