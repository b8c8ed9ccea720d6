"""Memory of a worker that trains on Fashion-MNIST: what is its own, and what it shares with the others through Ray's object store.

Read from the system while a study runs two trials at a time. USS is what would be free again if the worker ended. Pages of the
object store that several processes map are shared; they are counted once where all processes are looked at, by proportional shares.
"""

import contextlib
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from bench.figures import Figure, Figures
from study.api import launch
from study.spec.study_spec import StudySpec
from trainables.data import load
from trainables.sections import DataConfig

MB = 2**20
STORE = "/dev/shm/plasma"  # where Ray's object store lies
POLL_S = 0.5


def figures() -> Figures:
    try:
        source = load(DataConfig(name="fashion_mnist"))
    except ValueError as missing:
        yield f"Not measured: {missing}"
        return
    data_mb = (source.train.nbytes + source.heldout.nbytes) / MB
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
        watch = Watch()
        with watch.running():
            launch(spec, Path(folder) / "study", progress=False)
    workers = list(watch.workers.values())
    yield Figure("a worker's own memory (peak USS)", [w.own / MB for w in workers], "MB", "< 1500")
    yield Figure("its anonymous pages (peak)", [w.anonymous / MB for w in workers], "MB")
    yield Figure("object store mapped by a worker", [w.store / MB for w in workers], "MB")
    yield Figure("of that, mapped by it alone", [w.store_alone / MB for w in workers], "MB", "≈ 0")
    yield Figure("object store in memory, driver and workers together", [watch.together / MB], "MB")
    yield f"The data are {data_mb:.0f} MB. {len(workers)} workers that train; {watch.looks} looks while two did."


@dataclass
class Worker:
    """Bytes; the most that was seen."""

    own: int = 0
    anonymous: int = 0
    store: int = 0
    store_alone: int = 0  # when `store` was looked at, while another worker trained


@dataclass
class Watch:
    """Looks, while a study runs, at the workers that train: Ray names their processes after the trainable."""

    workers: dict[int, Worker] = field(default_factory=dict)
    together: int = 0  # bytes of the object store that are in memory
    looks: int = 0

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        ended = threading.Event()
        thread = threading.Thread(target=self._poll, args=(ended,))
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _poll(self, ended: threading.Event) -> None:
        while not ended.wait(POLL_S):
            workers = [process for process in psutil.Process().children(recursive=True) if is_worker(process)]
            with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError):  # one has just ended
                maps = {process: store_maps(process) for process in (*workers, psutil.Process())}
                for process in workers:
                    self._look(process, maps[process], others=len(workers) > 1)
                self.together = max(self.together, sum(part.pss for parts in maps.values() for part in parts))
                self.looks += len(workers) > 1

    def _look(self, process: psutil.Process, maps: list[Any], *, others: bool) -> None:
        worker = self.workers.setdefault(process.pid, Worker())
        worker.own = max(worker.own, process.memory_full_info().uss)
        worker.anonymous = max(worker.anonymous, anonymous(process))
        store = sum(part.rss for part in maps)
        if others and store >= worker.store:
            worker.store = store
            worker.store_alone = sum(part.private_clean + part.private_dirty for part in maps)


def store_maps(process: psutil.Process) -> list[Any]:
    return [part for part in process.memory_maps() if part.path.startswith(STORE)]


def is_worker(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess, IndexError):
        title = process.cmdline()[0]
        return title.startswith("ray::") and "Trainable" in title  # the class, or what tune.with_resources makes of it
    return False


def anonymous(process: psutil.Process) -> int:
    """Bytes of pages that belong to no file and no shared memory."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("RssAnon")))
