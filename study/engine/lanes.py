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
from ray import tune
from ray.exceptions import GetTimeoutError, RayActorError, RayError
from ray.tune.result import DONE, SHOULD_CHECKPOINT

from study.engine.workers import Berth, Place, TrainingError

_TRIES = 8  # for one tick; a trial that takes workers down is given up earlier
_GOODBYE_S = 10.0


class Lane(tune.Trainable):
    """Ray Tune Trainable that reports and saves what GanTrainable does, but lets a worker train.

    If the worker dies, the lane resumes its trial in another one, from the last tick. Only a trial that takes a worker of its own down fails.
    """

    def setup(self, config: dict[str, Any], *, desk: Any, shared: Sequence[Any]) -> None:  # type: ignore[override]
        """desk: of the study. shared: the reference of a Shared, in a list; only workers load it."""
        context, requested = ray.get_runtime_context(), self.trial_resources
        resources = requested.required_resources if requested else {}
        share = resources.get("GPU", 0.0)
        gpus = tuple(context.get_accelerator_ids().get("GPU", ())) if share else ()
        self._desk, self._shared, self._name = desk, shared, context.get_actor_id()
        self._place = Place(node=context.get_node_id(), cpus=resources.get("CPU", 1.0), gpus=gpus, share=share if gpus else 0.0)
        self._scratch = Path(tempfile.mkdtemp(dir=self.logdir))  # in the folder of this Ray, not of the study
        self._berth: Berth | None = None
        self._take(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._take(new_config)
        return True

    def _take(self, config: dict[str, Any]) -> None:
        """Take over the trial of a Tune config; its first step starts it."""
        self._trial_id, self._flat, self._checkpoint = config["trial_id"], config["flat"], config["checkpoint"]
        self._aboard = False
        if self._berth and self._berth.place.alone:
            self._leave()

    def step(self) -> dict[str, Any]:
        for attempt in range(_TRIES):
            try:
                facts = self._tick()
                break
            except TrainingError:
                self._leave()  # Tune ends this lane
                raise
            except RayActorError as error:
                self._mourn(error, last=attempt == _TRIES - 1)
        if self._berth and self._berth.place.alone and ray.get(self._desk.passed.remote(self._trial_id)):
            self._leave()
        return {**facts, DONE: facts["finished"] or bool(facts["diverged"]), SHOULD_CHECKPOINT: not facts["diverged"]}

    def _tick(self) -> dict[str, Any]:
        """Train to the next tick and keep its checkpoint. Raises RayActorError if the worker died, TrainingError if the trial failed."""
        if not self._aboard:
            self._berth = self._berth or ray.get(self._desk.board.remote(self._trial_id, self._name, self._place))
            ray.get(self._berth.worker.pid.remote())  # a worker that died before this trial was aboard is not the trial's fault
            self._aboard = True
            raised = ray.get(self._berth.worker.begin.remote(self._name, os.getpid(), self._shared, self._flat, self._checkpoint))
            if raised:
                raise TrainingError(raised)
        assert self._berth
        folder = tempfile.mkdtemp(dir=self._scratch)
        facts, raised = ray.get(self._berth.worker.tick.remote(self._name, folder))
        if raised:
            raise TrainingError(raised)
        if not facts["diverged"]:
            self._forget_checkpoint()
            self._checkpoint = folder
        return dict(facts)

    def _mourn(self, error: RayActorError, *, last: bool) -> None:
        """Report a dead worker to the desk. Raises TrainingError if its death is this trial's fault, the error itself if the desk is gone."""
        if self._berth is None:
            raise error
        berth, aboard = self._berth, self._aboard
        self._berth, self._aboard = None, False
        ray.get(self._desk.died.remote(berth, self._trial_id if aboard else None))
        if aboard and berth.place.alone:
            raise TrainingError(f"the process that trained this trial died, also when it trained nothing else. {error}") from None
        if last:
            raise TrainingError(f"{_TRIES} processes that were to train this trial died. {error}") from None

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Copy the checkpoint that the worker wrote at the last tick. The lane keeps its own, to resume from."""
        assert self._checkpoint
        shutil.copytree(self._checkpoint, checkpoint_dir, dirs_exist_ok=True)

    def cleanup(self) -> None:
        self._leave()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _leave(self) -> None:
        """Say goodbye to worker and desk; they may be gone already, or busy for longer than it matters."""
        if berth := self._berth:
            self._berth, self._aboard = None, False
            with suppress(RayError, GetTimeoutError):
                ray.get(berth.worker.end.remote(self._name), timeout=_GOODBYE_S)
            with suppress(RayError, GetTimeoutError):
                ray.get(self._desk.leave.remote(self._name, berth), timeout=_GOODBYE_S)

    def _forget_checkpoint(self) -> None:
        """Delete the last tick's checkpoint. The one that the trial started from belongs to the study."""
        if self._checkpoint and Path(self._checkpoint).parent == self._scratch:
            shutil.rmtree(self._checkpoint)
