"""`python -m bench.tables ring`: train the runs of a table on which `ganstudy simulate` replays policies.

Trains without Ray, in plain processes with one thread each and low priority. What is trained is kept in runs/tables, so the command goes on where
it was interrupted. The table is written when it is whole: each config of study/simulate/tables/NAME.yaml with each of its seeds, then more
seeds of the configs that were best with the first two, and of a few random ones, so that the true values of good configs are known.
"""

import argparse
import json
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from analysis.diagnose import diagnose, hopeless
from analysis.metrics import METRICS
from analysis.outcomes import FAILURES
from ganstudy.ended import Ended
from ganstudy.units import to_images
from study.evaluation.evaluator import Evaluator
from study.simulate.run import Run, path_of, write_runs
from study.spec.design import seed_of
from study.spec.space import Proposal
from study.spec.study_spec import StudySpec
from study.store.diagnosis import curves_of
from trainables.config import TrialConfig
from trainables.data import Source, load
from trainables.trial import Trial

BEST, RANDOM, MORE = 0.12, 0.04, 9  # shares of configs with more seeds: of the best ones, of random ones; how many more
_DECIDE = ("fd", "coverage", "precision", "modes", "modes_lost", "vendi", "mode_spread")  # the outcome depends on these metrics
_N_REAL = 2_000  # held-out samples: five times as many cost as much as the training of points
_KEPT = ("fd", "coverage", "modes")  # beside the objective


@dataclass(frozen=True)
class Worker:
    """What a process trains with: the study, its data and its evaluator."""

    spec: StudySpec
    design: list[Proposal]
    source: Source
    evaluator: Evaluator

    @classmethod
    def of(cls, name: str) -> "Worker":
        spec = StudySpec.load(path_of(name, ".yaml"))
        for metric in set(METRICS) - {*_DECIDE, spec.objective.metric}:  # measuring the others takes as long as training
            del METRICS[metric]
        source = load(spec.corners[0].data)
        evaluator = Evaluator.build(source, features=spec.evaluation.features, n_fake=spec.evaluation.samples, n_real=_N_REAL)
        return cls(spec, spec.designed(), source, evaluator)

    def train(self, config: int, seed: int) -> Run:
        """Train a config of the design with a seed, to its end: nothing stops it early."""
        proposal = self.design[config]
        flat = {**proposal.flat, "seed": seed_of(self.spec.design_seed, config=config, replicate=seed)}
        trial = Trial(TrialConfig.from_flat(flat), self.source, self.evaluator)
        ticks, hopeless_at = [], None
        baselines = {name: baseline.value for name, baseline in self.evaluator.baselines.items()}
        n_modes, budget = self.evaluator.n_modes, to_images(self.spec.budget_kimg)
        while True:
            measured = trial.advance()
            if measured.diverged:
                break
            ticks.append((measured.images, measured.values))
            if hopeless_at is None and not measured.finished:
                images, curves = curves_of(ticks)
                if hopeless(images, curves, budget=budget, baselines=baselines, n_modes=n_modes):
                    hopeless_at = measured.images
            if measured.finished:
                break
        images, curves = curves_of(ticks)
        ended = Ended.DEAD if measured.diverged else Ended.BUDGET
        outcome = diagnose(images, curves, ended=ended, baselines=baselines, n_modes=n_modes).outcome
        metrics = {*_KEPT, self.spec.objective.metric} & curves.keys()
        return Run(
            config=config,
            seed=seed,
            settings={**{name: value for name, value in flat.items() if name in self.spec.space.domains}, **proposal.variants},
            dead=bool(measured.diverged),
            failed=outcome in FAILURES,
            outcome=outcome,
            hopeless=hopeless_at,
            images=[int(at) for at in images],
            values={name: [float(value) for value in curves[name] if value is not None] for name in sorted(metrics)},
        )


_worker: Worker


def _start(name: str) -> None:
    global _worker
    os.nice(10)
    torch.set_num_threads(1)
    _worker = Worker.of(name)


def _train(job: tuple[int, int]) -> Run:
    return _worker.train(*job)


def jobs(spec: StudySpec, runs: Sequence[Run]) -> list[tuple[int, int]]:
    """Return the configs and seeds to train: two seeds of each config, then, when these are known, all that a table needs.

    More seeds are for the best configs by the mean of their first two seeds, dead ones last, and for random other ones.
    """
    two = [(config, seed) for seed in range(2) for config in range(spec.n_configs)]
    ends = {
        (run.config, run.seed): np.inf if run.dead else spec.objective.direction.sign * run.values[spec.objective.metric][-1]
        for run in runs
    }
    if not set(two) <= ends.keys():
        return two
    order = sorted(range(spec.n_configs), key=lambda config: ends[config, 0] + ends[config, 1])
    best, random = (round(share * spec.n_configs) for share in (BEST, RANDOM))
    others = np.random.default_rng(spec.design_seed).permutation(order[best:])[:random].tolist()
    more = range(2, spec.seeds + MORE)
    every = [(config, seed) for seed in range(2, spec.seeds) for config in range(spec.n_configs)]
    wanted = [*two, *((config, seed) for seed in more for config in order[:best]), *every]
    return list(dict.fromkeys([*wanted, *((config, seed) for seed in more for config in others)]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", help="the name of a study file in study/simulate/tables")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("runs/tables"))
    given = parser.parse_args()
    spec = StudySpec.load(path_of(given.table, ".yaml"))
    given.folder.mkdir(parents=True, exist_ok=True)
    kept = given.folder / f"{given.table}.jsonl"
    runs = _kept(kept)
    with ProcessPoolExecutor(given.processes, get_context("spawn"), initializer=_start, initargs=(given.table,)) as pool:
        for _ in range(2):  # the best configs are known when each has two seeds
            runs += _trained(pool, jobs(spec, runs), runs, kept)
    runs.sort(key=lambda run: (run.config, run.seed))
    write_runs(path_of(given.table, ".parquet"), runs, spec.as_dict())
    print(
        f"{path_of(given.table, '.parquet')}: {len(runs)} runs, {np.mean([run.failed for run in runs]):.0%} failed, {sum(run.dead for run in runs)} dead"
    )


def _kept(path: Path) -> list[Run]:
    """Return the runs that were trained before. Cuts off a line that was not written whole."""
    if not path.exists():
        return []
    whole = path.read_text().rpartition("\n")[0]
    path.write_text(f"{whole}\n" if whole else "")
    return [Run(**json.loads(line)) for line in whole.splitlines()]


def _trained(pool: ProcessPoolExecutor, wanted: list[tuple[int, int]], runs: list[Run], kept: Path) -> list[Run]:
    """Train what has no run yet, and add a line to the file for each."""
    done = {(run.config, run.seed) for run in runs}
    return list(_lines(pool, [job for job in wanted if job not in done], kept))


def _lines(pool: ProcessPoolExecutor, left: list[tuple[int, int]], kept: Path) -> Iterator[Run]:
    start = time.monotonic()
    with kept.open("a") as file:
        for n, future in enumerate(as_completed([pool.submit(_train, job) for job in left]), start=1):
            run = future.result()
            file.write(json.dumps(run.as_dict()) + "\n")
            file.flush()
            if n % 20 == 0:
                each = (time.monotonic() - start) / n
                print(f"{n} of {len(left)} runs, {each:.1f} s each, {each * (len(left) - n) / 60:.0f} min left", flush=True)
            yield run


if __name__ == "__main__":
    main()
