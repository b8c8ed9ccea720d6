"""Study folders of any size with valid records, for benchmarks of reading: no trial is trained.

The curves are those of the trials that `bench.staged` trained on digits, at 20 ticks. A pool of trials is written through the Store, each
with noise of its own; the other trials are copies of its lines, with their own ids and settings, which are those of the study's design.
"""

import gzip
import json
import tempfile
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from ganstudy.ended import Ended
from study.evaluation.protocol import EvaluationProtocol
from study.spec.design import DESIGNS, seed_of
from study.spec.space import Proposal
from study.spec.study_spec import StudySpec
from study.store.layout import Layout
from study.store.records import Closed, Measurement, Saved, StudyRecord
from study.store.store import Store

MOST_CONFIGS = 10_000  # larger studies have several seeds
TICKS = 20  # after the measurement of the untrained networks
_KIMG = 200
_POOL = 120  # trials with curves of their own
_STAGED = Path(__file__).parents[1] / "tests" / "data" / "staged.jsonl.gz"
_PROTOCOL = EvaluationProtocol(data="digits", split="a", features="classifier", weights="b", classifier="b", n_real=500, n_fake=1000, k=5)


def spec_of(n_trials: int, *, goal: str = "explain") -> StudySpec:
    """Return a study of so many trials: of as many configs, or of 10,000 with several seeds each."""
    n_configs = min(n_trials, MOST_CONFIGS)
    design = {"seeds": n_trials // n_configs, "sampler": "random"} if goal == "explain" else {}
    return StudySpec.from_dict(
        {
            "name": f"scale-{n_trials}",
            "question": "How long does it take to read a study?",
            "goal": goal,
            "base": {"data": "digits", "arch": "mlp", "budget_kimg": _KIMG, "tick_kimg": _KIMG / TICKS},
            "space": {
                "scientific": {"r1": [False, True], "instance_noise": [False, True], "g.activation": ["relu", "leaky_relu"]},
                "nuisance": {
                    "g.lr": {"low": 1e-4, "high": 1e-2, "log": True},
                    "d.lr": {"low": 1e-4, "high": 1e-2, "log": True},
                    "r1.gamma": {"low": 0.1, "high": 10, "log": True},
                    "latent.dim": {"low": 16, "high": 128},
                },
            },
            "n_configs": n_configs,
            **design,
        }
    )


def write_study(folder: Path, spec: StudySpec) -> Path:
    """Write the records of a whole study whose trials all ended. Returns the folder."""
    with tempfile.TemporaryDirectory() as scratch:
        pool = _pool(Path(scratch), spec)
        head = Layout(Path(scratch)).records.read_bytes().partition(b"\n")[0]
    folder.mkdir(parents=True)
    with Layout(folder).records.open("wb") as file:
        file.write(head + b"\n")
        rows = DESIGNS.pick("random")(spec.space, n_configs=spec.n_configs, design_seed=spec.design_seed)
        ids = [spec.config(row).config_id for row in rows]
        trials = [
            (ids[config], spec.asked(row, seed_of(spec.design_seed, config=config, replicate=replicate)))
            for replicate in range(spec.seeds)
            for config, row in enumerate(rows)
        ]
        for number in range(0, len(trials), 2):  # the lines of two trials take turns, as those of two slots do
            both = [
                _copied(pool[(number + i) % len(pool)], config_id, proposal, spec.phase)
                for i, (config_id, proposal) in enumerate(trials[number : number + 2])
            ]
            for lines in zip_longest(*both, fillvalue=b""):
                file.writelines(lines)
    return folder


def _copied(lines: tuple[bytes, list[bytes]], config_id: str, proposal: Proposal, phase: str) -> list[bytes]:
    """Return the lines of a trial of the pool, with the id and the settings of another trial."""
    old, rest = lines
    trial_id = f"{config_id}-s{proposal.flat['seed']}"
    opened = json.dumps({"trial": trial_id, "opened": {"phase": phase, "flat": proposal.flat}}).encode() + b"\n"
    return [opened, *(line.replace(old, trial_id.encode()) for line in rest)]


def _pool(folder: Path, spec: StudySpec) -> list[tuple[bytes, list[bytes]]]:
    """Write the pool's trials through the Store. Returns the id of each, and its lines without the one that opens it."""
    rng = np.random.default_rng(0)
    with gzip.open(_STAGED, "rt") as file:
        runs = [run for run in map(json.loads, file) if run["settings"] == "digits/mlp" and len(run["images"]) > TICKS // 4]
    found = []
    with Store.writing(folder) as store:
        store.write_study(
            StudyRecord(
                spec=spec.as_dict(), protocol=_PROTOCOL.as_dict(), baselines=runs[0]["baselines"], n_modes=runs[0]["n_modes"],
                created="2026-01-01T00:00:00+00:00",
            )
        )  # fmt: skip
        for number in range(_POOL):
            trial_id = f"pool{number:06}-s0"
            start = store.path.stat().st_size
            store.write(trial_id, opened={"phase": spec.phase, "flat": {"seed": 0}})
            _write_ticks(store, trial_id, runs[number % len(runs)], rng)
            found.append((trial_id.encode(), store.path.read_bytes()[start:].splitlines(keepends=True)[1:]))
    return found


def _write_ticks(store: Store, trial_id: str, run: dict[str, Any], rng: np.random.Generator) -> None:
    """Write the measurements and checkpoints of a staged run, at evenly spaced ticks, with 2 % of noise."""
    until = round(TICKS * run["images"][-1] / run["budget"])
    for tick in range(until + 1):
        images = tick * 1000 * _KIMG // TICKS
        values = {}
        for name, curve in run["curves"].items():
            known = [(at, value) for at, value in zip(run["images"], curve, strict=True) if value is not None]
            if known and images >= known[0][0] * _KIMG * 1000 / run["budget"]:
                at, curve_at = zip(*known, strict=True)
                value = float(np.interp(images * run["budget"] / (_KIMG * 1000), at, curve_at))
                whole = all(float(number).is_integer() for number in curve_at)
                values[name] = float(round(value) if whole else value * rng.normal(1, 0.02))
        ended = None
        if tick == until:
            ended = Ended.BUDGET if until == TICKS else Ended.DEAD
        store.write(
            trial_id,
            effective={"data": "digits", "data.size": 1297, "loss": "nonsaturating", "optimiser": "adam", "beta1": 0.5}
            if not tick
            else None,
            measured=Measurement(images=images, seconds=1.2 * tick + rng.random(), evaluation_seconds=0.1 * (tick + 1), values=values),
            closed=Closed(ended=ended, reason="" if ended is Ended.BUDGET else "d/adv not finite") if ended else None,
        )
        if ended is not Ended.DEAD:
            store.write(trial_id, saved=Saved(images=images, path=f"tune/run000/{trial_id}_01234567/checkpoint_{tick:06}"))
