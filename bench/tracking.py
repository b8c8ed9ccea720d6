"""What W&B costs a study: `python -m bench.tracking`, ours beside Ray's own `WandbLoggerCallback`, both offline.

The same trials with and without W&B, in both programs, alternately. A trial is a small GAN on the digits with 21 ticks; ours also logs 20 sample grids, which
the callback does not. Each is run with few and with many trials: the slope is what a trial costs, the rest what a study costs, such as starting processes.
Driver time is CPU time of the driver's process, its threads included, with W&B minus without. W&B's processes are looked at twice a second: their CPU time,
and their private memory (USS).
"""

import argparse
import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psutil
from ray import tune
from ray.air.integrations.wandb import WandbLoggerCallback
from rich.console import Console

from bench.figures import Figure, Figures, show
from bench.overhead import as_function, one_ray, ours
from bench.polling import polled
from study.engine import launch as launching
from study.evaluation.evaluator import Evaluator
from study.store.store import Store
from study.tracking.process import watching
from trainables.config import TrialConfig
from trainables.data import load

_BASE = {"data": "digits", "arch": "mlp", "g.width": 128, "d.width": 128, "budget_kimg": 80.0, "tick_kimg": 4.0}
_LR = {"low": 1e-4, "high": 1e-3, "log": True}
_EVALUATED = 500  # samples
_POLL_S = 0.5
_MB = 2**20


@dataclass
class _Watch:
    """CPU seconds and peak memory of processes with a word in their command line."""

    words: tuple[str, ...]
    cpu: dict[int, float] = field(default_factory=dict)  # process -> its CPU seconds
    peak: dict[str, float] = field(default_factory=dict)  # word -> the largest private memory of one process, in MB
    own_s: float = 0.0  # CPU time of looking

    def look(self) -> None:
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                line = " ".join(process.cmdline())
                word = next((word for word in self.words if word in line), None)
                if word:
                    self.cpu[process.pid] = sum(process.cpu_times()[:2])
                    self.peak[word] = max(self.peak.get(word, 0.0), process.memory_full_info().uss / _MB)
        self.own_s = time.thread_time()


@dataclass
class _Cost:
    """Of one run of all trials."""

    wall_s: float
    driver_s: float  # CPU
    train_s: float  # seconds of training and evaluation of all trials; NaN if they are not known
    watch: _Watch
    end_s: float = 0.0  # that the driver waited for W&B after the last trial
    loop_s: float = float("nan")  # that callbacks for W&B kept Tune's loop; NaN without callbacks


def figures(rounds: int, few: int, many: int) -> Figures:
    """Costs of both programs, a trial and a study."""
    found: dict[tuple[str, bool, int], list[_Cost]] = {}
    with tempfile.TemporaryDirectory() as folder:
        source = load(TrialConfig.from_flat(_BASE).data)
        peer = tune.with_parameters(as_function, base=_BASE, source=source, evaluator=Evaluator.build(source, n_fake=_EVALUATED))
        programs: dict[str, Callable[..., _Cost]] = {"ours": _ours, "ray": partial(_ray, peer)}
        for i, name, wandb, n in product(range(rounds), programs, (True, False), (few, many)):
            found.setdefault((name, wandb, n), []).append(programs[name](n, Path(folder) / f"{name}-{wandb}-{n}-{i}", wandb=wandb))
    for name in programs:
        ours_, with_few, with_many = name == "ours", found[name, True, few], found[name, True, many]
        bare_few, bare_many = found[name, False, few], found[name, False, many]

        def slopes(of: Callable[[_Cost], float], less: list[_Cost], more: list[_Cost]) -> list[float]:
            return [(of(b) - of(a)) / (many - few) for a, b in zip(less, more, strict=True)]

        def extra(
            of: Callable[[_Cost], float], with_few: Any = with_few, with_many: Any = with_many, bare: Any = (bare_few, bare_many)
        ) -> list[float]:
            return [1000 * (a - b) for a, b in zip(slopes(of, with_few, with_many), slopes(of, *bare), strict=True)]

        yield Figure(f"{name}: driver's CPU time a trial", extra(lambda cost: cost.driver_s), "ms", "< 50" if ours_ else "")
        if not ours_:  # which has no callback for W&B: another process follows the records
            yield Figure(f"{name}: time in Tune's loop a trial", [1000 * cost.loop_s / many for cost in with_many], "ms")
        yield Figure(
            f"{name}: wall time a trial, two at a time, with W&B minus without", extra(lambda cost: cost.wall_s - cost.end_s), "ms"
        )
        cpu = slopes(lambda cost: sum(cost.watch.cpu.values()), with_few, with_many)
        yield Figure(f"{name}: CPU time of W&B's processes a trial", [1000 * each for each in cpu], "ms")
        if ours_:
            train = slopes(lambda cost: cost.train_s, with_few, with_many)
            yield Figure(
                "ours: that, of the time of training and evaluation", [100 * a / b for a, b in zip(cpu, train, strict=True)], "%", "< 2"
            )
            yield Figure("time of training and evaluation of a trial", [1000 * each for each in train], "ms")
        fixed = [sum(cost.watch.cpu.values()) - many * each for cost, each in zip(with_many, cpu, strict=True)]
        yield Figure(f"{name}: CPU time of W&B's processes a study, beside that of trials", fixed, "s")
        yield Figure(f"{name}: wait at the end of the study", [cost.end_s for cost in with_many], "s")
        for word in with_many[0].watch.words:
            memory = [cost.watch.peak.get(word, 0.0) for cost in with_many]
            yield Figure(f"{name}: private memory of {word}", memory, "MB", "< 300" if word == "study.tracking.process" else "")
    yield f"{few} and {many} trials a run, two at a time."


