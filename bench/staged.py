"""Trains trials with a known, built-in cause of failure, to test the diagnosis.

`python -m bench.staged tests/data/staged.jsonl.gz` trains them without Ray, several hours on one core, and writes one line of JSON per
trial with its curves. Started again with the same file, it trains the trials that are missing.
"""

import argparse
import gzip
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganstudy.units import to_images
from study.evaluation.evaluator import Evaluator
from trainables.config import TrialConfig
from trainables.data import Source, load
from trainables.loop import Diverged, Tick
from trainables.run import Run

Flat = dict[str, Any]
_TICKS = 10  # of a full trial; "cut short" has fewer


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Settings that train well, and the number of seeds of unchanged trials and of each cause."""

    flat: Flat
    unchanged: int
    failing: int
    truth: str = "healthy"  # of unchanged trials; undertrained if the budget does not suffice

    def runs(self, cause: "Cause") -> int:
        """Number of seeds."""
        return self.unchanged if cause.truth == "healthy" else self.failing


EMA: Flat = {"ema": True, "ema.halflife_kimg": 5.0}
FAST: Flat = {"g.lr": 1e-3, "d.lr": 1e-3, "r1": True, "r1.gamma": 1.0}
SMALL: Flat = {"g.width": 16, "d.width": 16}
RING: Flat = {
    "g.norm": "none",
    "g.width": 128,
    "d.width": 128,
    "latent.dim": 2,
    "batch_size": 128,
    "r1.gamma": 0.1,
    "ema.halflife_kimg": 10.0,
}

SETTINGS: dict[str, Setting] = {
    "ring8/mlp": Setting(flat={**FAST, **EMA, **RING, "budget_kimg": 600.0}, unchanged=12, failing=3),
    "digits/mlp": Setting(flat={**FAST, "budget_kimg": 200.0}, unchanged=12, failing=3),
    "digits/dcgan": Setting(flat={**FAST, **EMA, **SMALL, "budget_kimg": 120.0}, unchanged=8, failing=2),
    "fashion_mnist/dcgan": Setting(
        flat={"g.lr": 2e-3, "d.lr": 2e-3, "spectral_norm": True, **EMA, **SMALL, "budget_kimg": 120.0},
        unchanged=4,
        failing=1,
        truth="undertrained",
    ),
    "fashion_mnist/mlp": Setting(flat={**FAST, **EMA, "g.width": 256, "d.width": 512, "budget_kimg": 300.0}, unchanged=4, failing=1),
    "digits/resnet": Setting(flat={**FAST, **EMA, **SMALL, "budget_kimg": 120.0}, unchanged=6, failing=2),
}
"""By data and architecture. Seeds from 1000 were used to choose the limits of the diagnosis, so they must not validate it."""


@dataclass(frozen=True, kw_only=True)
class Cause:
    """truth: the expected outcome. change: changed settings. run: the training loop. ticks: when to stop."""

    truth: str
    change: Flat
    run: Callable[[TrialConfig, Source], "Run"] = Run
    ticks: int = _TICKS


class Shown(Run, ABC):
    """Trains normally, but replaces the generator's samples."""

    @abstractmethod
    def shown(self, samples: Tensor, rng: np.random.Generator) -> Tensor:
        """Replacement for the generator's samples [N, *shape]."""

    def generator(self) -> Any:
        inner, outer = super().generator(), self

        class Generator:
            def sample(self, n: int, *, seed: int = 0) -> Tensor:
                return outer.shown(inner.sample(n, seed=seed), np.random.default_rng(seed))

        return Generator()

    def real(self, rows: np.ndarray) -> Tensor:
        """Training data [n, *shape] in the format of samples."""
        return self.batches._take(torch.from_numpy(rows))


class OnePicture(Shown):
    """All samples are the same image."""

    def shown(self, samples: Tensor, rng: np.random.Generator) -> Tensor:
        return self.latest(samples[:1]).expand_as(samples)

    def latest(self, picture: Tensor) -> Tensor:
        """The image of the current tick, so that all blocks of samples share it."""
        kept: dict[int, Tensor] = vars(self).setdefault("kept", {})
        return kept.setdefault(self.images, picture)


