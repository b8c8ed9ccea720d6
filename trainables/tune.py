"""Trial as a Ray Tune class Trainable. No other file of this package imports Ray."""

import importlib
import pickle
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import ray
import torch
from ray import cloudpickle, tune
from ray.tune.result import DONE, SHOULD_CHECKPOINT

from ganstudy import UserError
from ganstudy.versions import changed_files, code_files, refused, versions
from trainables.config import TrialConfig
from trainables.data import Source
from trainables.generators import Generator
from trainables.precision import be_deterministic
from trainables.threads import set_threads
from trainables.time_limit import time_limit
from trainables.trial import Trial


class Evaluator(Protocol):
    """Scores the samples of a generator."""

    def __call__(self, generator: Generator) -> Mapping[str, float]: ...

    def on(self, device: torch.device) -> "Evaluator":
        """Return this evaluator with its networks on `device`."""


class WrongVersions(Exception):
    """This worker runs other versions than the driver. Stops the study."""


class Refused(Exception):
    """A config raised a UserError while it was built or trained, so each further try would raise it again."""


@contextmanager
def refusing() -> Iterator[None]:
    """Turn a UserError into Refused, unless a file or the network caused it."""
    try:
        yield
    except UserError as error:
        if isinstance(error.__cause__ or error.__context__, OSError):
            raise
        raise Refused(str(error)) from error


@dataclass(frozen=True, kw_only=True)
class Shared:
    """Data and evaluator that all trials of a study share. Each worker gets them once from the object store, without copying arrays.

    A worker imports the plugins first, because the unpickled objects may be defined in them.
    """

    source: Source
    evaluator: Evaluator
    plugins: Sequence[str] = ()
    plugin_folders: Sequence[str] = ()  # folders of plugins that are not installed
    capture: bool = True  # see Trial
    deterministic: bool = False  # see trainables.precision.be_deterministic
    timeout_s: float | None = None  # how long a trial may take to start, to its next tick, or to save; then its process is ended
    versions: Mapping[str, str] = field(default_factory=dict)  # of the driver
    files: Mapping[str, str] = field(default_factory=code_files)  # of our code on the driver, with their hashes
    allow_changed_code: bool = False  # whether a worker may run other code of ours

    def code(self) -> str:
        """Return the hash of this worker's code. Raises WrongVersions if trials trained here would mix results of two programs."""
        here = versions()
        node = f"on node {ray.util.get_node_ip_address()}"
        if reason := refused(self.versions, here, allow_changed_code=self.allow_changed_code, there="on the driver", here=node):
            if files := changed_files(self.files):
                reason += (
                    f". Files that are not as they were on the driver when it started: {files}. If they were edited meanwhile, restore them"
                )
            raise WrongVersions(reason)
        return here["code"]

    def __reduce__(self) -> tuple[Any, ...]:
        buffers: list[pickle.PickleBuffer] = []
        packed = cloudpickle.dumps((self.source, self.evaluator), protocol=5, buffer_callback=buffers.append)
        plain = {name: value for name, value in vars(self).items() if name not in ("source", "evaluator")}
        return _unpacked, (plain, packed, buffers)


def _unpacked(plain: Mapping[str, Any], packed: bytes, buffers: list[Any]) -> Shared:
    """Import the plugins, then unpickle. plain: the other fields of Shared."""
    sys.path += [folder for folder in plain["plugin_folders"] if folder not in sys.path]
    for module in plain["plugins"]:
        importlib.import_module(module)
    source, evaluator = pickle.loads(packed, buffers=buffers)
    return Shared(source=source, evaluator=evaluator, **plain)


class GanTrainable(tune.Trainable):
    """Ray Tune Trainable whose step is one tick. Each step reports the fields of Measured and requests a checkpoint unless the trial diverged.

    The first step also reports `effective`; `eager` says why a GPU does not replay rounds, and `code` is the hash of this worker's code.
    The Tune config is {"flat": a flat TrialConfig, "checkpoint": a tune.Checkpoint to resume from, or None, …};
    tune.with_parameters passes `shared`.
    """

    def setup(self, config: dict[str, Any], *, shared: Shared) -> None:  # type: ignore[override]
        self.code, self.timeout_s = shared.code(), shared.timeout_s
        self.device = _assigned_device(self.trial_resources.required_resources if self.trial_resources else {})
        be_deterministic(shared.deterministic, self.device)
        self.source, self.evaluator, self.capture = shared.source, shared.evaluator.on(self.device), shared.capture
        self.given: dict[str, Any] | None = config

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next trial. Its first step begins it: after an error here, Tune would count the trial as waiting for ever."""
        self.given = new_config
        return True

    def _begin(self, config: dict[str, Any]) -> None:
        """Start or resume the trial of a Tune config."""
        if previous := vars(self).pop("trial", None):  # its memory first
            previous.release()
            del previous
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        with refusing():
            self.trial = Trial(TrialConfig.from_flat(config["flat"]), self.source, self.evaluator, device=self.device, capture=self.capture)
        if config["checkpoint"]:
            with config["checkpoint"].as_directory() as folder:  # fetched, if it is in an object store
                self.trial.load(Path(folder))

    def step(self) -> dict[str, Any]:
        if self.given:
            with time_limit(self.timeout_s):
                self._begin(self.given)
            self.given = None
        with time_limit(self.timeout_s), refusing():
            measured = self.trial.advance()
        return {
            **vars(measured),
            "effective": {} if measured.images else self.trial.effective,
            "eager": self.trial.eager,
            "code": self.code,
            DONE: measured.finished or bool(measured.diverged),
            SHOULD_CHECKPOINT: not measured.diverged,
        }

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        with time_limit(self.timeout_s):
            self.trial.save(Path(checkpoint_dir))


def _assigned_device(resources: Mapping[str, float]) -> torch.device:
    """Return the device that Ray assigned to this trial. Limits threads and GPU memory to the assigned share."""
    set_threads(resources.get("CPU", 1))
    share = resources.get("GPU", 0.0)
    if not share or not ray.get_runtime_context().get_accelerator_ids().get("GPU"):
        return torch.device("cpu")
    device = first_gpu()
    if share < 1:
        torch.cuda.set_per_process_memory_fraction(share)
    return device


class NoGpu(RuntimeError):
    """torch sees no GPU where Ray has one."""


def first_gpu() -> torch.device:
    """Return the GPU that CUDA_VISIBLE_DEVICES names first; Ray sets it to the assigned GPU. Raises NoGpu."""
    if not torch.cuda.is_available():
        raise NoGpu(
            "Ray assigned a GPU to this trial, but torch sees none on this node; install a GPU driver and a torch build for CUDA there"
        )
    torch.cuda.init()  # the memory counters need an initialised device
    return torch.device("cuda", 0)