def _ours(trials: int, folder: Path, *, wandb: bool) -> _Cost:
    watch, waited = _Watch(("study.tracking.process", "study.tracking.results", "study.tracking.wandb_publish", "wandb-core")), [0.0]
    real = watching

    @contextlib.contextmanager
    def timed(*args: Any, **kwargs: Any) -> Iterator[None]:
        context = real(*args, **kwargs)
        context.__enter__()
        yield
        began = time.perf_counter()
        context.__exit__(None, None, None)
        waited[0] = time.perf_counter() - began

    space = {"scientific": {"g.lr": _LR}}
    changes: dict[str, Any] = {"base": _BASE, "space": space, "goal": "explain", "evaluation": {"samples": _EVALUATED}}
    with patch.object(launching, "watching", timed):
        wall, driver = _timed(watch, lambda: ours(trials, folder, {"wandb": {"mode": "offline"}} if wandb else {}, **changes))
    ticks = [m for trial in Store(folder).trials.values() for m in trial.measurements[-1:]]
    return _Cost(wall, driver, sum(m.seconds + m.evaluation_seconds for m in ticks), watch, end_s=waited[0])


def _ray(trainable: Any, trials: int, folder: Path, *, wandb: bool) -> _Cost:
    folder.mkdir(parents=True)
    watch, callback = _Watch(("WandbLoggingActor", "Queue", "wandb-core")), _Timed(project="tracking", dir=str(folder))
    tuner = tune.Tuner(
        trainable,
        param_space={"g.lr": tune.loguniform(_LR["low"], _LR["high"])},
        tune_config=tune.TuneConfig(num_samples=trials, max_concurrent_trials=2),
        run_config=tune.RunConfig(storage_path=str(folder), callbacks=[callback] if wandb else [], verbose=0),
    )
    wall, driver = _timed(watch, tuner.fit)
    return _Cost(wall, driver, float("nan"), watch, end_s=callback.end_s, loop_s=callback.loop_s)


def _timed(watch: _Watch, run: Callable[[], Any]) -> tuple[float, float]:
    """Return the wall seconds of a call, and the CPU seconds of this process, without those of looking at the others."""
    with polled(watch.look, every_s=_POLL_S):
        wall, cpu = time.perf_counter(), time.process_time()
        run()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return wall, cpu - watch.own_s


class _Timed(WandbLoggerCallback):
    """Adds up how long it keeps the driver."""

    loop_s, end_s = 0.0, 0.0

    def log_trial_start(self, trial: Any) -> None:
        self._add(super().log_trial_start, trial)

    def log_trial_result(self, iteration: int, trial: Any, result: dict[str, Any]) -> None:
        self._add(super().log_trial_result, iteration, trial, result)

    def log_trial_end(self, trial: Any, failed: bool = False) -> None:
        self._add(super().log_trial_end, trial, failed)

    def on_experiment_end(self, trials: list[Any], **info: Any) -> None:
        began = time.perf_counter()
        super().on_experiment_end(trials, **info)
        self.end_s += time.perf_counter() - began

    def _add(self, call: Callable[..., None], *given: Any) -> None:
        began = time.perf_counter()
        call(*given)
        self.loop_s += time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--few", type=int, default=2)
    parser.add_argument("--many", type=int, default=14)
    given = parser.parse_args()
    with one_ray():
        show("Cost of W&B, offline", figures(given.rounds, given.few, given.many), Console(width=140))


if __name__ == "__main__":
    main()