class Copies(Shown):
    """Samples become copies of a thousand training samples during the first half of the trial."""

    def shown(self, samples: Tensor, rng: np.random.Generator) -> Tensor:
        few = self.batches._subset[:1000].numpy()
        return torch.lerp(samples, self.real(rng.choice(few, size=len(samples))), min(1.0, 2 * self.images / self.budget))


class Shrunk(Shown):
    """All modes have the right mean, and a fifth of their spread at the end."""

    spread = 0.2

    def shown(self, samples: Tensor, rng: np.random.Generator) -> Tensor:
        assert self.source.train_labels is not None
        rows = rng.integers(len(self.source.train), size=len(samples))
        real, labels = self.real(np.arange(len(self.source.train))), torch.from_numpy(self.source.train_labels)
        means = torch.stack([real[labels == k].mean(dim=0) for k in range(len(self.source.classes))])
        mine = means[labels[rows]]
        return torch.lerp(samples, mine + self.spread * (self.real(rows) - mine), self.reached())

    def reached(self) -> float:
        """Share of the samples' way to the modes."""
        return min(1.0, 2 * self.images / self.budget)


class Widened(Shrunk):
    """All modes have the right mean, and ten times their spread from the first tick on."""

    spread = 10.0

    def reached(self) -> float:
        return float(self.images > 0)


class SomeClasses(Run):
    """Trains on some classes only."""

    share = 1.0  # of the classes

    def classes(self) -> set[int]:
        """The classes to train on now."""
        return set(range(max(1, round(len(self.source.classes) * self.share))))

    def d_step(self) -> dict[str, Tensor]:
        chosen = self.classes()
        if chosen != vars(self).get("seen"):
            assert self.source.train_labels is not None
            rows = np.flatnonzero(np.isin(self.source.train_labels, list(chosen)))
            self.seen, self.batches._subset = chosen, torch.from_numpy(rows)
            self.batches._shuffle()
        return super().d_step()


