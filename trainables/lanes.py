"""Lanes: several trials that one process trains, each in a thread of its own. Does not import Ray: study/engine/workers.py runs it in an actor."""

import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from trainables.config import TrialConfig
from trainables.precision import be_deterministic
from trainables.signal_names import MEMORY
from trainables.streams import own_stream
from trainables.threads import set_threads
from trainables.trial import Trial
from trainables.tune import Shared, first_gpu, refusing

_OF_ALL = "device/worker_memory_mb"
_SWITCH_S = 5e-5  # between Python's threads; with its 5 ms, eight lanes took 7 % longer (bench/gpu, ticks)


class Lanes:
    """The trials of one process by the name of their lane. A lane calls from one thread; different lanes may call at the same time.

    cpus: threads of each trial, as many as a process of its own would use, because sums depend on the number of threads. gpu: the share of a
    GPU that each trial may use; 0 trains on the CPU. Together the trials may use the sum of their shares.
    """

    def __init__(self, shared: Shared, *, cpus: float, gpu: float):
        self._code = shared.code()
        self._source, self._cpus, self._gpu = shared.source, cpus, gpu
        self._device = first_gpu() if gpu else torch.device("cpu")
        be_deterministic(shared.deterministic, self._device)
        self._evaluator, self._capture = shared.evaluator.on(self._device), shared.capture
        self._cuda = self._device.type == "cuda"
        if self._cuda:
            torch.linalg.eigvalsh(
                torch.eye(2, device=self._device)
            )  # loads a library, which PyTorch refuses to do in two threads at a time
            torch.cuda.synchronize(self._device)  # lanes use the evaluator on other streams than this one
            sys.setswitchinterval(_SWITCH_S)
        self._trials: dict[str, Trial] = {}
        self._building = threading.Lock()  # networks draw their weights from torch's global generator, and a checkpoint sets its state

    def begin(self, lane: str, flat: Mapping[str, Any], checkpoint: Path | None) -> None:
        """Start the trial of a flat config, or resume it from a checkpoint. Ends the lane's previous trial."""
        set_threads(self._cpus)  # OpenMP counts the threads of each thread separately
        if stream := own_stream(self._device):
            torch.cuda.set_stream(stream)
        self.end(lane)
        with self._building:
            with refusing():
                trial = Trial(TrialConfig.from_flat(flat), self._source, self._evaluator, device=self._device, capture=self._capture)
            if checkpoint:
                trial.load(checkpoint)
            self._trials[lane] = trial
            if self._cuda:
                torch.cuda.set_per_process_memory_fraction(min(1.0, self._gpu * len(self._trials)), self._device)

    def tick(self, lane: str, folder: Path) -> dict[str, Any]:
        """Train to the next tick. Returns the fields of Measured, `effective`, `eager` and `code`; writes a checkpoint to `folder` unless the trial diverged.

        Ends a trial that has no further ticks. On a GPU, the peak memory is that of all trials of the process, and its name says so.
        """
        trial = self._trials[lane]
        with refusing():
            measured = trial.advance()
        if not measured.diverged:
            trial.save(folder)
        if measured.finished or measured.diverged:
            self.end(lane)
        values = {_OF_ALL if name == MEMORY else name: value for name, value in measured.values.items()}
        return {
            **vars(measured),
            "values": values,
            "effective": {} if measured.images else trial.effective,
            "eager": trial.eager,
            "code": self._code,
        }

    def speed(self, lane: str, seconds: float) -> float:
        """Train for about so many seconds. Returns images per second. See Trial.speed."""
        return self._trials[lane].speed(seconds)

    def end(self, lane: str) -> None:
        """Drop the lane's trial, if it has one."""
        if trial := self._trials.pop(lane, None):
            trial.release()

    def memory_in_use(self) -> float:
        """Return the share of the GPU's memory that is in use, also by other processes; 0 on a CPU."""
        if not self._cuda:
            return 0.0
        free, total = torch.cuda.mem_get_info(self._device)
        return 1 - free / total

    def usable(self) -> bool:
        """Whether the device still works. After an illegal access of one trial, CUDA fails for all trials of the process, until it ends."""
        try:
            if self._cuda:
                torch.cuda.current_stream(self._device).synchronize()
        except RuntimeError:
            return False
        return True
