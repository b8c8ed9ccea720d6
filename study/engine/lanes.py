"""Lane: a Ray Tune trial that a shared worker process trains (`resources.lanes`).

To Tune it is a trial like any other: it holds the trial's resources, and one step is one tick. Imports no torch, so it starts fast.
"""

import os
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import ray
from pyarrow.fs import LocalFileSystem
from ray import tune
from ray.exceptions import GetTimeoutError, RayActorError, RayError
from ray.tune.result import DONE, SHOULD_CHECKPOINT

from study.engine.watch import no_tick
from study.engine.workers import Assignment, Place, TrainingError

_TRIES = 8  # for one tick; a trial that crashes workers is given up earlier
_RELEASE_S = 10.0


class Lane(tune.Trainable):
    """Ray Tune Trainable that reports and saves what GanTrainable does, but lets a worker train.

    If the worker dies, the lane resumes its trial in another one, from the last tick. Only a trial that crashes a worker of its own fails.
    """

    def setup(self, config: dict[str, Any], *, dispatcher: Any, shared: Sequence[Any], timeout_min: float | None) -> None:  # type: ignore[override]
        """dispatcher: of the study. shared: the reference of a Shared, in a list; only workers load it. timeout_min: the time limit of a tick."""
        context, requested = ray.get_runtime_context(), self.trial_resources
        resources = requested.required_resources if requested else {}
        share = resources.get("GPU", 0.0)
        gpus = tuple(context.get_accelerator_ids().get("GPU", ())) if share else ()
        self._dispatcher, self._shared, self._name = dispatcher, shared, context.get_actor_id()
        self._place = Place(node=context.get_node_id(), cpus=resources.get("CPU", 1.0), gpus=gpus, share=share if gpus else 0.0)
        self._timeout_min = timeout_min
        self._scratch = Path(tempfile.mkdtemp(dir=self.logdir))  # in the folder of this Ray, not of the study
        self._assignment: Assignment | None = None
        self._take(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._take(new_config)
        return True

    def _take(self, config: dict[str, Any]) -> None:
        """Take over the trial of a Tune config; its first step starts it."""
        self._trial_id, self._flat = config["trial_id"], config["flat"]
        self._checkpoint = self._local(config["checkpoint"])
        self._begun = False
        if self._assignment and self._assignment.place.alone:
            self._release()

    def _local(self, checkpoint: tune.Checkpoint | None) -> str | None:
        """Return the folder of a checkpoint on this node. One in an object store is fetched."""
        if checkpoint is None:
            return None
        if isinstance(checkpoint.filesystem, LocalFileSystem):
            return str(checkpoint.path)
        return str(checkpoint.to_directory(tempfile.mkdtemp(dir=self._scratch)))

    def step(self) -> dict[str, Any]:
        for attempt in range(_TRIES):
            try:
                facts = self._tick()
                break
            except TrainingError:
                self._release()  # Tune ends this lane
                raise
            except RayActorError as error:
                self._worker_died(error, last=attempt == _TRIES - 1)
        if self._assignment and self._assignment.place.alone and ray.get(self._dispatcher.reached_tick.remote(self._trial_id)):
            self._release()
        return {**facts, DONE: facts["finished"] or bool(facts["diverged"]), SHOULD_CHECKPOINT: not facts["diverged"]}

    def _tick(self) -> dict[str, Any]:
        """Train to the next tick and keep its checkpoint. Raises RayActorError if the worker died, TrainingError if the trial failed."""
        if not self._begun:
            self._assignment = self._assignment or ray.get(self._dispatcher.assign.remote(self._trial_id, self._name, self._place))
            ray.get(self._assignment.worker.pid.remote())  # a worker that died before it began this trial does not count against the trial
            self._begun = True
            raised = self._in_time(
                self._assignment.worker.begin.remote(self._name, os.getpid(), self._shared, self._flat, self._checkpoint)
            )
            if raised:
                raise TrainingError(raised)
        assert self._assignment
        folder = tempfile.mkdtemp(dir=self._scratch)
        facts, raised = self._in_time(self._assignment.worker.tick.remote(self._name, folder))
        if raised:
            raise TrainingError(raised)
        if not facts["diverged"]:
            self._forget_checkpoint()
            self._checkpoint = folder
        return dict(facts)

    def _in_time(self, answer: Any) -> Any:
        """Return the worker's answer. Ends the worker if that takes longer than the time limit, and raises TrainingError."""
        try:
            return ray.get(answer, timeout=self._timeout_min and 60 * self._timeout_min)
        except GetTimeoutError:
            assert self._timeout_min
            ray.get(self._dispatcher.end_hanging.remote(self._assignment))
            raise TrainingError(no_tick(self._timeout_min)) from None

    def _worker_died(self, error: RayActorError, *, last: bool) -> None:
        """Report a dead worker to the dispatcher. Raises TrainingError if this trial caused it or too many died, the error itself if the dispatcher is gone."""
        if self._assignment is None:
            raise error
        assignment, begun = self._assignment, self._begun
        self._assignment, self._begun = None, False
        ray.get(self._dispatcher.died.remote(assignment, self._trial_id if begun else None))
        if begun and assignment.place.alone:
            raise TrainingError(f"the process that trained this trial died, also when it trained nothing else. {error}") from None
        if last:
            raise TrainingError(f"{_TRIES} processes that were to train this trial died. {error}") from None

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Copy the checkpoint that the worker wrote at the last tick. The lane keeps its own, to resume from."""
        assert self._checkpoint
        shutil.copytree(self._checkpoint, checkpoint_dir, dirs_exist_ok=True)

    def cleanup(self) -> None:
        self._release()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _release(self) -> None:
        """Tell worker and dispatcher that this lane is done with them; they may be gone, or too busy to answer."""
        if assignment := self._assignment:
            self._assignment, self._begun = None, False
            with suppress(RayError, GetTimeoutError):
                ray.get(assignment.worker.end.remote(self._name), timeout=_RELEASE_S)
            with suppress(RayError, GetTimeoutError):
                ray.get(self._dispatcher.release.remote(self._name, assignment), timeout=_RELEASE_S)

    def _forget_checkpoint(self) -> None:
        """Delete the last tick's checkpoint. The one that the trial started from belongs to the study."""
        if self._checkpoint and Path(self._checkpoint).parent == self._scratch:
            shutil.rmtree(self._checkpoint)
