"""Worker processes that train several trials each (`resources.lanes`), and the dispatcher that starts and ends them.

Imports no torch: the dispatcher's process does not need it.
"""

import asyncio
import os
import sys
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

_SHARED_DEATHS = 2  # how many shared workers may die while they train a trial; then it is trained alone


@dataclass(frozen=True, kw_only=True)
class Place:
    """What one worker serves: a node, and the GPUs that Ray gave to the trials (none: the CPU), of which each trial has a share."""

    node: str
    cpus: float  # of each trial
    gpus: tuple[str, ...] = ()
    share: float = 0.0
    alone: str = ""  # the only trial of this worker; "" for a worker that trials share


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """A trial's worker. `number` tells a worker from the one that replaced it."""

    place: Place
    number: int
    worker: Any


@dataclass(kw_only=True)
class _Running:
    """A worker, and the lanes that use it."""

    assignment: Assignment
    lanes: set[str] = field(default_factory=set)


class Dispatcher:
    """Actor that starts the workers and decides which of them trains a trial.

    The driver owns the dispatcher and the dispatcher owns the workers, so Ray kills them with the driver, however it ends.
    """

    def __init__(self) -> None:
        self._running: dict[Place, _Running] = {}
        self._deaths: Counter[str] = Counter()  # trial -> workers that died while they trained it
        self._crashed_alone: set[str] = set()  # trials that crashed a worker of their own
        self._hung: set[int] = set()  # numbers of workers that were ended because a trial hung
        self._n_workers = 0

    def assign(self, trial_id: str, lane: str, place: Place) -> Assignment:
        """Return the worker that will train a trial. Starts one if needed."""
        place = replace(place, alone=trial_id if self._deaths[trial_id] >= _SHARED_DEATHS else "")
        if place not in self._running:
            self._n_workers += 1
            strategy = NodeAffinitySchedulingStrategy(place.node, soft=False)
            worker = ray.remote(Worker).options(num_cpus=0, num_gpus=0, scheduling_strategy=strategy).remote(place)
            self._running[place] = _Running(assignment=Assignment(place=place, number=self._n_workers, worker=worker))
        self._running[place].lanes.add(lane)
        return self._running[place].assignment

    def died(self, assignment: Assignment, trial_id: str | None) -> None:
        """Note that a worker died. trial_id: the trial that saw it die, if the worker had begun it."""
        if trial_id and assignment.number not in self._hung:
            self._deaths[trial_id] += 1
            if assignment.place.alone:
                self._crashed_alone.add(trial_id)
        if (running := self._running.get(assignment.place)) and running.assignment.number == assignment.number:
            self._end(assignment.place)

    def end_hanging(self, assignment: Assignment) -> None:
        """End a worker in which a trial hangs. Its death does not count against the other trials, which resume in another one."""
        self._hung.add(assignment.number)
        if (running := self._running.get(assignment.place)) and running.assignment.number == assignment.number:
            self._end(assignment.place)

    def reached_tick(self, trial_id: str) -> bool:
        """Note that a trial reached a tick alone. Returns whether it may share a worker again.

        It may unless it ever crashed a worker of its own. If one more shared worker dies while it trains the trial, the trial is alone again.
        """
        if trial_id not in self._crashed_alone:
            self._deaths[trial_id] = _SHARED_DEATHS - 1
        return trial_id not in self._crashed_alone

    def release(self, lane: str, assignment: Assignment) -> None:
        """Note that a lane no longer uses a worker. The last one ends it."""
        running = self._running.get(assignment.place)
        if running and running.assignment.number == assignment.number:
            running.lanes.discard(lane)
            if not running.lanes:
                self._end(assignment.place)

    def _end(self, place: Place) -> None:
        ray.kill(self._running.pop(place).assignment.worker)


class TrainingError(Exception):
    """A trial raised an exception in a worker. The message is its traceback: its class may be defined in a module that lanes do not import."""


class Worker:
    """Actor that trains all trials of a place. Light until the first trial begins."""

    def __init__(self, place: Place):
        self._place = place
        self._lanes: Any = None  # trainables.lanes.Lanes
        self._opening = asyncio.Lock()
        self._threads: dict[str, ThreadPoolExecutor] = {}
        self._pids: dict[str, int] = {}

    async def pid(self) -> int:
        """Return the id of this process."""
        return os.getpid()

    async def begin(self, lane: str, pid: int, shared: Sequence[Any], flat: dict[str, Any], checkpoint: str | None) -> str | None:
        """Start or resume a trial. Returns the traceback of an exception, or None.

        pid: the lane's process. shared: the reference of a Shared, in a list, so that Ray hands it over as a reference.
        """
        for gone in [name for name, other in self._pids.items() if not psutil.pid_exists(other)]:
            await self.end(gone)  # the lane was killed and could not end its trial; the trial runs in another lane now
        self._pids[lane] = pid
        thread = self._threads.setdefault(lane, ThreadPoolExecutor(1))
        async with self._opening:
            if self._lanes is None:
                try:
                    self._lanes = await asyncio.get_running_loop().run_in_executor(thread, self._opened, await shared[0])
                except Exception:  # of a plugin's import or of the GPU; it belongs to this trial, and the next one tries again
                    return traceback.format_exc()
        return (await self._in_thread(lane, "begin", flat, Path(checkpoint) if checkpoint else None))[1]

    async def tick(self, lane: str, folder: str) -> tuple[dict[str, Any] | None, str | None]:
        """Train to the next tick. Returns what it measured, or else the traceback of an exception. See Lanes.tick."""
        return await self._in_thread(lane, "tick", Path(folder))

    async def end(self, lane: str) -> None:
        """Drop a lane and its trial."""
        self._pids.pop(lane, None)
        if thread := self._threads.pop(lane, None):
            thread.submit(lambda: self._lanes and self._lanes.end(lane))
            thread.shutdown(wait=False)

    async def _in_thread(self, lane: str, method: str, *given: Any) -> tuple[Any, str | None]:
        return await asyncio.get_running_loop().run_in_executor(self._threads[lane], self._call, method, lane, *given)

    def _call(self, method: str, *given: Any) -> tuple[Any, str | None]:
        """Call a method of Lanes. Everything raised belongs to one trial; StopIteration and SystemExit would block the event loop for ever.

        Ends the process if its device is unusable, so that all trials resume in another one. A trial alone fails, with the true reason.
        """
        try:
            return getattr(self._lanes, method)(*given), None
        except BaseException:
            raised = traceback.format_exc()
        if not self._place.alone and not self._lanes.usable():
            sys.stderr.write(raised)
            sys.stderr.flush()
            os._exit(1)
        return None, raised

    def _opened(self, shared: Any) -> Any:
        """Return the Lanes of this process."""
        if self._place.gpus:
            os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(self._place.gpus)  # read when torch first uses CUDA
        from trainables.lanes import Lanes  # here, so that the dispatcher and the lanes do not import torch

        return Lanes(shared, cpus=self._place.cpus, gpu=self._place.share)


@contextmanager
def dispatching() -> Iterator[Any]:
    """Run a Dispatcher for the trials of one Tune run. Its end ends the workers."""
    # If it crashes, Ray starts it again and repeats calls. Its workers die with it, and the lanes ask for new ones.
    actor: Any = ray.remote(Dispatcher).options(num_cpus=0, max_restarts=-1, max_task_retries=-1).remote()
    try:
        yield actor
    finally:
        ray.kill(actor)