class Cycle(OnePicture):
    """Alternates between the generator's samples and a single image from tick to tick."""

    def shown(self, samples: Tensor, rng: np.random.Generator) -> Tensor:
        return super().shown(samples, rng) if (self.images // self.tick + self.config.seed) % 2 else samples


class OneInFive(SomeClasses):
    share = 0.2


class ThreeInFive(SomeClasses):
    share = 0.6


class FourInFive(SomeClasses):
    share = 0.8


class Forgets(SomeClasses):
    """Trains on all classes for three fifths of the budget, then on one."""

    def classes(self) -> set[int]:
        return set(range(len(self.source.classes))) if self.images < 0.6 * self.budget else {0}


CAUSES: dict[str, Cause] = {
    "healthy": Cause(truth="healthy", change={}),
    "cut short": Cause(truth="undertrained", change={}, ticks=2),
    "a fifth of the classes": Cause(truth="mode_collapse", change={}, run=OneInFive),
    "three fifths of the classes": Cause(truth="mode_dropping", change={}, run=ThreeInFive),
    "four fifths of the classes": Cause(truth="mode_dropping", change={}, run=FourInFive),
    "one picture": Cause(truth="mode_collapse", change={}, run=OnePicture),
    "shrunk modes": Cause(truth="mode_collapse", change={}, run=Shrunk),
    "widened modes": Cause(truth="poor_fit", change={}, run=Widened),
    "frozen generator": Cause(truth="discriminator_too_strong", change={"g.lr": 1e-12, "ema": False}),
    "fifty steps of D": Cause(
        truth="discriminator_too_strong", change={"d_steps": 50, "r1": False, "spectral_norm": False, "loss": "minimax"}
    ),
    "D never learns": Cause(truth="discriminator_failed", change={"d.lr": 1e-12}),
    "rates of 1": Cause(truth="diverged", change={"g.lr": 1.0, "d.lr": 1.0, "r1": False, "spectral_norm": False}),
    "cycle": Cause(truth="oscillating", change={}, run=Cycle),
    "forgets": Cause(truth="late_collapse", change={}, run=Forgets),
    "copies": Cause(truth="memorising", change={}, run=Copies),
}


@cache
def _prepared(data: str) -> tuple[Source, Evaluator]:
    source = load(TrialConfig.from_flat({"data": data}).data)
    return source, Evaluator.build(source)


def stage(name: str, cause: str, seed: int) -> Flat:
    """Train one trial with a cause of failure. Returns its facts and curves over K ticks.

    Keys: settings, cause, seed, truth, ended, budget, n_modes, images [K], curves {name: [K]}, baselines.
    """
    torch.set_num_threads(1)
    data, _, arch = name.partition("/")
    source, evaluator = _prepared(data)
    staged = CAUSES[cause]
    flat = {"data": data, "arch": arch, **SETTINGS[name].flat, **staged.change, "seed": seed}
    flat = {key: value for key, value in flat.items() if flat.get(key.partition(".")[0], True) is not False or "." not in key}
    config = TrialConfig.from_flat({**flat, "tick_kimg": flat["budget_kimg"] / _TICKS})
    run = staged.run(config, source)
    rows: list[dict[str, float]] = []
    ended = "budget" if staged.ticks == _TICKS else "scheduler"
    try:
        for tick in _first(run.ticks(), staged.ticks + 1):
            rows.append({"images": tick.images, **evaluator(run.generator()), **tick.signals})
    except Diverged:
        ended = "dead"
    names = dict.fromkeys(key for row in rows for key in row)
    curves = {key: [None if key not in row else float(f"{row[key]:.4g}") for row in rows] for key in names}
    facts = {
        "settings": name,
        "cause": cause,
        "seed": seed,
        "truth": SETTINGS[name].truth if staged.truth == "healthy" else staged.truth,
        "ended": ended,
        "budget": to_images(config.budget_kimg),
        "n_modes": evaluator.n_modes,
    }
    return {
        **facts,
        "images": curves.pop("images"),
        "curves": curves,
        "baselines": {key: each.value for key, each in evaluator.baselines.items()},
    }


def _first(ticks: Iterator[Tick], n: int) -> Iterator[Tick]:
    for _, tick in zip(range(n), ticks, strict=False):
        yield tick


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--settings", nargs="+", default=list(SETTINGS), choices=list(SETTINGS))
    parser.add_argument("--causes", nargs="+", default=list(CAUSES), choices=list(CAUSES))
    parser.add_argument("--first-seed", type=int, default=2000)
    parser.add_argument("--seeds", type=int, help="number of seeds per cause; default: as in SETTINGS")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    there = set()
    if given.out.exists():
        with gzip.open(given.out, "rt") as lines:
            there = {(found["settings"], found["cause"], found["seed"]) for found in map(json.loads, lines)}
    jobs = [
        (name, cause, seed)
        for name, cause in product(given.settings, given.causes)
        for seed in range(given.first_seed, given.first_seed + (given.seeds or SETTINGS[name].runs(CAUSES[cause])))
        if (name, cause, seed) not in there
    ]
    with ProcessPoolExecutor(given.workers, mp_context=get_context("spawn")) as pool:
        for done, found in enumerate(pool.map(stage, *zip(*jobs, strict=True)), 1):
            with gzip.open(given.out, "at") as out:  # a member of its own for each trial, so that a stopped run loses none
                out.write(json.dumps(found) + "\n")
            last = {key: found["curves"][key][-1] for key in ("fd", "coverage", "modes", "mode_spread", "memorisation")}
            print(f"{done}/{len(jobs)} {found['settings']} {found['cause']} s{found['seed']} {found['ended']} {last}", flush=True)


if __name__ == "__main__":
    main()
