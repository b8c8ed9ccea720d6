"""Memory of workers that train on Fashion-MNIST: private memory, and memory shared through Ray's object store.

Sampled while a study runs two concurrent trials. USS is the memory that is freed when the worker ends. Several processes map the same pages
of the object store. The total over all processes uses proportional shares, so that it counts each page once.
"""

import contextlib
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from bench.figures import Figure, Figures
from bench.polling import polled
from study.api import launch
from study.spec.study_spec import StudySpec
from trainables.data import load
from trainables.sections import DataConfig

_MB = 2**20
_STORE = "/dev/shm/plasma"  # files of Ray's object store
_POLL_S = 0.5


def figures() -> Figures:
    """Run the study and yield the peaks of its workers."""
    try:
        source = load(DataConfig(name="fashion_mnist"))
    except ValueError as missing:
        yield f"Skipped: {missing}"
        return
    data_mb = (source.train.nbytes + source.heldout.nbytes) / _MB
    spec = StudySpec.from_dict(
        {
            "name": "memory",
            "question": "What memory does a worker need?",
            "base": {"data": "fashion_mnist", "g.width": 16, "d.width": 16, "budget_kimg": 10, "tick_kimg": 5},
            "space": {"scientific": {"g.lr": [1e-4, 2e-4]}},
            "sampler": "factorial",
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        watch = _Watch()
        with polled(watch.look, every_s=_POLL_S):
            launch(spec, Path(folder) / "study", progress=False)
    workers = list(watch.workers.values())
    yield Figure("private memory of a worker (peak USS)", [w.own / _MB for w in workers], "MB", "< 1500")
    yield Figure("anonymous pages of a worker (peak)", [w.anonymous / _MB for w in workers], "MB")
    yield Figure("object store mapped by a worker", [w.store / _MB for w in workers], "MB")
    yield Figure("of that, mapped by no other process", [w.store_alone / _MB for w in workers], "MB", "≈ 0")
    yield Figure("object store in memory, driver and workers", [watch.together / _MB], "MB")
    yield f"The data take {data_mb:.0f} MB. {len(workers)} workers; {watch.looks} samples while two workers trained."


@dataclass
class _Worker:
    """Peak values, in bytes."""

    own: int = 0
    anonymous: int = 0
    store: int = 0
    store_alone: int = 0  # at the sample of `store`, while another worker trained


@dataclass
class _Watch:
    """Samples the memory of a study's workers."""

    workers: dict[int, _Worker] = field(default_factory=dict)
    together: int = 0  # bytes of the object store in memory
    looks: int = 0  # samples with at least two workers

    def look(self) -> None:
        workers = [process for process in psutil.Process().children(recursive=True) if _is_worker(process)]
        with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError):  # a worker has just ended
            maps = {process: _store_maps(process) for process in (*workers, psutil.Process())}
            for process in workers:
                self._look(process, maps[process], others=len(workers) > 1)
            self.together = max(self.together, sum(part.pss for parts in maps.values() for part in parts))
            self.looks += len(workers) > 1

    def _look(self, process: psutil.Process, maps: list[Any], *, others: bool) -> None:
        worker = self.workers.setdefault(process.pid, _Worker())
        worker.own = max(worker.own, process.memory_full_info().uss)
        worker.anonymous = max(worker.anonymous, _anonymous(process))
        store = sum(part.rss for part in maps)
        if others and store >= worker.store:
            worker.store = store
            worker.store_alone = sum(part.private_clean + part.private_dirty for part in maps)


def _store_maps(process: psutil.Process) -> list[Any]:
    return [part for part in process.memory_maps() if part.path.startswith(_STORE)]


def _is_worker(process: psutil.Process) -> bool:
    """Whether the process trains. Ray names worker processes after the trainable."""
    with contextlib.suppress(psutil.NoSuchProcess, IndexError):
        title = process.cmdline()[0]
        return title.startswith("ray::") and "Trainable" in title  # the class, or its wrapper by tune.with_resources
    return False


def _anonymous(process: psutil.Process) -> int:
    """Bytes of pages without a file and outside shared memory."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("RssAnon")))
