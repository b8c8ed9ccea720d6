"""Workers and the desk without Ray: what a trial raises, who is trained alone, who ends a worker."""

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from study.engine.workers import Berth, Desk, Place, Worker

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
        await asyncio.sleep(0.1)

    asyncio.run(three())
    assert set(lanes.trials) == {"a", "c"}


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> tuple[Desk, list[str]]:
    """A desk with fake workers, and the names of those that it ended."""
    ended: list[str] = []

    def remote(of: type) -> Any:
        return SimpleNamespace(options=lambda **how: SimpleNamespace(remote=lambda place: f"worker {place.alone or 'of all'}"))

    monkeypatch.setattr("study.engine.workers.ray", SimpleNamespace(remote=remote, kill=ended.append))
    monkeypatch.setattr("study.engine.workers.NodeAffinitySchedulingStrategy", lambda node, soft: node)
    return Desk(), ended


def crash(desk: Desk, *trials: str) -> list[Berth]:
    """Let all trials board, and their workers die. Returns where they were."""
    berths = [desk.board(trial, f"lane of {trial}", PLACE) for trial in trials]
    for trial, berth in zip(trials, berths, strict=True):
        desk.died(berth, trial)
    return berths


def test_trials_aboard_two_dead_workers_are_trained_alone(desk: tuple[Desk, list[str]]) -> None:
    of_all, ended = desk
    for expected in (1, 2):
        assert {berth.number for berth in crash(of_all, "a", "b")} == {expected}
    assert ended == ["worker of all"] * 2
    assert [of_all.board(trial, "lane", PLACE).place.alone for trial in ("a", "b", "c")] == ["a", "b", ""]
    assert of_all.passed("b"), "a trial that reaches a tick alone is innocent"
    assert of_all.board("b", "lane", PLACE).place.alone == ""
    crash(of_all, "b")
    assert of_all.board("b", "lane", PLACE).place.alone == "b", "but one more death makes it a suspect again"


def test_a_trial_that_takes_its_own_worker_down_stays_alone(desk: tuple[Desk, list[str]]) -> None:
    of_all, _ = desk
    for _ in range(3):
        crash(of_all, "a")
    assert not of_all.passed("a")
    assert of_all.board("a", "lane", PLACE).place.alone == "a"


def test_a_worker_that_was_dead_before_is_nobodys_fault(desk: tuple[Desk, list[str]]) -> None:
    of_all, _ = desk
    for _ in range(5):
        of_all.died(of_all.board("a", "lane", PLACE), None)
    assert of_all.board("a", "lane", PLACE).place.alone == ""


def test_the_last_lane_ends_the_worker(desk: tuple[Desk, list[str]]) -> None:
    of_all, ended = desk
    first, second = of_all.board("a", "lane 1", PLACE), of_all.board("b", "lane 2", PLACE)
    assert first == second
    of_all.leave("lane 1", first)
    assert not ended
    of_all.leave("lane 2", second)
    assert ended == ["worker of all"]
    newer = of_all.board("a", "lane 1", PLACE)
    of_all.leave("lane 1", first)  # a late goodbye to a worker that is gone
    assert ended == ["worker of all"]
    assert newer.number == first.number + 1


def test_each_device_has_a_worker(desk: tuple[Desk, list[str]]) -> None:
    of_all, _ = desk
    places = [replace(PLACE, gpus=("0",), share=0.5), replace(PLACE, gpus=("1",), share=0.5), replace(PLACE, node="there")]
    assert [of_all.board("a", "lane", place).number for place in places + places] == [1, 2, 3] * 2
